"""Features as rows, checked and read block by block.

The metrics that compare every pair of images take arrays, which may be memory-mapped. They hold a
block of rows, a block of pairs and a few numbers per row, so their memory does not grow with d
times N.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

BLOCK = 1024


def check(features: Any, name: str, at_least: int = 2) -> None:
    """Checks that features are finite numbers [N, d] with enough rows.

    Args:
        features: array.
        name: "real" or "fake", for the message.
        at_least: minimum number of rows for the metric.

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
    """Checks both, and that their dimensions are equal.

    Raises:
        ValueError: as `check`, or different dimensions.
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
