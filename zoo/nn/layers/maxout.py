"""Maxout (Goodfellow et al. 2013)."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gan_zoo")
class Maxout(keras.layers.Layer):
    """h_i(x) = max_j (x . W_ij + b_ij), the largest of `pieces` linear maps for each unit.

    Input [N, D] -> [N, units].

    Args:
        units: How many maxima.
        pieces: Linear maps in each.
        kernel_initializer: For W [D, units * pieces], a unit's pieces adjacent; b starts at 0.

    Reference: Goodfellow et al. 2013, "Maxout Networks", equation 1.
    """

    def __init__(
        self, units: int, pieces: int, kernel_initializer: Any = "glorot_uniform", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.pieces = pieces
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.units * self.pieces),
            initializer=self.kernel_initializer,
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(self.units * self.pieces,), initializer="zeros", name="bias"
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        pieces = tf.matmul(inputs, self.kernel) + self.bias
        return tf.reduce_max(tf.reshape(pieces, [-1, self.units, self.pieces]), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "pieces": self.pieces,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
