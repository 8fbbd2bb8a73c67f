"""Padding with the mirror image, which leaves no dark border."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gan_zoo")
class ReflectionPadding2D(keras.layers.Layer):
    """The image mirrored at its edges: [N, H, W, C] -> [N, H + 2 p, W + 2 p, C].

    The edge itself is not repeated: with p = 2, abcd becomes cbabcdcb (Zhu et al. 2017, appendix
    7.2). H and W must be greater than p.

    Args:
        padding: p, pixels on every side.
    """

    def __init__(self, padding: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.padding = padding

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        # TensorFlow's kernel: on CPUs as fast as joined slices, with a faster gradient.
        sides = [self.padding, self.padding]
        return tf.pad(inputs, [[0, 0], sides, sides, [0, 0]], "REFLECT")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": self.padding}
