"""Conditional batch norm, class by class, against the definition and Keras's plain layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.zoo.nn.layers.power_iteration import iterate
from zoo.nn.layers import (
    ConditionalBatchNormalization,
    StandingBatchNormalization,
    batch_statistics,
)

rng = np.random.default_rng(0)
LABELS = np.array([0, 2, 1, 2, 2, 0])
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]
X = rng.normal(2.0, 3.0, (6, 4, 5, 7)).astype(np.float32)


def conditional(**kwargs) -> ConditionalBatchNormalization:
    layer = ConditionalBatchNormalization(**kwargs)
    layer.build([X.shape, ONE_HOT.shape])
    for linear in (layer.gain, layer.bias):
        linear.kernel.assign(rng.normal(size=linear.kernel.shape))
    return layer


def plain(layer: ConditionalBatchNormalization, label: int) -> keras.layers.BatchNormalization:
    """Keras's batch norm with the gain and the bias of one class."""
    norm = keras.layers.BatchNormalization(momentum=layer.momentum, epsilon=layer.epsilon)
    norm.build(X.shape)
    norm.gamma.assign(1.0 + layer.gain.kernel[label])
    norm.beta.assign(layer.bias.kernel[label])
    return norm


@pytest.mark.parametrize("label", range(3))
def test_each_class_is_plain_batch_norm_with_its_own_gain_and_bias(label: int) -> None:
    layer = conditional(momentum=0.7, epsilon=1e-2)
    norm = plain(layer, label)
    rows = label == LABELS
    outputs = layer([X, ONE_HOT], training=True)
    np.testing.assert_allclose(outputs[rows], norm(X, training=True)[rows], atol=1e-5)
    for running in ("moving_mean", "moving_variance"):
        np.testing.assert_allclose(
            getattr(layer.normalization, running), getattr(norm, running), rtol=1e-5
        )
    np.testing.assert_allclose(layer([X, ONE_HOT])[rows], norm(X)[rows], atol=1e-5)


def test_gains_and_biases_have_spectral_norm_one() -> None:
    layer = conditional(spectral_norm=True)
    for linear in (layer.gain, layer.bias):
        iterate(linear, 200)
    gain, bias = (
        w / np.linalg.svd(w, compute_uv=False)[0]
        for w in (layer.gain.kernel.numpy(), layer.bias.kernel.numpy())
    )
    x = (X - X.mean(axis=(0, 1, 2))) / np.sqrt(X.var(axis=(0, 1, 2)) + 1e-5)
    expected = x * (1 + gain[LABELS])[:, None, None] + bias[LABELS][:, None, None]
    np.testing.assert_allclose(layer([X, ONE_HOT], training=True), expected, atol=1e-4)
    assert len(layer.trainable_variables) == 2


def test_gradients_are_those_of_the_composed_layer() -> None:
    weight = rng.normal(size=X.shape).astype(np.float32)
    results = []
    fused = StandingBatchNormalization(center=False, scale=False)
    for norm in (fused, keras.layers.BatchNormalization(center=False, scale=False)):
        x = tf.constant(X)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(weight * norm(x, training=True))
        results.append([tape.gradient(loss, x), *norm.get_weights()])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


@pytest.mark.parametrize("affine", [True, False])
def test_batch_statistics_are_reported_and_not_kept(affine: bool) -> None:
    norm = StandingBatchNormalization(epsilon=1e-2, center=affine, scale=affine)
    norm.build(X.shape)
    if affine:
        norm.gamma.assign(np.arange(7.0))
        norm.beta.assign(np.arange(7.0) - 3)
    before = norm.get_weights()
    with batch_statistics() as statistics:
        outputs = norm(X)
    mean, variance = X.mean(axis=(0, 1, 2)), X.var(axis=(0, 1, 2))
    expected = (X - mean) / np.sqrt(variance + 1e-2)
    if affine:
        expected = expected * np.arange(7) + np.arange(7) - 3
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    ((layer, *values),) = statistics
    assert layer is norm
    np.testing.assert_allclose(values, [mean, variance], rtol=1e-4)
    for old, new in zip(before, norm.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    outside = X / np.sqrt(1.01)  # the running statistics, as they were at first
    if affine:
        outside = outside * np.arange(7) + np.arange(7) - 3
    np.testing.assert_allclose(norm(X), outside, atol=1e-5)
