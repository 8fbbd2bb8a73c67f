"""Features as rows, checked and read a block at a time.

The metrics that compare every pair of images take arrays, which may be mapped from a file. They
hold a block of rows, a block of pairs and a few numbers a row, so their memory does not grow with
d times N.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

BLOCK = 1024


def check(features: Any, name: str, at_least: int = 2) -> None:
    """Refuses features that are not finite numbers [N, d] with enough rows.

    Args:
        features: array.
        name: "real", "fake": whose they are, for the message.
        at_least: fewest rows that the metric can do with.

    Raises:
        ValueError: wrong shape, too few rows, or a value that is not finite.
    """
    shape = tuple(np.shape(features))
    if len(shape) != 2 or shape[0] < at_least:
        raise ValueError(
            f"The {name} features must be [N, d] with N >= {at_least}. Received: shape {shape}."
        )
    for _, block in blocks(features):
        if not np.isfinite(block).all():
            raise ValueError(f"The {name} features must be finite. Received: NaN or infinity.")


def check_pair(real: Any, fake: Any, at_least: int = 2) -> None:
    """`check` for both, and one dimension.

    Raises:
        ValueError: as `check`, or dimensions that differ.
    """
    check(real, "real", at_least)
    check(fake, "fake", at_least)
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            "Real and fake features must have one dimension. "
            f"Received: {real.shape[1]} and {fake.shape[1]}."
        )


def blocks(features: Any, size: int = BLOCK) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (index of the first row, float64 [<= size, d]) over all rows."""
    for start in range(0, features.shape[0], size):
        yield start, np.asarray(features[start : start + size], dtype=np.float64)
