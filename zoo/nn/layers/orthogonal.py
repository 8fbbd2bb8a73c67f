"""Orthogonal initialisation (Saxe et al. 2014)."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gan_zoo")
class Orthogonal(keras.initializers.Initializer):
    """A kernel [..., in, out] that is orthogonal as a matrix [everything else, out].

    Its columns are orthonormal, or its rows if there are fewer of them. It is drawn uniformly, as
    the Q of a Gaussian matrix with an R of positive diagonal. Every call draws again, from Keras's
    global seed.

    `keras.initializers.Orthogonal` draws from the same distribution by Householder reflections:
    minutes for BigGAN's 150 M weights. R is also the Cholesky factor of A^T A, and Q = A R^-1.
    """

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> tf.Tensor:
        columns = shape[-1]
        rows = 1
        for side in shape[:-1]:
            rows *= side
        tall, narrow = max(rows, columns), min(rows, columns)
        a = keras.random.normal((tall, narrow), dtype="float32")
        if tall < 4 * narrow:
            # The closer to square, the worse its condition number, which A^T A squares.
            q = _orthonormal(_orthonormal(tf.cast(a, tf.float64)))
        else:
            q = _orthonormal(a)
        if rows < columns:
            q = tf.transpose(q)
        return tf.cast(tf.reshape(q, shape), dtype or "float32")


def _orthonormal(a: tf.Tensor) -> tf.Tensor:
    """Q of A = QR, with R^T the lower factor of A^T A."""
    factor = tf.linalg.cholesky(tf.matmul(a, a, transpose_a=True))
    inverse = tf.linalg.triangular_solve(factor, tf.eye(a.shape[1], dtype=a.dtype))  # R^-T
    return tf.matmul(a, inverse, transpose_b=True)
