"""Splits a run into parts: a growing GAN has a batch size for each resolution."""

import dataclasses
from collections.abc import Mapping

from zoo.core.stages import Schedule


@dataclasses.dataclass(frozen=True)
class Part:
    """Consecutive steps of a run with one batch size: one call of `fit`.

    Attributes:
        start, end: First step, and last step + 1.
        batch_size: Global batch size over all replicas.
        resolution: The resolution it is trained at; None for a GAN that does not grow.
        shown: Number of images shown before this part.
    """

    start: int
    end: int
    batch_size: int
    resolution: int | None
    shown: int

    def batch_of(self, step: int) -> int:
        """Index of the batch for step `step`, in the data order cut into batches of this size.

        A part continues where the images shown before it end, so the order does not restart.
        """
        return -(-self.shown // self.batch_size) + step - self.start


def parts_of(
    steps: int,
    batch_size: int,
    batch_sizes: Mapping[int, int] | None = None,
    schedule: Schedule | None = None,
) -> list[Part]:
    """The parts of a run of `steps` steps.

    Args:
        steps: Total number of steps.
        batch_size: Used for resolutions that are not in `batch_sizes`.
        batch_sizes: Resolution -> batch size, for a growing GAN.
        schedule: When the GAN grows; None if it does not.

    Raises:
        ValueError: Batch sizes for a GAN that does not grow, or for a resolution it does not have.
    """
    if schedule is None:
        if batch_sizes:
            raise ValueError(
                "batch_sizes, one for each resolution, are for a GAN that grows (progan, "
                f"stylegan): give batch_size instead. Received: {dict(batch_sizes)}."
            )
        return [Part(0, steps, batch_size, None, 0)]
    unknown = sorted(set(batch_sizes or {}) - set(schedule.resolutions))
    if unknown:
        raise ValueError(
            "batch_sizes must name resolutions that the GAN grows through: "
            f"{', '.join(map(str, schedule.resolutions))}. Received: {unknown}."
        )
    parts, step, shown = [], 0, 0
    for resolution in schedule.resolutions:
        size = (batch_sizes or {}).get(resolution, batch_size)
        ends = [s.ends for s in schedule.stages if s.resolution == resolution]
        if not ends:
            continue  # no images are shown at this resolution
        count = steps - step if ends[-1] is None else -(-(ends[-1] - shown) // size)
        end = min(step + count, steps)
        if end > step:
            parts.append(Part(step, end, size, resolution, shown))
        step, shown = end, shown + count * size
    return parts


def part_at(parts: list[Part], step: int) -> Part:
    """The part of a run that contains step `step` (counted from 1)."""
    return next(part for part in parts if step <= part.end)
