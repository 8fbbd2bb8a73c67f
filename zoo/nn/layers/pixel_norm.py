"""Pixelwise feature vector normalization (Karras et al. 2018, section 4.2)."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gan_zoo")
class PixelNorm(keras.layers.Layer):
    """b = a / sqrt(mean(a^2) + epsilon), the mean over the features (last axis) of each pixel.

    Args:
        epsilon: Against division by zero; the paper's 1e-8.
    """

    def __init__(self, epsilon: float = 1e-8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        x = tf.cast(inputs, tf.float32) if inputs.dtype.size < 4 else inputs
        power = tf.reduce_mean(tf.square(x), axis=-1, keepdims=True)
        return tf.cast(x * tf.math.rsqrt(power + self.epsilon), inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}
