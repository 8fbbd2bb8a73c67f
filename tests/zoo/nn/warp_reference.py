"""ADA's warp as the paper's code does it, image by image in numpy, and the power that a warp keeps.

The image is padded with its mirror image up to one width, with zeros beyond; doubled by the wavelet
filter; sampled bilinearly; halved by the filter turned around.
"""

from collections.abc import Callable

import numpy as np
import scipy.ndimage
import scipy.signal

# The low-pass of sym6, from PyWavelets.
SYM6 = np.array(
    [
        *(0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633),
        *(0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252),
        *(-0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148),
    ]
)


def warp(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """[S, S] -> [S, S]; the matrix is that of `augment.warp`."""
    size = len(image)
    padded = np.pad(image, size - 1, mode="reflect")
    for axis in (0, 1):
        # Twice as many, of which number 2 i + 5 is pixel i.
        padded = scipy.signal.upfirdn(np.sqrt(2) * SYM6, padded, up=2, axis=axis)
    half = np.arange(-5, 2 * size + 5) / 2 - (size - 1) / 2
    y, x = np.meshgrid(half, half, indexing="ij")
    x, y = (matrix @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)]))[:2]
    places = [2 * (place + (size - 1) / 2 + size - 1) + 5 for place in (y, x)]
    sampled = scipy.ndimage.map_coordinates(padded, places, order=1, mode="constant")
    sampled = sampled.reshape(len(half), len(half))
    for axis in (0, 1):
        sampled = np.apply_along_axis(np.correlate, axis, sampled, SYM6 / np.sqrt(2), "valid")
        sampled = np.take(sampled, 2 * np.arange(size), axis)
    return sampled


def power_kept(
    warp: Callable[[np.ndarray, np.ndarray], np.ndarray], matrices: np.ndarray, size: int
) -> float:
    """Share of white noise's power above a quarter of the sampling rate that a warp keeps.

    Args:
        warp: (images [N, S, S], matrices [N, 3, 3]) -> images.
        matrices: [N, 3, 3].
        size: Pixels a side.
    """
    images = np.random.default_rng(0).normal(size=(len(matrices), size, size))
    frequency = np.fft.fftfreq(size)
    high = np.hypot(frequency[:, None], frequency[None]) > 0.25

    def power(images: np.ndarray) -> float:
        return np.sum(np.abs(np.fft.fft2(images)[:, high]) ** 2)

    return power(warp(images, matrices)) / power(images)
