"""Images of one size as images of another, by whole factors."""

import tensorflow as tf


def nearest(images: tf.Tensor, factor: int) -> tf.Tensor:
    """Every pixel factor^2 times: [N, H, W, C] -> [N, factor H, factor W, C]."""
    if factor == 1:
        return images
    return tf.repeat(tf.repeat(images, factor, axis=1), factor, axis=2)


def box(images: tf.Tensor, factor: int) -> tf.Tensor:
    """Means of factor^2 pixels: [N, H, W, C] -> [N, H / factor, W / factor, C]."""
    if factor == 1:
        return images
    return tf.nn.avg_pool2d(images, factor, factor, "VALID")
