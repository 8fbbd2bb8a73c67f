"""Improved precision and recall, density and coverage: separate scores of fidelity and diversity.

References: Kynkaanniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative
Models", equations 1 and 2; Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for
Generative Models", section 3.

With real features x_1 ... x_m, fake features y_1 ... y_n, and B(x) the closed ball around x whose
radius is the distance to the k-th nearest other row of x's own set:

    precision = 1/n sum_j  [ y_j in B(x_i) for some i ]      does a fake look like a real image?
    recall    = 1/m sum_i  [ x_i in B(y_j) for some j ]      does a real image look like a fake?
    density   = 1/(k n) sum_j sum_i [ y_j in B(x_i) ]        precision that counts balls; >= 0
    coverage  = 1/m sum_i  [ y_j in B(x_i) for some j ]      recall with balls around real images

For real against real images at equal counts, density is about 1 and coverage about 1 - 1/2^k. Balls
are larger with fewer images: compare only scores from equal counts.
"""

from typing import Any

import numpy as np

from trainers.metrics import neighbours, rows

NEAREST_K = 5


def precision_recall(
    real: Any, fake: Any, *, k: int = NEAREST_K, chunk: int = rows.BLOCK
) -> dict[str, float]:
    """Computes all four at once, since they share the distances.

    Args:
        real: features [m, d], m > k.
        fake: features [n, d], n > k.
        k: the neighbour that sets the radius of a ball.
        chunk: rows and columns of the distance matrix per block.

    Returns:
        {"precision", "recall", "density", "coverage"}.

    Raises:
        ValueError: wrong shapes, too few rows, or a value that is not finite.
    """
    rows.check_pair(real, fake, at_least=k + 1)
    real_radii = neighbours.radii(real, k, chunk)
    fake_radii = neighbours.radii(fake, k, chunk)
    balls_around_fake = np.zeros(len(fake), np.int64)  # number of real balls that contain y_j
    covered = np.zeros(len(real), bool)  # some fake in B(x_i)
    recalled = np.zeros(len(real), bool)  # x_i in some B(y_j)
    for i, j, distances in neighbours.distance_blocks(real, fake, chunk):
        a, b = slice(i, i + distances.shape[0]), slice(j, j + distances.shape[1])
        inside_real = distances <= real_radii[a, None]
        balls_around_fake[b] += inside_real.sum(axis=0)
        covered[a] |= inside_real.any(axis=1)
        recalled[a] |= (distances <= fake_radii[b]).any(axis=1)
    return {
        "precision": float((balls_around_fake > 0).mean()),
        "recall": float(recalled.mean()),
        "density": float(balls_around_fake.mean() / k),
        "coverage": float(covered.mean()),
    }
