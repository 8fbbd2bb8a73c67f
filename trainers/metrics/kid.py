"""Kernel Inception Distance (KID): the distance between two sets of images in feature space.

Reference: Binkowski et al. 2018, "Demystifying MMD GANs", section 4.

KID is the squared maximum mean discrepancy between real features x_1 ... x_m and fake features
y_1 ... y_n of dimension d, in its unbiased estimate:

    k(a, b) = (a . b / d + 1)^3

    MMD^2 =   1 / (m (m - 1))  sum_{i != j} k(x_i, x_j)
            + 1 / (n (n - 1))  sum_{i != j} k(y_i, y_j)
            - 2 / (m n)        sum_{i, j}   k(x_i, y_j)

Unbiased means that its expectation does not depend on m or n. Between two samples of the same
distribution it is 0 on average, so it can be slightly negative.
"""

import itertools
from typing import Any

import numpy as np

from trainers.metrics import rows


def kid(real: Any, fake: Any, *, chunk: int = rows.BLOCK) -> float:
    """The unbiased MMD^2 over all the given features, in float64.

    Args:
        real: features [m, d], m >= 2.
        fake: features [n, d], n >= 2.
        chunk: rows and columns of the kernel matrix per block; affects memory, not the result.

    Returns:
        KID; papers report it times 1,000.

    Raises:
        ValueError: wrong shapes, fewer than two rows, or a value that is not finite.
    """
    rows.check_pair(real, fake)
    m, n = len(real), len(fake)
    within_real = _sum_within(real, chunk) / (m * (m - 1))
    within_fake = _sum_within(fake, chunk) / (n * (n - 1))
    between = sum(
        _kernel(x @ y.T, x.shape[1]).sum()
        for _, x in rows.blocks(real, chunk)
        for _, y in rows.blocks(fake, chunk)
    )
    return float(within_real + within_fake - 2 * between / (m * n))


def kid_standard_error(real: Any, fake: Any, *, blocks: int = 10) -> float | None:
    """The standard error of `kid`, from its spread over disjoint blocks of the features.

    It is the standard error of the mean over the blocks. `kid` also uses pairs across blocks, so
    its own error is smaller: only slightly if the sets are far apart, by up to a factor of
    sqrt(blocks) if they are alike.

    Args:
        real: features [m, d], in random order.
        fake: features [n, d], in random order.
        blocks: number of blocks per set.

    Returns:
        The standard error, or None if a block would have fewer than two rows.
    """
    if min(len(real), len(fake)) < 2 * blocks:
        return None
    parts = zip(_parts(real, blocks), _parts(fake, blocks), strict=True)
    return float(np.std([kid(x, y) for x, y in parts], ddof=1) / np.sqrt(blocks))


def _parts(features: Any, count: int) -> list[Any]:
    """`count` contiguous parts whose sizes differ by at most one, the larger ones first."""
    size, larger = divmod(len(features), count)
    bounds = [i * size + min(i, larger) for i in range(count + 1)]
    return [features[a:b] for a, b in itertools.pairwise(bounds)]


def _kernel(dots: np.ndarray, d: int) -> np.ndarray:
    return (dots / d + 1) ** 3


def _sum_within(features: Any, chunk: int) -> float:
    """sum_{i != j} k(x_i, x_j): twice the blocks above the diagonal, plus its blocks less i = j."""
    total, d = 0.0, features.shape[1]
    for i, x in rows.blocks(features, chunk):
        kernel = _kernel(x @ x.T, d)
        total += kernel.sum() - np.trace(kernel)
        for _, y in rows.blocks(features[i + chunk :], chunk):
            total += 2 * _kernel(x @ y.T, d).sum()
    return total
