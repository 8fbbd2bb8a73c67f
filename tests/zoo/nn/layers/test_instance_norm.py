"""Instance norm against numpy, its gradient against what TensorFlow derives."""

import numpy as np
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


def test_half_precision_is_normalised_in_single() -> None:
    x = some_images() * 300.0  # the squares are beyond float16
    layer = InstanceNormalization(dtype="mixed_float16")
    y = layer(tf.cast(x, tf.float16))
    assert y.dtype == tf.float16
    np.testing.assert_allclose(y, InstanceNormalization()(x), atol=5e-3)
