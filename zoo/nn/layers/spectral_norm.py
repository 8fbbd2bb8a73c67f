"""Spectral normalisation (Miyato et al. 2018).

    W_SN = W / sigma(W)                                           (equation 8)
    v <- W u / ||W u||,  u <- W^T v / ||W^T v||,  sigma(W) = v^T W u    (algorithm 1)

W is the kernel as a matrix [everything else, outputs]. u is kept from step to step, so one
iteration in each forward pass is enough to follow the largest singular value. In training every
pass updates u; at inference the result of the iteration is not stored. Replicas start with the same
u and the same weights, so they agree. The gradient treats u and v as constants.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.nn.bias import add_bias
from zoo.nn.layers.orthogonal import Orthogonal

EPSILON = 1e-6  # of the two norms; BigGAN's


class _SpectralNorm(keras.layers.Layer):
    """What the dense layer and the convolution share: their kernel, orthogonal at first, and u.

    Args:
        use_bias: Whether there is a bias.
        normalize: Whether the kernel is divided by sigma; False where that has been done already,
            as in weights that were converted. There is no u then.

    Attributes:
        kernel: The weights that the optimizer moves.
        u: float32 [outputs], the right singular vector so far.
    """

    embeds = False  # the matrix is then the kernel's transpose

    def __init__(self, use_bias: bool, normalize: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.use_bias = use_bias
        self.normalize = normalize

    def _add_weights(self, kernel_shape: tuple[int, ...]) -> None:
        # Not cast to half precision, in which sigma would be too inexact.
        self.kernel = self.add_weight(
            shape=kernel_shape, initializer=Orthogonal(), name="kernel", autocast=False
        )
        if self.normalize:
            self.u = self.add_weight(
                shape=kernel_shape[:1] if self.embeds else kernel_shape[-1:],
                initializer="random_normal",
                trainable=False,
                name="u",
                autocast=False,
            )
        if self.use_bias:
            self.bias = self.add_weight(shape=kernel_shape[-1:], initializer="zeros", name="bias")

    def normalized_kernel(self, training: bool) -> tf.Tensor:
        """W / sigma(W) in the layer's compute type; in training this updates u."""
        kernel = tf.convert_to_tensor(self.kernel.value)
        if not self.normalize:
            return tf.cast(kernel, self.compute_dtype)
        matrix = tf.reshape(kernel, [-1, kernel.shape[-1]])
        matrix = tf.transpose(matrix) if self.embeds else matrix
        u = tf.convert_to_tensor(self.u.value)[None]  # rows: [1, outputs]
        v = tf.stop_gradient(_unit(tf.matmul(u, matrix, transpose_b=True)))
        stretched = tf.matmul(v, matrix)  # v^T W
        u = tf.stop_gradient(_unit(stretched))
        if training:
            self.u.assign(u[0])
        sigma = tf.matmul(stretched, u, transpose_b=True)[0, 0]
        return tf.cast(kernel / sigma, self.compute_dtype)

    def _add_bias(self, outputs: tf.Tensor) -> tf.Tensor:
        if not self.use_bias:
            return outputs
        return add_bias(outputs, self.bias)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "use_bias": self.use_bias, "normalize": self.normalize}


def _unit(x: tf.Tensor) -> tf.Tensor:
    return tf.math.l2_normalize(x, epsilon=EPSILON**2)


@keras.saving.register_keras_serializable("gan_zoo")
class SpectralNormDense(_SpectralNorm):
    """Dense layer with a kernel of spectral norm 1: [N, in] -> [N, units].

    Args:
        units: Outputs.
        use_bias: Whether there is a bias; it starts at 0.
        embeds: Whether the inputs are one-hot classes: u is then over them, as in BigGAN's code,
            where the rows of an embedding are the outputs. That changes how sigma is followed
            while the weights move, not what it is.
        normalize: As in `_SpectralNorm`.
    """

    def __init__(
        self,
        units: int,
        use_bias: bool = True,
        embeds: bool = False,
        normalize: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(use_bias, normalize, **kwargs)
        self.units = units
        self.embeds = embeds

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self._add_weights((input_shape[-1], self.units))

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self._add_bias(tf.matmul(inputs, self.normalized_kernel(training)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "embeds": self.embeds}

    def load_own_variables(self, store: Any) -> None:
        """As Keras's; reads files of earlier versions too, where u of an embedding differs."""
        if self.embeds:
            kernel, u = (np.asarray(store[name], np.float32) for name in ("0", "1"))
            store = {"0": kernel, "1": self.u_from(kernel, u)}
        super().load_own_variables(store)

    def u_from(self, kernel: np.ndarray, u: np.ndarray) -> np.ndarray:
        """u, or where it is over the features, W u / ||W u||: half an iteration later."""
        if u.shape == tuple(self.u.shape) or u.shape != kernel.shape[1:]:
            return u
        return np.asarray(_unit(tf.linalg.matvec(kernel, u)))


@keras.saving.register_keras_serializable("gan_zoo")
class SpectralNormConv2D(_SpectralNorm):
    """Convolution with a kernel of spectral norm 1: [N, H, W, in] -> [N, H', W', filters].

    Zeros around the image, stride 1. `resample` doubles the image first (each pixel four times) or
    halves it afterwards (the mean of four). Either is one convolution of stride 2 with the 4x4
    kernel that sums four shifted copies of the 3x3 one: the same numbers for half the work.

    Args:
        filters: Output features.
        kernel_size: 3 or 1; 3 with `resample`.
        resample: "up", "down" or None.
        use_bias: Whether there is a bias; it starts at 0.
        normalize: As in `_SpectralNorm`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        resample: str | None = None,
        use_bias: bool = True,
        normalize: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(use_bias, normalize, **kwargs)
        if resample not in (None, "up", "down") or (resample and kernel_size != 3):
            raise ValueError(
                "resample must be None, or with a kernel_size of 3 'up' or 'down'. "
                f"Received: {resample!r} with {kernel_size}."
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.resample = resample

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self._add_weights((self.kernel_size, self.kernel_size, input_shape[-1], self.filters))

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        kernel = self.normalized_kernel(training)
        if self.resample == "up":
            # Transposed: taps run backwards, [4, 4, out, in].
            kernel = tf.transpose(tf.reverse(_four_shifted(kernel), [0, 1]), [0, 1, 3, 2])
            count, height, width = tf.unstack(tf.shape(inputs)[:3])
            shape = [count, 2 * height, 2 * width, self.filters]
            outputs = tf.nn.conv2d_transpose(inputs, kernel, shape, 2, "SAME")
        elif self.resample == "down":
            outputs = tf.nn.conv2d(inputs, _four_shifted(kernel) / 4.0, 2, "SAME")
        else:
            outputs = tf.nn.conv2d(inputs, kernel, 1, "SAME")
        return self._add_bias(outputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        factor = {"up": 2.0, "down": 0.5, None: 1.0}[self.resample]
        sides = [side if side is None else int(side * factor) for side in input_shape[1:3]]
        return (input_shape[0], *sides, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "resample": self.resample,
        }


def _four_shifted(kernel: tf.Tensor) -> tf.Tensor:
    """[3, 3, a, b] -> [4, 4, a, b]: the kernel plus itself a tap lower, and that a tap further."""
    for axis in (0, 1):
        after = [[0, int(i == axis)] for i in range(4)]
        before = [[int(i == axis), 0] for i in range(4)]
        kernel = tf.pad(kernel, after) + tf.pad(kernel, before)
    return kernel
