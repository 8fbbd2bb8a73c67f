"""Parts of growing networks, shared by ProGAN and StyleGAN (Karras et al. 2018, table 2)."""

import keras
import tensorflow as tf

from zoo.nn.layers import EqualizedConv2D, EqualizedDense, MinibatchStd

FIRST = 4


def features(resolution: int, fmap_base: int, fmap_max: int) -> int:
    """Feature maps at a resolution: 512 up to 32 px, 16 at 1024 px, with the paper's numbers."""
    return max(1, min(2 * fmap_base // resolution, fmap_max))


def resolutions(last: int) -> list[int]:
    """4, 8, ... last."""
    return [FIRST << i for i in range((last // FIRST).bit_length())]


def leaky(x: tf.Tensor) -> tf.Tensor:
    """The paper's LReLU."""
    return tf.nn.leaky_relu(x, 0.2)


def ready(layer: keras.layers.Layer, *shape: int) -> keras.layers.Layer:
    """The layer, built for inputs [N, *shape]: later stages are not called at first."""
    layer.build((None, *shape))
    return layer


def lerp(a: tf.Tensor, b: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
    """a at t = 0, b at t = 1."""
    return a + tf.cast(t, a.dtype) * (b - a)


class LastBlock(keras.layers.Layer):
    """D at 4 px: [N, 4, 4, F] -> scores [N, outputs]."""

    def __init__(self, maps: int, units: int, group: int, outputs: int = 1) -> None:
        super().__init__()
        self.minibatch_std = ready(MinibatchStd(group), 4, 4, maps)
        self.conv = ready(EqualizedConv2D(maps, 3), 4, 4, maps + 1)
        self.dense = ready(EqualizedDense(units), 16 * maps)
        self.score = ready(EqualizedDense(outputs, gain=1.0), units)
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        x = leaky(self.conv(self.minibatch_std(x, training=training)))
        x = leaky(self.dense(tf.reshape(x, [-1, self.dense.kernel.shape[0]])))
        return self.score(x)
