"""Resizing images by whole factors, and the matching filter."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf


def nearest(images: tf.Tensor, factor: int) -> tf.Tensor:
    """Repeats every pixel factor^2 times: [N, H, W, C] -> [N, factor H, factor W, C]."""
    if factor == 1:
        return images
    return tf.repeat(tf.repeat(images, factor, axis=1), factor, axis=2)


def box(images: tf.Tensor, factor: int) -> tf.Tensor:
    """Means of factor^2 pixels: [N, H, W, C] -> [N, H / factor, W / factor, C]."""
    if factor == 1:
        return images
    return tf.nn.avg_pool2d(images, factor, factor, "VALID")


@tf.custom_gradient
def blur(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """Filters each feature with [1, 2, 1] x [1, 2, 1] / 16: [N, H, W, C] -> [N, H, W, C].

    Its adjoint is itself, which on CPUs is faster than the kernel that TensorFlow uses for it.
    Padding is "SAME": TensorFlow 2.21 crashes where it fuses a bias with explicit pads.
    """
    taps = np.outer([1, 2, 1], [1, 2, 1])[:, :, None, None] / 16
    kernel = tf.constant(np.repeat(taps, x.shape[-1], axis=2), x.dtype)
    return tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "SAME"), blur
