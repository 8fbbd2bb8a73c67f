"""Frechet distance between two sets of images, whose features are modelled as Gaussians.

Reference: Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local
Nash Equilibrium", equation 6. On InceptionV3's pooled features it is called FID.

    d^2 = |mu_r - mu_f|^2 + Tr(C_r + C_f - 2 (C_r C_f)^(1/2))

The estimate is biased upwards, more so with fewer images: compare only distances from equal counts.
Covariances are divided by N - 1, as in the paper's code.
"""

import numpy as np


class Moments:
    """Count, mean and covariance of batches of features, in float64.

    Batches are merged with the method of Chan, Golub and LeVeque 1979, which avoids cancellation.
    Memory is one covariance matrix for any count: 13 MB at d = 1,280, 34 MB at d = 2,048.

    Args:
        dimension: d.
    """

    def __init__(self, dimension: int) -> None:
        self.count = 0
        self.mean = np.zeros(dimension)
        self._scatter = np.zeros([dimension, dimension])  # sum of (x - mean) (x - mean)^T

    def update(self, features: np.ndarray) -> None:
        """Adds features [n, d]."""
        features = np.asarray(features, np.float64)
        n = len(features)
        if n == 0:
            return
        mean = features.mean(axis=0)
        centred = features - mean
        shift, total = mean - self.mean, self.count + n
        self._scatter += centred.T @ centred
        self._scatter += np.outer(shift, shift * (self.count * n / total))
        self.mean += shift * (n / total)
        self.count = total

    @property
    def covariance(self) -> np.ndarray:
        """float64 [d, d]."""
        return self._scatter / (self.count - 1)


def frechet_distance(real: Moments, fake: Moments) -> float:
    """d^2 between the two sets.

    Raises:
        ValueError: different dimensions, or a side with no more images than features, whose
            covariance cannot have full rank.
    """
    d = len(real.mean)
    if d != len(fake.mean):
        raise ValueError(
            f"Real and fake features must have one dimension. Received: {d} and {len(fake.mean)}."
        )
    for name, side in (("real", real), ("fake", fake)):
        if side.count <= d:
            raise ValueError(
                f"A Frechet distance over {d} features needs at least {d + 1} {name} images. "
                f"Received: {side.count}."
            )
    return gaussian_distance(real.mean, real.covariance, fake.mean, fake.covariance)


def gaussian_distance(
    mean_r: np.ndarray, covariance_r: np.ndarray, mean_f: np.ndarray, covariance_f: np.ndarray
) -> float:
    """d^2 between two Gaussians with means [d] and covariances [d, d].

    C_r C_f has the same eigenvalues as the symmetric matrix C_r^(1/2) C_f C_r^(1/2), so no square
    root of a non-symmetric matrix is needed for the trace.

    Raises:
        ValueError: a value that is not finite.
    """
    if not all(np.isfinite(a).all() for a in (mean_r, covariance_r, mean_f, covariance_f)):
        raise ValueError("Means and covariances must be finite. Received: NaN or infinity.")
    values, vectors = np.linalg.eigh(covariance_r)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    product = root @ covariance_f @ root
    eigenvalues = np.linalg.eigvalsh((product + product.T) / 2)
    trace_of_root = np.sqrt(np.maximum(eigenvalues, 0)).sum()
    shift = mean_r - mean_f
    return float(
        shift @ shift + np.trace(covariance_r) + np.trace(covariance_f) - 2 * trace_of_root
    )
