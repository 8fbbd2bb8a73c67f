"""Equalized layers against plain sums in numpy, with the weights scaled by hand."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.nn.layers import EqualizedConv2D, EqualizedDense


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(("gain", "multiplier"), [(math.sqrt(2), 1.0), (1.0, 0.01)])
def test_dense_is_the_sum_over_scaled_weights(gain: float, multiplier: float) -> None:
    layer = EqualizedDense(5, gain, multiplier)
    layer.build((None, 7))
    kernel, bias = draw(7, 5), draw(5)
    layer.set_weights([kernel, bias])
    x = draw(4, 7)
    expected = x.astype(np.float64) @ (kernel * gain / math.sqrt(7) * multiplier)
    np.testing.assert_allclose(layer(x), expected + multiplier * bias, rtol=1e-4, atol=1e-6)


def test_convolution_is_the_sum_over_scaled_weights() -> None:
    layer = EqualizedConv2D(2, 3)
    layer.build((None, 5, 6, 4))
    kernel, bias = draw(3, 3, 4, 2), draw(2)
    layer.set_weights([kernel, bias])
    x = draw(3, 5, 6, 4)
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]).astype(np.float64)
    expected = np.zeros((3, 5, 6, 2)) + bias
    for i in range(3):
        for j in range(3):
            expected += padded[:, i : i + 5, j : j + 6] @ (kernel[i, j] * math.sqrt(2 / 36))
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("resample", ["up", "down"])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_resampling_is_one_step_after_the_other(resample: str, kernel_size: int) -> None:
    fused = EqualizedConv2D(3, kernel_size, resample=resample)
    plain = EqualizedConv2D(3, kernel_size)
    for layer in (fused, plain):
        layer.build((None, 6, 4, 5))
        layer.set_weights([draw(kernel_size, kernel_size, 5, 3), draw(3)])
    x = draw(2, 6, 4, 5)
    if resample == "up":
        expected = plain(x.repeat(2, axis=1).repeat(2, axis=2))
    else:
        expected = plain(x).numpy().reshape(2, 3, 2, 2, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(fused(x), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="'up', 'down' or None. Received: 'left'"):
        EqualizedConv2D(3, 3, resample="left")


@pytest.mark.parametrize("layer", [EqualizedDense(64, 1.5), EqualizedConv2D(64, 3, 1.5, 0.1)])
def test_weights_begin_as_he_would_draw_them(layer: keras.layers.Layer) -> None:
    keras.utils.set_random_seed(0)
    layer.build((None, 8, 8, 64) if isinstance(layer, EqualizedConv2D) else (None, 256))
    fan_in = math.prod(layer.kernel.shape[:-1])
    assert abs(layer.kernel.numpy().std() * layer.lr_multiplier - 1.0) < 0.02
    assert abs(layer.effective_kernel().numpy().std() - 1.5 / math.sqrt(fan_in)) < 0.02 * 1.5
    assert not layer.bias.numpy().any()


def test_every_layer_learns_at_its_share_of_the_rate() -> None:
    """One step of Adam moves a stored weight by the rate, whatever the layer's size."""
    for inputs, multiplier in ((4, 1.0), (400, 1.0), (400, 0.01)):
        layer = EqualizedDense(1, 1.0, multiplier, use_bias=False)
        layer.build((None, inputs))
        before = layer.effective_kernel().numpy()
        optimizer = keras.optimizers.Adam(1e-3, epsilon=1e-12)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(tf.ones([1, inputs])))
        optimizer.apply(tape.gradient(loss, layer.trainable_variables), layer.trainable_variables)
        moved = before - layer.effective_kernel().numpy()
        np.testing.assert_allclose(moved, 1e-3 * multiplier / math.sqrt(inputs), rtol=0.03)
        assert len(layer.weights) == 1


def test_config_makes_the_same_layer() -> None:
    for layer in (
        EqualizedDense(3, 1.0, 0.01, use_bias=False),
        EqualizedConv2D(3, 1, 1.0, 0.5, use_bias=False, resample="up"),
    ):
        again = keras.layers.deserialize(keras.layers.serialize(layer))
        assert again.get_config() == layer.get_config()
