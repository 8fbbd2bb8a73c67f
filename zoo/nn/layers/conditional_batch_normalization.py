"""Batch norm with a gain and bias from a condition, and its standing statistics.

    y = gain(c) (x - mean) / sqrt(var + epsilon) + bias(c),  gain(c) = 1 + c A,  bias(c) = c B

(de Vries et al. 2017; Dumoulin et al. 2017.) c is one-hot labels, or in BigGAN a class
embedding joined with a chunk of z.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from zoo.nn.layers.batch_normalization import BatchNormalization
from zoo.nn.layers.orthogonal import Orthogonal
from zoo.nn.layers.spectral_norm import SpectralNormDense

_current = threading.local()

# A layer, and the mean and variance of its batch, both f32 [C].
Statistics = tuple[keras.layers.Layer, tf.Tensor, tf.Tensor]


@contextlib.contextmanager
def batch_statistics() -> Iterator[list[Statistics]]:
    """Inside, with training=False, batch norm uses its batch's statistics and reports them.

    Running statistics do not change. Every layer adds an entry to the list, in call order.
    Averaged over many batches they are the standing statistics (Brock et al. 2019, appendix A).
    """
    _current.statistics = []
    try:
        yield _current.statistics
    finally:
        _current.statistics = None


@keras.saving.register_keras_serializable("gan_zoo")
class StandingBatchNormalization(BatchNormalization):
    """Batch norm of images [N, H, W, C] that reports to `batch_statistics`."""

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        statistics = getattr(_current, "statistics", None)
        if statistics is not None and not training:
            mean, variance = tf.nn.moments(tf.cast(inputs, tf.float32), self._reduction_axes)
            statistics.append((self, mean, variance))
            beta = self.beta.value if self.center else None
            gamma = self.gamma.value if self.scale else None
            outputs = tf.nn.batch_normalization(
                tf.cast(inputs, tf.float32), mean, variance, beta, gamma, self.epsilon
            )
            return tf.cast(outputs, inputs.dtype)
        return super().call(inputs, training=training)


@keras.saving.register_keras_serializable("gan_zoo")
class ConditionalBatchNormalization(keras.layers.Layer):
    """Batch norm with a gain and a bias for every row: [x, c] -> x' of x's shape.

    Input x [N, H, W, C] and the condition c [N, D]. Statistics are over N, H and W.

    Args:
        spectral_norm: Whether A and B [D, C] have spectral norm 1, as BigGAN's have for a shared
            embedding; otherwise they are unconstrained, as for one-hot labels.
        momentum: Momentum of the running statistics.
        epsilon: Added to the variance.
        synchronized: Whether the statistics are those of all replicas together.
    """

    def __init__(
        self,
        spectral_norm: bool = False,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.spectral_norm = spectral_norm
        self.momentum = momentum
        self.epsilon = epsilon
        self.synchronized = synchronized

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        shape, condition_shape = input_shape
        self.normalization = StandingBatchNormalization(
            momentum=self.momentum,
            epsilon=self.epsilon,
            center=False,
            scale=False,
            synchronized=self.synchronized,
            dtype=self.dtype_policy,
            name="normalization",
        )
        self.normalization.build(shape)
        self.gain = self._linear(shape[-1], "gain")
        self.gain.build(condition_shape)
        self.bias = self._linear(shape[-1], "bias")
        self.bias.build(condition_shape)

    def _linear(self, units: int, name: str) -> keras.layers.Layer:
        kwargs = {"use_bias": False, "dtype": self.dtype_policy, "name": name}
        if self.spectral_norm:
            return SpectralNormDense(units, **kwargs)
        return keras.layers.Dense(units, kernel_initializer=Orthogonal(), **kwargs)

    def call(self, inputs: list[tf.Tensor], training: bool = False) -> tf.Tensor:
        x, condition = inputs
        gain = 1.0 + self.gain(condition, training=training)
        bias = self.bias(condition, training=training)
        x = self.normalization(x, training=training)
        return x * gain[:, None, None] + bias[:, None, None]

    def compute_output_shape(self, input_shape: list[Any]) -> Any:
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "spectral_norm": self.spectral_norm,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "synchronized": self.synchronized,
        }
