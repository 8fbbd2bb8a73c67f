"""Pix2Pix's batch norm against numpy."""

import numpy as np
import tensorflow as tf

from zoo.nn.layers import PerImageBatchNormalization


def test_each_image_is_normalised_alone_in_training_too() -> None:
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.5, 5.0, (3, 1, 1, 4))
    x = (rng.normal(size=(3, 5, 6, 4)) * scale + scale).astype(np.float32)
    layer = PerImageBatchNormalization()
    layer.build(x.shape)
    layer.gamma.assign([1.0, 2.0, -3.0, 0.5])
    layer.beta.assign([0.0, 1.0, -1.0, 2.0])
    centred = x - x.mean(axis=(1, 2), keepdims=True)
    expected = centred / np.sqrt(x.var(axis=(1, 2), keepdims=True) + 1e-5)
    expected = expected * [1.0, 2.0, -3.0, 0.5] + [0.0, 1.0, -1.0, 2.0]
    for training in (True, False):
        np.testing.assert_allclose(layer(x, training=training), expected, atol=1e-5)
    assert [tuple(weight.shape) for weight in layer.trainable_weights] == [(4,), (4,)]
    assert layer.non_trainable_weights == []


def test_a_batch_of_one_is_batch_norm() -> None:
    x = np.random.default_rng(1).normal(2.0, 3.0, (1, 6, 5, 3)).astype(np.float32)
    layer = PerImageBatchNormalization()
    made = layer(x)
    expected, _, _ = tf.compat.v1.nn.fused_batch_norm(x, layer.gamma, layer.beta, epsilon=1e-5)
    np.testing.assert_allclose(made, expected, atol=1e-5)
