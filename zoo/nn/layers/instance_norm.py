"""Instance normalisation (Ulyanov, Vedaldi & Lempitsky 2016, equation 5)."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gan_zoo")
class InstanceNormalization(keras.layers.Layer):
    """Every feature of every image with mean 0 and variance 1: [N, H, W, C] -> the same shape.

        y = (x - mean) / sqrt(var + epsilon),  mean and var over H and W

    It has no gain and bias, and is the same in training and inference: no image depends on another.

    Args:
        epsilon: Added to the variance.
    """

    def __init__(self, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        outputs = _normalise(tf.cast(inputs, tf.float32), self.epsilon)
        return tf.cast(outputs, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}


def _normalise(x: tf.Tensor, epsilon: float) -> tf.Tensor:
    # The gradient is written out: on a CPU it takes half the time of the one that TensorFlow
    # derives here and for Keras's `GroupNormalization(groups=-1)`. It begins from x again, so that
    # its own derivative, which a gradient penalty needs, is whole.
    @tf.custom_gradient
    def normalise(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(dy: tf.Tensor) -> tf.Tensor:
            y, scale = _formula(x, epsilon)
            return scale * (dy - _mean(dy) - y * _mean(dy * y))

        return _formula(x, epsilon)[0], gradient

    return normalise(x)


def _formula(x: tf.Tensor, epsilon: float) -> tuple[tf.Tensor, tf.Tensor]:
    """The result, and 1 / sqrt(var + epsilon)."""
    centred = x - _mean(x)
    scale = tf.math.rsqrt(_mean(tf.square(centred)) + epsilon)
    return centred * scale, scale


def _mean(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(x, axis=(1, 2), keepdims=True)
