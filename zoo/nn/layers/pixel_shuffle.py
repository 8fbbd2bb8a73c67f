"""Sub-pixel upsampling (Shi et al. 2016, section 3.2)."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gan_zoo")
class PixelShuffle(keras.layers.Layer):
    """Features become pixels: [N, H, W, r^2 C] -> [N, r H, r W, C].

        y[n, r h + i, r w + j, c] = x[n, h, w, (r i + j) C + c]

    This is TensorFlow's order of features (`tf.nn.depth_to_space`). PyTorch takes feature r^2 c + r
    i + j, so kernels from PyTorch must be reordered. For a network trained here, one order is as
    good as the other.

    Args:
        factor: r.
    """

    def __init__(self, factor: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if input_shape[-1] % self.factor**2:
            raise ValueError(
                f"PixelShuffle({self.factor}) takes a multiple of {self.factor**2} features. "
                f"Received: {input_shape[-1]}."
            )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.depth_to_space(inputs, self.factor)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}
