"""Equalized learning rate (Karras et al. 2018, section 4.1).

    w_hat = w / c,  c = sqrt(fan_in) / gain      (He's constant, for gain sqrt 2)

The weights are drawn from N(0, 1) and scaled when they are used, not when they are drawn. An
optimizer that normalises the gradient then moves every layer by the same fraction of its range.
"""

import math
from typing import Any

import keras
import tensorflow as tf

from zoo.nn.bias import add_bias


class _Equalized(keras.layers.Layer):
    """What the dense layer and the convolution share: their scaled weights."""

    def __init__(self, gain: float, lr_multiplier: float, use_bias: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gain = gain
        self.lr_multiplier = lr_multiplier
        self.use_bias = use_bias

    def _add_weights(self, kernel_shape: tuple[int, ...]) -> None:
        self.kernel = self.add_weight(
            shape=kernel_shape,
            initializer=keras.initializers.RandomNormal(stddev=1.0 / self.lr_multiplier),
            name="kernel",
        )
        if self.use_bias:
            self.bias = self.add_weight(shape=kernel_shape[-1:], initializer="zeros", name="bias")

    def effective_kernel(self) -> tf.Tensor:
        """The kernel that is applied: kernel * gain / sqrt(fan_in) * lr_multiplier."""
        fan_in = math.prod(self.kernel.shape[:-1])
        return self.kernel * tf.cast(
            self.gain / math.sqrt(fan_in) * self.lr_multiplier, self.compute_dtype
        )

    def _add_bias(self, outputs: tf.Tensor) -> tf.Tensor:
        if not self.use_bias:
            return outputs
        bias = tf.convert_to_tensor(self.bias)
        if self.lr_multiplier != 1.0:
            bias = bias * tf.cast(self.lr_multiplier, bias.dtype)
        return add_bias(outputs, bias)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "gain": self.gain,
            "lr_multiplier": self.lr_multiplier,
            "use_bias": self.use_bias,
        }


@keras.saving.register_keras_serializable("gan_zoo")
class EqualizedDense(_Equalized):
    """Dense layer with an equalized learning rate: [N, in] -> [N, units], no activation.

    Args:
        units: Outputs.
        gain: sqrt 2 before a rectifier, 1 otherwise.
        lr_multiplier: The layer learns at this fraction of the learning rate (Karras et al. 2019,
            appendix C: .01 in the mapping network); its initial output does not change.
        use_bias: Whether there is a bias; it starts at 0.
    """

    def __init__(
        self,
        units: int,
        gain: float = math.sqrt(2.0),
        lr_multiplier: float = 1.0,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(gain, lr_multiplier, use_bias, **kwargs)
        self.units = units

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self._add_weights((input_shape[-1], self.units))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return self._add_bias(tf.matmul(inputs, self.effective_kernel()))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("gan_zoo")
class EqualizedConv2D(_Equalized):
    """Convolution with an equalized learning rate: [N, H, W, in] -> [N, H, W, filters].

    Zeros around the image, stride 1, no activation.

    Resampling is part of the convolution, as in the paper's code ("fused scale"): one convolution
    of stride 2 with a 4x4 kernel, the sum of four shifted copies of the 3x3 one. This gives the
    same result as two steps, in half the time.

    Args:
        filters: Output features.
        kernel_size: Height and width, odd.
        gain, lr_multiplier, use_bias: As in `EqualizedDense`.
        resample: "up" to double the size first (each pixel four times), "down" to halve it after
            (the mean of four pixels), or None.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        gain: float = math.sqrt(2.0),
        lr_multiplier: float = 1.0,
        use_bias: bool = True,
        resample: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(gain, lr_multiplier, use_bias, **kwargs)
        if resample not in (None, "up", "down"):
            raise ValueError(f"resample must be 'up', 'down' or None. Received: {resample!r}.")
        self.filters = filters
        self.kernel_size = kernel_size
        self.resample = resample

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self._add_weights((self.kernel_size, self.kernel_size, input_shape[-1], self.filters))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        kernel = self.effective_kernel()
        if self.resample == "up":
            _, height, width, _ = inputs.shape
            shape = [tf.shape(inputs)[0], 2 * height, 2 * width, self.filters]
            # The transposed convolution runs the taps backwards.
            kernel = tf.transpose(tf.reverse(_sum_of_shifts(kernel), [0, 1]), [0, 1, 3, 2])
            outputs = tf.nn.conv2d_transpose(inputs, kernel, shape, 2, "SAME")
        elif self.resample == "down":
            outputs = tf.nn.conv2d(inputs, 0.25 * _sum_of_shifts(kernel), 2, "SAME")
        else:
            outputs = tf.nn.conv2d(inputs, kernel, 1, "SAME")
        return self._add_bias(outputs)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "resample": self.resample,
        }


def _sum_of_shifts(kernel: tf.Tensor) -> tf.Tensor:
    """[k, k, ...] -> [k + 1, k + 1, ...]: the kernel laid over each pixel of a 2x2 block."""
    kernel = tf.pad(kernel, [[1, 1], [1, 1], [0, 0], [0, 0]])
    return kernel[1:, 1:] + kernel[1:, :-1] + kernel[:-1, 1:] + kernel[:-1, :-1]
