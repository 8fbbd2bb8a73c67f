"""The truncation trick (Brock et al. 2019, section 3.1)."""

import math

import tensorflow as tf


def truncate(z: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """Turns z from N(0, 1) into z from N(0, 1) truncated to [-threshold, threshold].

    The paper draws a value beyond the threshold t again until it falls within. The monotone map

        z -> F^-1(F(-t) + (F(t) - F(-t)) F(z)),  F the normal distribution function,

    has exactly that distribution, and moves an image steadily as t falls; at t = 0 it is 0.

    Args:
        z: float32 [N, ...].
        threshold: float32 [N], at least 0; where it is NaN or infinite, z stays as it is.

    Returns:
        float32 of z's shape.
    """
    threshold = tf.reshape(threshold, [-1] + [1] * (z.shape.rank - 1))
    given = tf.math.is_finite(threshold)
    t = tf.where(given, threshold, 1.0) / math.sqrt(2.0)
    x = tf.abs(z) / math.sqrt(2.0)
    # From the middle, 2 F(z') - 1, and from the far end, 1 - F(z'): each is exact where the other
    # has lost its digits.
    middle = tf.math.erf(t) * tf.math.erf(x)
    rest = 0.5 * (tf.math.erfc(t) + tf.math.erf(t) * tf.math.erfc(x))
    near = math.sqrt(2.0) * tf.math.erfinv(tf.minimum(middle, 0.5))
    far = -tf.math.ndtri(tf.clip_by_value(rest, 1e-30, 0.5))
    moved = tf.sign(z) * tf.minimum(tf.where(middle < 0.5, near, far), t * math.sqrt(2.0))
    return tf.where(given, moved, z)
