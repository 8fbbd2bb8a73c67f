"""Kernel Inception Distance (KID): how far two sets of images are apart, as features see them.

Reference: Binkowski et al. 2018, "Demystifying MMD GANs", section 4.

KID is the squared maximum mean discrepancy between real features x_1 ... x_m and fake features
y_1 ... y_n of dimension d, in its unbiased estimate:

    k(a, b) = (a . b / d + 1)^3

    MMD^2 =   1 / (m (m - 1))  sum_{i != j} k(x_i, x_j)
            + 1 / (n (n - 1))  sum_{i != j} k(y_i, y_j)
            - 2 / (m n)        sum_{i, j}   k(x_i, y_j)

Unbiased means that its mean over samples does not depend on m or n; between two samples of one
distribution it is 0 on average, and so it can be slightly negative.
"""

import numpy as np


def kid(real: np.ndarray, fake: np.ndarray, *, chunk: int = 512) -> float:
    """The unbiased MMD^2 over all the given features, in float64.

    Args:
        real: features [m, d], m >= 2.
        fake: features [n, d], n >= 2.
        chunk: rows of the kernel matrix held at a time; changes memory, not the result.

    Returns:
        KID; papers print it times 1,000.

    Raises:
        ValueError: wrong shapes, fewer than two rows, or a value that is not finite.
    """
    real, fake = _check(real, "real"), _check(fake, "fake")
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            "Real and fake features must have one dimension. "
            f"Received: {real.shape[1]} and {fake.shape[1]}."
        )
    m, n = len(real), len(fake)
    within_real = (_kernel_sum(real, real, chunk) - _kernel_diagonal_sum(real)) / (m * (m - 1))
    within_fake = (_kernel_sum(fake, fake, chunk) - _kernel_diagonal_sum(fake)) / (n * (n - 1))
    between = _kernel_sum(real, fake, chunk) / (m * n)
    return within_real + within_fake - 2 * between


def kid_standard_error(real: np.ndarray, fake: np.ndarray, *, blocks: int = 10) -> float | None:
    """The standard error of `kid`, from its spread over disjoint blocks of the features.

    It is the standard error of the mean of the blocks' values. `kid` also uses the pairs across
    blocks, so its own error is smaller: hardly where the sets are far apart, by up to sqrt(blocks)
    where they are alike.

    Args:
        real: features [m, d], in random order.
        fake: features [n, d], in random order.
        blocks: how many parts each set is cut into.

    Returns:
        The standard error, or None where a block would hold fewer than two rows.
    """
    if min(len(real), len(fake)) < 2 * blocks:
        return None
    parts = zip(np.array_split(real, blocks), np.array_split(fake, blocks), strict=True)
    return float(np.std([kid(x, y) for x, y in parts], ddof=1) / np.sqrt(blocks))


def _check(features: np.ndarray, name: str) -> np.ndarray:
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(
            f"The {name} features must be [N, d] with N >= 2. Received: shape {features.shape}."
        )
    if not np.isfinite(features).all():
        raise ValueError(f"The {name} features must be finite. Received: NaN or infinity.")
    return features


def _kernel(dots: np.ndarray, d: int) -> np.ndarray:
    return (dots / d + 1) ** 3


def _kernel_sum(x: np.ndarray, y: np.ndarray, chunk: int) -> float:
    """sum_{i, j} k(x_i, y_j), `chunk` rows at a time."""
    starts = range(0, len(x), chunk)
    return float(sum(_kernel(x[i : i + chunk] @ y.T, x.shape[1]).sum() for i in starts))


def _kernel_diagonal_sum(x: np.ndarray) -> float:
    """sum_i k(x_i, x_i)."""
    return float(_kernel((x * x).sum(axis=1), x.shape[1]).sum())
