"""Batch norm as with batches of one: each image is normalised by its own statistics."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gan_zoo")
class PerImageBatchNormalization(keras.layers.Layer):
    """Batch norm of every image separately, in training too.

        y = gamma (x - mean) / sqrt(var + epsilon) + beta

    mean and var are over H and W. Pix2Pix trains on batches of one and normalises by the
    statistics of the test batch, which is one image as well (Isola et al. 2017, section 3.3). With
    this layer, larger batches train what is used later, and no image depends on the others.

    Input [N, H, W, C] -> the same shape.

    Args:
        epsilon: Added to the variance.
    """

    def __init__(self, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = input_shape[-1:]
        # "The weights [...] from a Gaussian distribution with mean 0 and standard deviation 0.02",
        # the gain around 1, as in the code.
        gain = keras.initializers.RandomNormal(1.0, 0.02)
        self.gamma = self.add_weight(shape=channels, initializer=gain, name="gamma")
        self.beta = self.add_weight(shape=channels, initializer="zeros", name="beta")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        x = tf.cast(inputs, tf.float32)
        gamma, beta = tf.cast(self.gamma, tf.float32), tf.cast(self.beta, tf.float32)
        mean, variance = tf.nn.moments(x, (1, 2), keepdims=True)
        outputs = tf.nn.batch_normalization(x, mean, variance, beta, gamma, self.epsilon)
        return tf.cast(outputs, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}
