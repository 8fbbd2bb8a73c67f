"""Pixel shuffle, by its definition."""

import numpy as np
import pytest

from zoo.nn.layers import PixelShuffle


@pytest.mark.parametrize("r", [2, 3])
def test_it_is_the_definition(r: int) -> None:
    height, width, channels = 2, 3, 4
    x = np.random.default_rng(0).normal(size=(2, height, width, r * r * channels))
    x = x.astype(np.float32)
    y = PixelShuffle(r)(x).numpy()
    assert y.shape == (2, r * height, r * width, channels)
    for h, w, i, j, c in np.ndindex(height, width, r, r, channels):
        np.testing.assert_array_equal(
            y[:, r * h + i, r * w + j, c], x[:, h, w, (r * i + j) * channels + c]
        )


def test_features_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"PixelShuffle.2. takes a multiple of 4 .* Received: 6"):
        PixelShuffle(2)(np.zeros((1, 2, 2, 6), np.float32))
