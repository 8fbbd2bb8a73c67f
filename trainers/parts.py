"""A run in parts: a GAN that grows is trained at each resolution with a batch of its own."""

import dataclasses
from collections.abc import Mapping

from zoo.core.stages import Schedule


@dataclasses.dataclass(frozen=True)
class Part:
    """Steps of a run that have one batch size: one call of `fit`.

    Attributes:
        start, end: First step, and the one after the last.
        batch_size: Of all replicas together.
        resolution: That it grows to and is trained at; None of a GAN that does not grow.
        shown: Images shown before it.
    """

    start: int
    end: int
    batch_size: int
    resolution: int | None
    shown: int

    def batch_of(self, step: int) -> int:
        """Which of the batches of this size, in the order of the data, step `step` is given.

        About as many images into that order as have been shown before: no part starts it again.
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
        steps: Of the run.
        batch_size: Where `batch_sizes` names none.
        batch_sizes: Resolution -> batch size, of a GAN that grows.
        schedule: When it grows; None if it does not.

    Raises:
        ValueError: Batch sizes of a GAN that does not grow, or of a resolution it does not have.
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
    """The part of a run that step `step` (from 1 on) belongs to."""
    return next(part for part in parts if step <= part.end)
