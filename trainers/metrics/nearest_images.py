"""Nearest training images: does the generator copy them?

With d(x) the distance from image x to its nearest training image, in feature space:

    ratio  = median d(fakes) / median d(held-out real images)
    closer = share of fakes with d below the 1 % quantile of d(held-out real images)

Held-out images were never trained on, so they show how close a new image is by chance. A generator
that copies nothing has a ratio of about 1 or more and `closer` of about 0.01 or less. A ratio well
below 1, or a `closer` of several percent, indicates copies. Poor images are far from all real ones
and increase the ratio; `closer` still detects a few copies among many poor images. So a ratio above
1 does not mean good images.
"""

from typing import Any

import numpy as np

from trainers.metrics import neighbours, rows

CLOSE_QUANTILE = 0.01


def nearest_images(train: Any, held_out: Any, fake: Any) -> tuple[dict[str, float], np.ndarray]:
    """Compares fakes with unseen real images by their distance to the training images.

    Args:
        train: features [t, d] of the training images.
        held_out: features [m, d] of real images that are not among them.
        fake: features [n, d].

    Returns:
        ({"ratio", "closer", "median_fake", "median_held_out"}, d(fakes) float64 [n]).

    Raises:
        ValueError: wrong shapes, no rows, a value that is not finite, or at least half of the
            held-out images are training images.
    """
    rows.check_pair(train, fake, at_least=1)
    rows.check(held_out, "held-out", at_least=1)
    of_fakes = neighbours.nearest(fake, train, 1)[0][:, 0]
    of_held_out = neighbours.nearest(held_out, train, 1)[0][:, 0]
    median_held_out = float(np.median(of_held_out))
    if median_held_out == 0:
        raise ValueError(
            "Held-out images must not be training images. "
            "Received: at least half of them at distance 0 from one."
        )
    return {
        "ratio": float(np.median(of_fakes)) / median_held_out,
        "closer": float((of_fakes < np.quantile(of_held_out, CLOSE_QUANTILE)).mean()),
        "median_fake": float(np.median(of_fakes)),
        "median_held_out": median_held_out,
    }, of_fakes
