"""Nearest neighbours in feature space, by brute force, block by block."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from trainers.metrics import rows

# |a - b|^2 below this share of |a|^2 + |b|^2 counts as 0: features of the same image differ by
# rounding errors between batches of different sizes.
SAME = 1e-10


def distance_blocks(
    x: Any, y: Any, chunk: int = rows.BLOCK
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Euclidean distances from all rows of `x` to all rows of `y`, in float64.

    Args:
        x: features [m, d].
        y: features [n, d].
        chunk: maximum number of rows and columns in a block.

    Yields:
        (first row i, first column j, distances [<= chunk, <= chunk]); all blocks of one i follow
        each other.
    """
    for i, a in rows.blocks(x, chunk):
        a_squared = (a * a).sum(axis=1)[:, None]
        for j, b in rows.blocks(y, chunk):
            # |a - b|^2 = |a|^2 + |b|^2 - 2 a.b
            sizes = a_squared + (b * b).sum(axis=1)
            squared = sizes - 2 * (a @ b.T)
            squared[squared < SAME * sizes] = 0
            yield i, j, np.sqrt(squared, out=squared)


def nearest(x: Any, y: Any, k: int, chunk: int = rows.BLOCK) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest rows of `y` for each row of `x`.

    Returns:
        (distances float64 [m, k], indices into y int64 [m, k]), nearest first. A row that is in
        both is its own neighbour, at distance 0.

    Raises:
        ValueError: `y` has fewer than k rows.
    """
    if y.shape[0] < k:
        raise ValueError(f"{k} neighbours need at least {k} rows. Received: {y.shape[0]}.")
    parts = list(_nearest_blocks(x, y, k, chunk))
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def radii(x: Any, k: int, chunk: int = rows.BLOCK) -> np.ndarray:
    """Distance from each row of `x` to its k-th nearest other row, float64 [m].

    Raises:
        ValueError: `x` has no more than k rows.
    """
    if x.shape[0] <= k:
        raise ValueError(
            f"The {k} nearest neighbours of an image need more than {k} images. "
            f"Received: {x.shape[0]}."
        )
    return np.concatenate([d[:, k].copy() for d, _ in _nearest_blocks(x, x, k + 1, chunk)])


def _nearest_blocks(x: Any, y: Any, k: int, chunk: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`nearest`, one block of rows of `x` at a time."""
    for i in range(0, x.shape[0], chunk):
        size = min(chunk, x.shape[0] - i)
        distances, indices = np.full([size, k], np.inf), np.zeros([size, k], np.int64)
        for _, j, block in distance_blocks(x[i : i + chunk], y, chunk):
            columns = np.broadcast_to(np.arange(j, j + block.shape[1]), block.shape)
            candidates = np.concatenate([distances, block], axis=1)
            origins = np.concatenate([indices, columns], axis=1)
            best = np.argpartition(candidates, k - 1, axis=1)[:, :k]
            distances = np.take_along_axis(candidates, best, axis=1)
            indices = np.take_along_axis(origins, best, axis=1)
        order = np.argsort(distances, axis=1, kind="stable")
        yield tuple(np.take_along_axis(a, order, axis=1) for a in (distances, indices))
