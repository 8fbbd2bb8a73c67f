"""Convolutions of features joined with labels, which they see as constant planes.

A label joined to an image [N, H, W, C] is K planes, one of ones and the others of zeros. What a 5x5
convolution of stride 2 computes from them depends on the class alone. It is therefore computed once
for each class, not for each image: a quarter less time than with the planes.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.nn.fast import strided


class _Labelled(keras.layers.Layer):
    """A 5x5 convolution of stride 2, without bias, of [features, label planes].

    Inputs: features [N, H, W, C] and one-hot labels [N, K].

    Args:
        filters: Features out.
        kernel_initializer: For the weights of both features and labels.
        activation: Name of a function, or None.
    """

    convolution: type[keras.layers.Layer]

    def __init__(
        self,
        filters: int,
        kernel_initializer: Any = "glorot_uniform",
        activation: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.activation = keras.activations.get(activation)
        self.features = self.convolution(
            filters,
            5,
            2,
            padding="same",
            use_bias=False,
            kernel_initializer=self.kernel_initializer.clone(),
            name="features",
        )

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        features, labels = input_shape
        self.features.build(features)
        self.label_kernel = self.add_weight(
            shape=(labels[-1], 5, 5, self.filters),
            initializer=self.kernel_initializer,
            name="label_kernel",
        )
        self._rows, self._columns = (_taps_inside(self, size) for size in features[1:3])

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        features, labels = inputs
        kernel = tf.convert_to_tensor(self.label_kernel)
        rows, columns = (tf.constant(m, kernel.dtype) for m in (self._rows, self._columns))
        of_classes = tf.einsum("ir,krsf,js->kijf", rows, kernel, columns)
        return self.activation(self.features(features) + tf.tensordot(labels, of_classes, 1))

    def compute_output_shape(
        self, input_shape: list[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        return self.features.compute_output_shape(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "activation": keras.activations.serialize(self.activation),
        }


def _taps_inside(layer: _Labelled, size: int) -> np.ndarray:
    """[size out, 5]: 1 where the tap at an output meets an input, along one axis of `size`."""
    halves = isinstance(layer, LabelledConv2D)
    outputs = np.arange((size + 1) // 2 if halves else 2 * size)[:, None]
    taps = np.arange(5)[None, :]
    if halves:
        before = (2 * len(outputs) + 3 - size) // 2  # "same": the padding in front
        met = 2 * outputs + taps - before
        return (met >= 0) & (met < size)
    twice = outputs + 1 - taps  # the input's index, doubled
    return (twice % 2 == 0) & (twice >= 0) & (twice < 2 * size)


@keras.saving.register_keras_serializable("gan_zoo")
class LabelledConv2D(_Labelled):
    """Halves: [N, H, W, C], [N, K] -> [N, H/2, W/2, filters]."""

    convolution = strided.Conv2D


@keras.saving.register_keras_serializable("gan_zoo")
class LabelledConv2DTranspose(_Labelled):
    """Doubles: [N, H, W, C], [N, K] -> [N, 2H, 2W, filters]."""

    convolution = strided.Conv2DTranspose
