"""Perceptual Path Length (PPL): how smoothly images change along paths between latents.

Reference: Karras et al. 2019, "A Style-Based Generator Architecture for GANs", section 4.1.

    PPL = E[ 1/eps^2  d( G(path(z1, z2; t)), G(path(z1, z2; t + eps)) ) ],    t ~ U(0, 1)

with path = slerp for z (a normalised or Gaussian latent) and lerp for w. The paper's d is LPIPS on
VGG16. Here d is the squared distance between the network's pooled features, scaled to unit length:

    d(a, b) = | f(a)/|f(a)| - f(b)/|f(b)| |^2

so compare scores only if they use the same network, and never with the paper's. The mean is over
all paths; the paper's code omits the extreme 2 %.
"""

from collections.abc import Callable, Iterable

import numpy as np

EPSILON = 1e-4


def ppl(
    images_of: Callable[..., np.ndarray],
    features_of: Callable[[np.ndarray], np.ndarray],
    ends: Iterable[tuple[np.ndarray, ...]],
    *,
    path: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    seed: int = 0,
    epsilon: float = EPSILON,
) -> tuple[float, float]:
    """PPL over paths between the given pairs of latents.

    Args:
        images_of: latents f32 [n, z] -> images float [n, H, W, C]. They must not be rounded to 8
            bits, since a step of `epsilon` changes less than one grey level. Takes fixed inputs
            after the latents.
        features_of: those images -> features [n, d].
        ends: batches (z1, z2), each [n, z], of the two ends of each path; or (z1, z2, fixed ...),
            with inputs that are constant along each path, such as labels [n].
        path: `slerp` or `lerp`.
        seed: seed of t.
        epsilon: step along a path.

    Returns:
        (PPL, its standard error).

    Raises:
        ValueError: fewer than two paths.
    """
    rng = np.random.default_rng(seed)
    lengths = [np.empty(0)]
    for z1, z2, *fixed in ends:
        t = rng.uniform(0.0, 1.0, [len(z1), 1])
        z1, z2 = np.asarray(z1, np.float64), np.asarray(z2, np.float64)
        latents = np.concatenate([path(z1, z2, t), path(z1, z2, t + epsilon)])
        twice = [np.concatenate([held, held]) for held in fixed]
        a, b = np.split(features_of(images_of(latents.astype(np.float32), *twice)), 2)
        lengths.append(distance(a, b) / epsilon**2)
    values = np.concatenate(lengths)
    if len(values) < 2:
        raise ValueError(f"PPL needs at least 2 paths. Received: {len(values)}.")
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distance between features [n, d] scaled to unit length, float64 [n]."""
    a, b = (np.asarray(x, np.float64) for x in (a, b))
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    return ((a - b) ** 2).sum(axis=1)


def lerp(z1: np.ndarray, z2: np.ndarray, t: np.ndarray) -> np.ndarray:
    """(1 - t) z1 + t z2; latents [n, z], t [n, 1]."""
    return z1 + t * (z2 - z1)


def slerp(z1: np.ndarray, z2: np.ndarray, t: np.ndarray) -> np.ndarray:
    """sin((1 - t) a)/sin(a) z1 + sin(t a)/sin(a) z2, with a the angle between z1 and z2.

    Latents [n, z], not parallel; t [n, 1]. On the unit sphere this is the great circle.
    """
    norms = np.linalg.norm(z1, axis=1) * np.linalg.norm(z2, axis=1)
    angle = np.arccos(np.clip((z1 * z2).sum(axis=1) / norms, -1, 1))[:, None]
    return (np.sin((1 - t) * angle) * z1 + np.sin(t * angle) * z2) / np.sin(angle)
