"""Gradients of biases in half precision against those of float32."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.nn.bias import add_bias
from zoo.nn.fast import strided
from zoo.nn.layers import (
    DownsamplingConv2D,
    EqualizedConv2D,
    GroupedConv2D,
    ImageConv2D,
    SpectralNormConv2D,
)
from zoo.progan.networks import FirstBlock
from zoo.stylegan.networks import Epilogue

IMAGES = (32, 64, 64)
LAYERS = {
    "equalized": (lambda: EqualizedConv2D(8, 3), [(*IMAGES, 4)]),
    "downsampling": (lambda: DownsamplingConv2D(8, 3), [(*IMAGES, 4)]),
    "spectral_norm": (lambda: SpectralNormConv2D(8), [(*IMAGES, 4)]),
    "grouped": (lambda: GroupedConv2D(8, 2), [(*IMAGES, 4)]),
    "image": (lambda: ImageConv2D(3, 3, padding="same"), [(*IMAGES, 4)]),
    "strided": (lambda: strided.Conv2D(8, 5, 2, padding="same"), [(*IMAGES, 8)]),
    "transposed": (
        lambda: strided.Conv2DTranspose(8, 5, 2, padding="same"),
        [(32, 32, 32, 8)],
    ),
    "progan_first": (lambda: FirstBlock(16, 8), [(2048, 16)]),
    "stylegan_epilogue": (
        lambda: Epilogue((64, 64, 8), 16, False, 0, False),
        [(*IMAGES, 8), (32, 16)],
    ),
}


def bias_gradient(
    make: Callable[..., keras.layers.Layer], policy: str, inputs: list[np.ndarray]
) -> np.ndarray:
    """Of a sum over the outputs, each weighted by a number around 1."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        layer = make()
    finally:
        keras.config.set_dtype_policy(before)
    given = [tf.constant(x, layer.compute_dtype) for x in inputs]
    layer(*given)
    values = np.random.default_rng(1)
    for variable in layer.trainable_variables:
        variable.assign(values.normal(0.0, 0.3, variable.shape))

    @tf.function
    def gradient() -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = tf.cast(layer(*given), tf.float32)
            seen = tf.random.stateless_uniform(tf.shape(outputs), [1, 2], 0.5, 1.5)
            total = tf.reduce_sum(seen * outputs)
        return tape.gradient(total, layer.bias.value)

    return gradient().numpy()


@pytest.mark.parametrize("name", LAYERS)
def test_bfloat16_has_float32s_gradient_of_the_bias(name: str) -> None:
    make, shapes = LAYERS[name]
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    exact = bias_gradient(make, "float32", inputs)
    received = bias_gradient(make, "mixed_bfloat16", inputs)
    assert np.linalg.norm(received) == pytest.approx(np.linalg.norm(exact), rel=0.05)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float16, tf.bfloat16])
def test_the_bias_is_added_to_the_last_axis(dtype: tf.DType) -> None:
    x = np.arange(24.0).reshape(2, 2, 2, 3)
    bias = np.array([1.0, 2.0, 3.0])
    received = add_bias(tf.constant(x, dtype), tf.constant(bias, dtype))
    assert received.dtype == dtype
    np.testing.assert_array_equal(tf.cast(received, tf.float64), x + bias)
