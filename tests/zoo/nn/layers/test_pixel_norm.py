"""Pixel norm against its formula in numpy."""

import numpy as np

from zoo.nn.layers import PixelNorm


def test_every_pixel_has_features_of_mean_square_one() -> None:
    x = np.random.default_rng(0).normal(2.0, 3.0, (2, 3, 4, 5)).astype(np.float32)
    expected = np.zeros_like(x)
    for n, i, j in np.ndindex(2, 3, 4):
        a = x[n, i, j].astype(np.float64)
        expected[n, i, j] = a / np.sqrt((a**2).sum() / 5 + 1e-8)
    np.testing.assert_allclose(PixelNorm()(x), expected, rtol=1e-5)
    # The epsilon shows where there is little to divide by.
    np.testing.assert_allclose(
        PixelNorm()(np.full((1, 4), 1e-5, np.float32)), 1e-5 / 1.0050e-4, 1e-3
    )


def test_half_precision_does_not_overflow() -> None:
    x = np.full((1, 8), 6e4, np.float16)
    np.testing.assert_allclose(PixelNorm(dtype="float16")(x), np.ones((1, 8)), rtol=1e-3)
