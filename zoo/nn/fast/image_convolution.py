"""A convolution of a wide kernel to few channels, as at the end of a generator."""

from typing import Any

import keras
import tensorflow as tf

from zoo.nn.bias import add_bias

# Input channels below which this costs more than it saves.
LEAST_CHANNELS = 32


@keras.saving.register_keras_serializable("gan_zoo")
class ImageConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` of stride 1, computed column by column of its kernel.

    CPU kernels are slow for a wide convolution from many channels to three. Here each of its K
    columns is a K x 1 convolution. All of them together are one convolution to 3 K channels, whose
    shifted outputs are summed. SRGAN's last layer, 9x9 at 256 px, takes a thirtieth of the time.
    """

    def call(self, inputs: Any) -> Any:
        if inputs.shape[-1] < LEAST_CHANNELS:
            outputs = self.convolution_op(inputs, self.kernel)
            outputs = add_bias(outputs, self.bias) if self.use_bias else outputs
            return outputs if self.activation is None else self.activation(outputs)
        height, width = self.kernel_size
        kernel = tf.transpose(tf.convert_to_tensor(self.kernel), [0, 2, 1, 3])
        kernel = tf.reshape(kernel, [height, 1, inputs.shape[-1], width * self.filters])
        columns = tf.nn.conv2d(inputs, kernel, 1, self.padding.upper())
        if self.padding == "same":
            columns = tf.pad(columns, [[0, 0], [0, 0], [(width - 1) // 2, width // 2], [0, 0]])
        across = tf.shape(columns)[2] - width + 1
        outputs = tf.add_n(
            [
                column[:, :, i : i + across]
                for i, column in enumerate(tf.split(columns, width, axis=-1))
            ]
        )
        if self.use_bias:
            outputs += tf.convert_to_tensor(self.bias)
        return outputs if self.activation is None else self.activation(outputs)
