"""Batch norm against its definition in numpy, and against Keras's own layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.nn.layers import BatchNormalization


@pytest.mark.parametrize("shape", [(8, 5), (4, 3, 6, 5)])
def test_training_is_the_definition(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(2.0, 3.0, shape).astype(np.float32)
    layer = BatchNormalization(momentum=0.75, epsilon=1e-2)
    layer.build(shape)
    gamma, beta = np.arange(1.0, 6.0, dtype=np.float32), np.arange(5.0, dtype=np.float32)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    axes = tuple(range(len(shape) - 1))
    mean, variance = x.mean(axes, dtype=np.float64), x.var(axes, dtype=np.float64)
    expected = gamma * (x - mean) / np.sqrt(variance + 1e-2) + beta
    np.testing.assert_allclose(layer(x, training=True), expected, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean, 0.25 * mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, 0.75 + 0.25 * variance, rtol=1e-5)


@pytest.mark.parametrize("shape", [(8, 5), (4, 3, 6, 5)])
def test_outputs_gradients_and_inference_are_keras(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(2.0, 3.0, shape).astype(np.float32))
    weight = rng.normal(size=shape).astype(np.float32)
    results = []
    for layer in (BatchNormalization(momentum=0.5), keras.layers.BatchNormalization(momentum=0.5)):
        layer.build(shape)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(weight * layer(x, training=True))
        gradients = tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])
        results.append([*gradients, layer(x, training=False), *layer.get_weights()])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_gain_and_bias_may_be_left_out() -> None:
    x = np.random.default_rng(0).normal(2.0, 3.0, (4, 3, 6, 5)).astype(np.float32)
    layer = BatchNormalization(center=False, scale=False, epsilon=1e-2)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    expected = (x - mean) / np.sqrt(variance + 1e-2)
    np.testing.assert_allclose(layer(x, training=True), expected, atol=1e-5)
    assert layer.trainable_variables == []
