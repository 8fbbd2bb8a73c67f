"""The truncation trick (Brock et al. 2019, section 3.1)."""

import contextlib
import math
import threading
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

_mode = threading.local()

# Coefficients, the constant first. W. H. Press et al., "Numerical Recipes": the logarithm of
# erfc(x) exp(x^2) (1 + x / 2), in powers of 1 / (1 + x / 2).
LOG_ERFC = (
    -1.26551223,
    1.00002368,
    0.37409196,
    0.09678418,
    -0.18628806,
    0.27886807,
    -1.13520398,
    1.48851587,
    -0.82215223,
    0.17087277,
)
# M. J. Wichura 1988, algorithm AS 241, PPND7: numerator and denominator in the middle of the
# distribution, in its tails, and far out.
MIDDLE = (
    (3.3871327179, 50.434271938, 159.29113202, 59.109374720),
    (1.0, 17.895169469, 78.757757664, 67.187563600),
)
TAIL = (
    (1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103),
    (1.0, 0.73700164250, 0.12021132975),
)
FAR = (
    (6.6579051150, 3.0812263860, 0.42868294337, 0.017337203997),
    (1.0, 0.24197894225, 0.012258202635),
)


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
    t = tf.where(given, threshold, 1.0)
    beyond_t, beyond_z = (_erfc(x / math.sqrt(2.0)) for x in (t, tf.abs(z)))
    within = 1.0 - beyond_t  # erf
    # The map of |z|, from the middle, F(z') - 1/2, and from the far end, 1 - F(z'): each is exact
    # where the other has lost its digits.
    from_middle = 0.5 * within * (1.0 - beyond_z)
    from_end = 0.5 * (beyond_t + within * beyond_z)
    moved = tf.sign(z) * tf.minimum(_quantile(from_middle, from_end), t)
    return tf.where(given, moved, z)


# Not TensorFlow's erfc, erfinv and ndtri: ONNX and LiteRT do not have them.


def _erfc(x: tf.Tensor) -> tf.Tensor:
    """The complementary error function of x >= 0, within 1e-6 of its value."""
    t = 1.0 / (1.0 + 0.5 * x)
    return t * tf.exp(_polynomial(LOG_ERFC, t) - x * x)


def _quantile(from_middle: tf.Tensor, from_end: tf.Tensor) -> tf.Tensor:
    """F^-1 of the upper half.

    Args:
        from_middle: F - 1/2, from 0 to 1/2.
        from_end: 1 - F, likewise.
    """
    middle = from_middle * _ratio(MIDDLE, 0.180625 - from_middle * from_middle)
    r = tf.sqrt(-tf.math.log(tf.clip_by_value(from_end, 1e-30, 0.5)))
    tail = tf.where(r <= 5.0, _ratio(TAIL, r - 1.6), _ratio(FAR, r - 5.0))
    return tf.where(from_middle <= 0.425, middle, tail)


def _ratio(coefficients: tuple[tuple[float, ...], ...], x: tf.Tensor) -> tf.Tensor:
    numerator, denominator = (_polynomial(each, x) for each in coefficients)
    return numerator / denominator


def _polynomial(coefficients: tuple[float, ...], x: tf.Tensor) -> tf.Tensor:
    return tf.math.polyval(list(coefficients[::-1]), x)


@contextlib.contextmanager
def at_truncation(truncation: tf.Tensor) -> Iterator[None]:
    """Inside, `StatisticsOfTruncation` looks up the statistics of it, f32 [N]; 1 elsewhere."""
    _mode.truncation = truncation
    try:
        yield
    finally:
        _mode.truncation = None


@keras.saving.register_keras_serializable("gan_zoo")
class StatisticsOfTruncation(keras.layers.Layer):
    """Batch norm with standing statistics for each truncation, for inference alone.

        y = (x - mean(t)) / sqrt(var(t) + epsilon)

    Published BigGANs hold the statistics of truncations from 0 to 1. Between two rows their code
    weighs them the wrong way around, which is followed here, as their images are what is expected.

    Input [N, H, W, C] -> the same.

    Args:
        rows: Truncations, from 0 to 1.
        epsilon: Added to the variance.
    """

    def __init__(self, rows: int, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows = rows
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (self.rows, input_shape[-1])
        options = {"shape": shape, "trainable": False, "autocast": False}
        self.means = self.add_weight(initializer="zeros", name="means", **options)
        self.variances = self.add_weight(initializer="ones", name="variances", **options)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        truncation = getattr(_mode, "truncation", None)
        place = tf.ones([1]) if truncation is None else tf.cast(truncation, tf.float32)
        place = tf.clip_by_value(place, 0.0, 1.0) * (self.rows - 1.0)
        nearest = tf.round(place)
        place = tf.where(tf.abs(place - nearest) < 1e-4, nearest, place)
        row = tf.cast(tf.floor(place), tf.int32)
        share = (place - tf.floor(place))[:, None]
        above = tf.minimum(row + 1, self.rows - 1)

        def of_rows(table: tf.Tensor) -> tf.Tensor:
            table = tf.convert_to_tensor(table)
            low, high = tf.gather(table, row), tf.gather(table, above)
            mixed = tf.where(share == 0.0, low, share * low + (1.0 - share) * high)
            return mixed[:, None, None, :]

        x = tf.cast(inputs, tf.float32) - of_rows(self.means)
        return tf.cast(x * tf.math.rsqrt(of_rows(self.variances) + self.epsilon), inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rows": self.rows, "epsilon": self.epsilon}
