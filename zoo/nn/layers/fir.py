"""Resampling with a low-pass filter: upfirdn2d (Karras et al. 2020, appendix B).

    upsample:    zeros between the pixels, filter, times 4
    downsample:  filter, every second pixel

The filter is the outer product of its symmetric taps, divided by its sum; outside the image there
are zeros. Pads are the reference's: if they cannot be equal, the first side has one more. Each
feature is filtered separately, by one depthwise convolution.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.nn.layers.equalized import EqualizedConv2D

TAPS = (1.0, 3.0, 3.0, 1.0)


def fir_blur(x: tf.Tensor, taps: Sequence[float] = TAPS) -> tf.Tensor:
    """Filters images: float [N, H, W, C] -> [N, H, W, C]."""
    return filter_padded(x, taps, len(taps) // 2, (len(taps) - 1) // 2)


def filter_padded(
    x: tf.Tensor, taps: Sequence[float], first: int, last: int, gain: float = 1.0
) -> tf.Tensor:
    """Filters x [N, H, W, C] with `first` zeros above and left of it, `last` below and right.

    Returns:
        [N, H + first + last + 1 - taps, W + first + last + 1 - taps, C], times `gain`.
    """

    @tf.custom_gradient
    def depthwise(x: tf.Tensor) -> tuple[tf.Tensor, Any]:
        # The adjoint of a symmetric filter is that filter with the remaining pads. Written out, it
        # is three times faster on CPUs than the kernel that TensorFlow uses for it.
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            around = len(taps) - 1
            return filter_padded(upstream, taps, around - first, around - last, gain)

        kernel = _filter(x, taps, gain)
        return tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], _pads(first, last)), gradient

    return depthwise(x)


def fir_downsample(x: tf.Tensor, taps: Sequence[float] = TAPS) -> tf.Tensor:
    """Halves images: float [N, H, W, C] -> [N, H / 2, W / 2, C]; H and W even."""
    first, last = (len(taps) - 1) // 2, (len(taps) - 2) // 2

    @tf.custom_gradient
    def depthwise(x: tf.Tensor) -> tuple[tf.Tensor, Any]:
        # Written out as in `filter_padded`, because that is faster on CPUs.
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return filter_padded(_spread(upstream), taps, len(taps) - 1 - first, first)

        kernel = _filter(x, taps)
        return tf.nn.depthwise_conv2d(x, kernel, [1, 2, 2, 1], _pads(first, last)), gradient

    return depthwise(x)


def fir_upsample(x: tf.Tensor, taps: Sequence[float] = TAPS) -> tf.Tensor:
    """Doubles images: float [N, H, W, C] -> [N, 2H, 2W, C]."""
    return filter_padded(_spread(x), taps, (len(taps) + 1) // 2, (len(taps) - 2) // 2, gain=4.0)


def _spread(x: tf.Tensor) -> tf.Tensor:
    """Zeros after every pixel, to the right and below: [N, H, W, C] -> [N, 2H, 2W, C]."""
    _, height, width, channels = x.shape
    # By pads of at most four axes: LiteRT has none of six.
    columns = tf.pad(x, [[0, 0], [0, 0], [0, 0], [0, channels]])
    row = 2 * width * channels
    rows = tf.pad(tf.reshape(columns, [-1, height, row]), [[0, 0], [0, 0], [0, row]])
    return tf.reshape(rows, [-1, 2 * height, 2 * width, channels])


def _filter(x: tf.Tensor, taps: Sequence[float], gain: float = 1.0) -> tf.Tensor:
    """[taps, taps, C, 1]."""
    kernel = np.outer(taps, taps)
    kernel = kernel * (gain / kernel.sum())
    return tf.constant(np.repeat(kernel[:, :, None, None], x.shape[-1], axis=2), x.dtype)


def _pads(first: int, last: int) -> list[list[int]]:
    return [[0, 0], [first, last], [first, last], [0, 0]]


@keras.saving.register_keras_serializable("gan_zoo")
class FIRUpsampling2D(keras.layers.Layer):
    """`fir_upsample` as a layer: [N, H, W, C] -> [N, 2H, 2W, C]."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return fir_upsample(inputs)


@keras.saving.register_keras_serializable("gan_zoo")
class FIRDownsampling2D(keras.layers.Layer):
    """`fir_downsample` as a layer: [N, H, W, C] -> [N, H / 2, W / 2, C]."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return fir_downsample(inputs)


@keras.saving.register_keras_serializable("gan_zoo")
class DownsamplingConv2D(EqualizedConv2D):
    """Filter, then a convolution of stride 2: [N, H, W, in] -> [N, H / 2, W / 2, filters].

    Takes the arguments of `EqualizedConv2D`.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        around = len(TAPS) - 2 + self.kernel_size - 1
        filtered = filter_padded(inputs, TAPS, (around + 1) // 2, around // 2)
        outputs = tf.nn.conv2d(filtered, self.effective_kernel(), 2, "VALID")
        return self._add_bias(outputs)
