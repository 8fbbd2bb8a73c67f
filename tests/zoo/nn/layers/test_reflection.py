"""Reflection padding, by hand."""

import keras
import numpy as np

from zoo.nn.layers import ReflectionPadding2D


def test_the_edge_is_not_repeated() -> None:
    row = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    image = (row + 10.0 * row[:, None])[None, :, :, None]
    padded = ReflectionPadding2D(2)(image)
    mirrored = np.array([3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 2.0])
    np.testing.assert_array_equal(padded[0, :, :, 0], mirrored + 10.0 * mirrored[:, None])


def test_sizes_that_are_not_known_yet() -> None:
    padded = ReflectionPadding2D(3)(keras.Input((None, 12, 2)))
    assert padded.shape[2:] == (18, 2)
