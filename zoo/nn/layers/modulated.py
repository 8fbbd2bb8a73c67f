"""Modulated convolution (Karras et al. 2020, section 2.2)."""

import math
from typing import Any

import keras
import tensorflow as tf

from zoo.nn.layers.fir import TAPS, filter_padded


@keras.saving.register_keras_serializable("gan_zoo")
class ModulatedConv2D(keras.layers.Layer):
    """A convolution with weights scaled by a style, separately for each sample.

        w'_ijk  = s_i w_ijk                                       (equation 1)
        w''_ijk = w'_ijk / sqrt(sum_ik w'_ijk^2 + 1e-8)           (equation 3)

    for input feature i, output feature j and tap k. One convolution with the
    weights w gives the same sums: its inputs are scaled by s_i, its outputs by the coefficient.
    Zeros around the image, stride 1, no bias; weights have an equalized learning rate.

    Inputs: x [N, H, W, C] and the style s [N, C] -> [N, H, W, filters], or twice that size.

    Args:
        filters: Output features.
        kernel_size: Height and width, odd.
        upsample: Whether the convolution acts on x with zeros between its pixels (kernel size 3),
            and a low-pass filter on that: `zoo.nn.layers.fir_upsample` and a convolution in one.
        demodulate: Whether equation 3 is applied.
        gain: Factor of the output.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        upsample: bool = False,
        demodulate: bool = True,
        gain: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.upsample = upsample
        self.demodulate = demodulate
        self.gain = gain

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        self.kernel = self.add_weight(
            shape=(self.kernel_size, self.kernel_size, input_shape[0][-1], self.filters),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="kernel",
        )

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        x, style = inputs
        kernel = self.kernel * tf.cast(
            1.0 / math.sqrt(math.prod(self.kernel.shape[:-1])), self.compute_dtype
        )
        if not self.demodulate:
            kernel = kernel * self.gain
            if self.kernel_size == 1 and not self.upsample:
                # w' itself, one matrix for each sample: less work than scaling x for a few filters.
                return tf.einsum("nhwc,ncf->nhwf", x, style[:, :, None] * kernel[0, 0])
            return self._convolve(x * style[:, None, None, :], kernel)
        if style.dtype == tf.float16:
            # Any factor of the style cancels, and this one keeps the products in range.
            style /= tf.reduce_max(tf.abs(style), axis=1, keepdims=True) + 1e-3
        outputs = self._convolve(x * style[:, None, None, :], kernel)
        return outputs * self._coefficients(style, kernel)[:, None, None, :]

    def _coefficients(self, style: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """1 / sqrt(sum_ik (s_i w_ijk)^2 + 1e-8), times the gain: [N, filters]."""
        wide = tf.float32 if style.dtype.size < 4 else style.dtype
        power = tf.reduce_sum(tf.square(tf.cast(kernel, wide)), axis=[0, 1])  # [C, filters]
        power = tf.matmul(tf.square(tf.cast(style, wide)), power)
        return tf.cast(self.gain * tf.math.rsqrt(power + 1e-8), style.dtype)

    def _convolve(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        if not self.upsample:
            return tf.nn.conv2d(x, kernel, 1, "SAME")
        count, height, width, _ = x.shape
        count = tf.shape(x)[0] if count is None else count
        x = tf.nn.conv2d_transpose(
            x,
            tf.transpose(kernel, [0, 1, 3, 2]),
            [count, 2 * height + 1, 2 * width + 1, self.filters],
            strides=2,
            padding="VALID",
        )
        return filter_padded(x, TAPS, 1, 1, gain=4.0)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "upsample": self.upsample,
            "demodulate": self.demodulate,
            "gain": self.gain,
        }
