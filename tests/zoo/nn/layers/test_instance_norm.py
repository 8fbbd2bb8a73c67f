"""Instance norm against numpy, its gradient against what TensorFlow derives."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from zoo.nn.layers import InstanceNormalization


def some_images() -> np.ndarray:
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.5, 5.0, (3, 1, 1, 4))
    return (rng.normal(size=(3, 5, 6, 4)) * scale + scale).astype(np.float32)


def test_every_feature_of_every_image_is_normalised() -> None:
    x = some_images()
    expected = np.empty_like(x)
    for image in range(3):
        for feature in range(4):
            one = x[image, :, :, feature]
            expected[image, :, :, feature] = (one - one.mean()) / np.sqrt(one.var() + 1e-5)
    layer = InstanceNormalization()
    for training in (True, False):
        np.testing.assert_allclose(layer(x, training=training), expected, atol=1e-5)
    assert layer.weights == []
    np.testing.assert_allclose(layer(x[1:2])[0], layer(x)[1], atol=1e-6)  # whoever stands beside


def test_its_gradient_is_that_of_the_formula() -> None:
    x = tf.constant(some_images())
    weight = tf.random.stateless_normal(x.shape, [1, 2])
    gradients = []
    for normalise in (
        InstanceNormalization(),
        lambda x: (
            (x - tf.reduce_mean(x, (1, 2), keepdims=True))
            / tf.sqrt(tf.math.reduce_variance(x, (1, 2), keepdims=True) + 1e-5)
        ),
    ):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(weight * normalise(x) ** 2)
        gradients.append(tape.gradient(loss, x))
    np.testing.assert_allclose(*gradients, atol=1e-4)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_gradient_penalty_has_the_gradient_of_the_formula(compiled: bool) -> None:
    x = tf.constant(some_images())
    weight = tf.random.stateless_normal(x.shape, [1, 2])

    def formula(x: tf.Tensor) -> tf.Tensor:
        mean, variance = tf.nn.moments(x, (1, 2), keepdims=True)
        return (x - mean) / tf.sqrt(variance + 1e-5)

    def of_penalty(normalise: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                scores = tf.reduce_sum(weight * tf.tanh(normalise(x)))
            penalty = tf.reduce_sum(inner.gradient(scores, x) ** 2)
        return outer.gradient(penalty, x)

    if compiled:
        of_penalty = tf.function(of_penalty)
    expected = of_penalty(formula)
    largest = np.abs(expected).max()
    given = of_penalty(InstanceNormalization())
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5 * largest)


def test_half_precision_is_normalised_in_single() -> None:
    x = some_images() * 300.0  # the squares are beyond float16
    layer = InstanceNormalization(dtype="mixed_float16")
    y = layer(tf.cast(x, tf.float16))
    assert y.dtype == tf.float16
    np.testing.assert_allclose(y, InstanceNormalization()(x), atol=5e-3)
