"""Batch norm without running statistics: each image is normalised by its own."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gan_zoo")
class PerImageBatchNormalization(keras.layers.Layer):
    """Batch norm in training, afterwards of every image alone.

        y = gamma (x - mean) / sqrt(var + epsilon) + beta

    mean and var are over N, H and W in training and over H and W else: Pix2Pix normalises by the
    statistics of the test batch, which is one image (Isola et al. 2017, section 3.3), so no image
    depends on those beside it. Under replicas those of training are of the global batch.

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

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        x = tf.cast(inputs, tf.float32)
        gamma, beta = tf.cast(self.gamma, tf.float32), tf.cast(self.beta, tf.float32)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if training and replicas == 1:
            outputs, _, _ = tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, epsilon=self.epsilon)
            return tf.cast(outputs, inputs.dtype)
        mean, variance = tf.nn.moments(x, (0, 1, 2) if training else (1, 2), keepdims=True)
        if training:
            context = tf.distribute.get_replica_context()
            square = variance + tf.square(mean)
            mean, square = context.all_reduce(tf.distribute.ReduceOp.MEAN, [mean, square])
            variance = square - tf.square(mean)
        outputs = tf.nn.batch_normalization(x, mean, variance, beta, gamma, self.epsilon)
        return tf.cast(outputs, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}
