"""A 3x3 convolution in groups, differentiable twice on CPUs too."""

from typing import Any

import keras
import tensorflow as tf

from zoo.nn.bias import add_bias


@keras.saving.register_keras_serializable("gan_zoo")
class GroupedConv2D(keras.layers.Layer):
    """Each group of outputs sees its own group of inputs: [N, H, W, in] -> [N, H, W, filters].

    3x3, stride 1, zeros around the image, with a bias that begins at 0. TensorFlow has no gradient
    of grouped convolutions on CPUs: there the groups are convolved one by one.

    Args:
        filters: Output features, a multiple of `groups`, as are the inputs'.
        groups: How many.
        kernel_initializer: Of the kernel [3, 3, in / groups, filters].
    """

    def __init__(
        self, filters: int, groups: int, kernel_initializer: Any = "he_normal", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.groups = groups
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        inputs = input_shape[-1]
        if inputs % self.groups or self.filters % self.groups:
            raise ValueError(
                "Inputs and filters must be multiples of groups. "
                f"Received: {inputs} inputs, {self.filters} filters, {self.groups} groups."
            )
        self.kernel = self.add_weight(
            shape=(3, 3, inputs // self.groups, self.filters),
            initializer=self.kernel_initializer,
            name="kernel",
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        kernel = tf.convert_to_tensor(self.kernel)
        if self.groups == 1 or tf.config.list_logical_devices("GPU"):
            outputs = tf.nn.conv2d(inputs, kernel, 1, "SAME")
        else:
            pairs = (tf.split(inputs, self.groups, -1), tf.split(kernel, self.groups, -1))
            groups = [tf.nn.conv2d(x, k, 1, "SAME") for x, k in zip(*pairs, strict=True)]
            outputs = tf.concat(groups, axis=-1)
        return add_bias(outputs, self.bias)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.filters)

    def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        # Without a trace of `call`, which may be of many groups.
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "groups": self.groups,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
