"""Keras's upsampling, for images of any size."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gan_zoo")
class UpSampling2D(keras.layers.UpSampling2D):
    """Keras's layer of this name, which also takes images of a size unknown until it runs.

    Keras 3.15 compares that size with 0 while it traces, unless `interpolation` is "nearest".

    Input [N, H, W, C] -> [N, size H, size W, C].
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if self.interpolation == "nearest":
            return super().call(inputs)
        size = tf.shape(inputs)[1:3] * self.size
        return tf.cast(tf.image.resize(inputs, size, self.interpolation), inputs.dtype)
