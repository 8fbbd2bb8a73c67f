"""Whole factors and the small filter, against loops and scipy."""

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from zoo.nn.layers.resampling import blur, box, nearest

X = np.random.default_rng(0).normal(size=(2, 4, 8, 3)).astype(np.float32)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_nearest_and_box(factor: int) -> None:
    large = nearest(tf.constant(X), factor).numpy()
    assert large.shape == (2, 4 * factor, 8 * factor, 3)
    small = box(tf.constant(X), factor).numpy()
    for i, j in np.ndindex(4 * factor, 8 * factor):
        np.testing.assert_array_equal(large[:, i, j], X[:, i // factor, j // factor])
    for i, j in np.ndindex(4 // factor, 8 // factor):
        rows, columns = (slice(k * factor, (k + 1) * factor) for k in (i, j))
        np.testing.assert_allclose(small[:, i, j], X[:, rows, columns].mean((1, 2)), atol=1e-6)


def test_blur_is_scipys_and_its_own_adjoint() -> None:
    taps = np.outer([1, 2, 1], [1, 2, 1])[None, :, :, None] / 16
    expected = scipy.ndimage.convolve(X, taps, mode="constant")
    np.testing.assert_allclose(blur(tf.constant(X)), expected, atol=1e-5)
    other = np.random.default_rng(1).normal(size=X.shape).astype(np.float32)
    x = tf.constant(X)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            product = tf.reduce_sum(blur(x) ** 2 * other)
        gradient = tape.gradient(product, x)
        again = tf.reduce_sum(gradient * other)
    blurred = scipy.ndimage.convolve(X, taps, mode="constant")
    expected = scipy.ndimage.convolve(2 * blurred * other, taps, mode="constant")
    np.testing.assert_allclose(gradient, expected, atol=1e-4)
    # And a second time: d/dx of (B (2 B(x) o)) . o is 2 B(o B(o)).
    inner = scipy.ndimage.convolve(other, taps, mode="constant")
    expected = scipy.ndimage.convolve(2 * other * inner, taps, mode="constant")
    np.testing.assert_allclose(outer.gradient(again, x), expected, atol=1e-4)
