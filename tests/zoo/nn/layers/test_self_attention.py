"""Self-attention by hand, pixel by pixel in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.zoo.nn.layers.power_iteration import iterate
from zoo.nn.layers import SelfAttention

rng = np.random.default_rng(0)


@pytest.fixture
def layer() -> SelfAttention:
    layer = SelfAttention()
    layer.build((None, 4, 6, 16))
    for conv in (layer.theta, layer.phi, layer.g, layer.o):
        conv.kernel.assign(rng.normal(size=conv.kernel.shape))
        iterate(conv, 300)
    return layer


def weights(conv: keras.layers.Layer) -> np.ndarray:
    w = conv.kernel.numpy()[0, 0].astype(np.float64)
    return w / np.linalg.svd(w, compute_uv=False)[0]


def test_it_is_the_formula(layer: SelfAttention) -> None:
    x = (3 * rng.normal(size=(2, 4, 6, 16))).astype(np.float32)
    layer.gamma.assign(0.7)
    theta, phi, g, o = (weights(c) for c in (layer.theta, layer.phi, layer.g, layer.o))
    assert theta.shape == phi.shape == (16, 2)
    assert g.shape == (16, 8)
    expected = np.zeros(x.shape)
    for n, row, column in np.ndindex(2, 4, 6):
        scores, values = [], []
        for i, j in np.ndindex(2, 3):  # patches of 2x2
            patch = x[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].reshape(4, 16)
            scores.append((x[n, row, column] @ theta) @ (patch @ phi).max(axis=0))
            values.append((patch @ g).max(axis=0))
        attention = np.exp(scores) / np.exp(scores).sum()
        seen = sum(a * v for a, v in zip(attention, values, strict=True)) @ o
        expected[n, row, column] = x[n, row, column] + 0.7 * seen
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_it_passes_the_image_on_at_first_and_learns(layer: SelfAttention) -> None:
    x = tf.constant(rng.normal(size=(2, 4, 6, 16)).astype(np.float32))
    with tf.GradientTape() as tape:
        outputs = layer(x)
        loss = tf.reduce_sum(outputs**2)
    np.testing.assert_array_equal(outputs, x)
    assert tape.gradient(loss, layer.gamma.value) != 0


def test_its_maps_begin_apart() -> None:
    layer = SelfAttention()
    layer.build((None, 4, 4, 16))
    assert np.abs(layer.theta.kernel.numpy() - layer.phi.kernel.numpy()).max() > 0.01


def test_too_few_features_are_one_line() -> None:
    with pytest.raises(ValueError, match="at least 8 features. Received: 4"):
        SelfAttention()(tf.zeros([1, 4, 4, 4]))
