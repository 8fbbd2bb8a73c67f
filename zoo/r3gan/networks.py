"""R3GAN's networks (Huang et al. 2024, section 4 and figure 3, "config E").

    paper                                   here
    z from N(0, I)                          latents [N, z]
    y, the class                            labels int32 [N]
    basis: a learnable 4x4 map of features  GenerativeBasis, DiscriminativeBasis
    transition layer                        FIRUpsampling2D, FIRDownsampling2D; 1x1 if widths differ
    residual block, inverted bottleneck     _residual_block
    G(z, y), D(x, y)                        generator, discriminator (logits)

Both are the same, mirrored: stages of residual blocks from 4 px up to the resolution, or down from
it. There is no normalisation: as in Fix-up, the last convolution of each block is 0 at first, and
the other two are scaled by L^(-1/4), L being the blocks of the network. Every LeakyReLU has slope
.2, and only the convolutions before one have biases.
"""

import math
from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

from zoo.nn.layers import FIRDownsampling2D, FIRUpsampling2D, GroupedConv2D

SLOPE = 0.2
# He's gain for that slope: the variance of the features is kept.
GAIN = math.sqrt(2.0 / (1.0 + SLOPE**2))


def features_at(resolution: int, fmap_base: int, fmap_max: int) -> int:
    """Feature maps at a resolution: 2 fmap_base / resolution, at most fmap_max."""
    return min(2 * fmap_base // resolution, fmap_max)


def resolutions(resolution: int) -> list[int]:
    """4, 8, ... up to the resolution."""
    return [2**i for i in range(2, int(math.log2(resolution)) + 1)]


def _normal(fan_in: int, gain: float = 1.0) -> keras.initializers.Initializer:
    """Initial weights N(0, gain^2 / fan_in)."""
    if not gain:
        return keras.initializers.Zeros()
    return keras.initializers.RandomNormal(stddev=gain / math.sqrt(fan_in))


@keras.saving.register_keras_serializable("gan_zoo")
class GenerativeBasis(layers.Layer):
    """Scales each feature's learnable 4x4 map, from N(0, 1): [N, C] -> [N, 4, 4, C]."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.basis = self.add_weight(
            shape=(4, 4, input_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="basis",
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs[:, None, None, :] * self.basis


@keras.saving.register_keras_serializable("gan_zoo")
class DiscriminativeBasis(layers.Layer):
    """The product of each feature with its learnable 4x4 map: [N, 4, 4, C] -> [N, C]."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.basis = self.add_weight(shape=input_shape[1:], initializer=_normal(16), name="basis")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(inputs * self.basis, axis=(1, 2))


def _dense(x: Any, units: int, gain: float = 1.0) -> Any:
    return layers.Dense(units, use_bias=False, kernel_initializer=_normal(x.shape[-1], gain))(x)


def _conv(x: Any, features: int, gain: float = 1.0, use_bias: bool = False) -> Any:
    """A 1x1 convolution."""
    initializer = _normal(x.shape[-1], gain)
    return layers.Conv2D(features, 1, use_bias=use_bias, kernel_initializer=initializer)(x)


def _residual_block(x: Any, group_size: int, expansion: int, blocks: int) -> Any:
    """x + f(x): 1x1 to more features, 3x3 in groups, 1x1 back; `blocks` are in the network."""
    features = x.shape[-1]
    gain = GAIN * blocks ** (-1.0 / 4.0)
    y = layers.LeakyReLU(SLOPE)(_conv(x, expansion * features, gain, use_bias=True))
    grouped = GroupedConv2D(
        expansion * features,
        groups=expansion * features // group_size,
        kernel_initializer=_normal(9 * group_size, gain),
    )
    y = layers.LeakyReLU(SLOPE)(grouped(y))
    return layers.Add()([x, _conv(y, features, gain=0.0)])


def generator(
    resolution: int,
    channels: int,
    latent_dim: int,
    num_classes: int,
    fmap_base: int,
    fmap_max: int,
    blocks: int,
    group_size: int,
    expansion: int,
) -> keras.Model:
    """Latents [N, z] (and labels int [N]) -> images [N, R, R, C], about in [-1, 1].

    Args:
        resolution, channels, latent_dim, num_classes: Sizes; no labels if there are no classes.
        fmap_base, fmap_max: Of `features_at`.
        blocks: Residual blocks at each resolution.
        group_size: Features in each group of the 3x3 convolutions.
        expansion: Features of the 3x3 convolutions, as a multiple of the block's.
    """
    inputs = x = latents = keras.Input((latent_dim,), name="latents")
    if num_classes:
        labels = keras.Input((), dtype="int32", name="labels")
        inputs = [latents, labels]
        x = layers.Concatenate()([x, _dense(ops.one_hot(labels, num_classes), latent_dim)])
    sizes = resolutions(resolution)
    for size in sizes:
        features = features_at(size, fmap_base, fmap_max)
        if size == 4:
            x = GenerativeBasis()(_dense(x, features))
        else:
            # 1x1 first: it commutes with the filter, and costs a quarter on the smaller image.
            x = x if x.shape[-1] == features else _conv(x, features)
            x = FIRUpsampling2D()(x)
        for _ in range(blocks):
            x = _residual_block(x, group_size, expansion, blocks * len(sizes))
    return keras.Model(inputs, _conv(x, channels), name="generator")


def discriminator(
    resolution: int,
    channels: int,
    num_classes: int,
    fmap_base: int,
    fmap_max: int,
    blocks: int,
    group_size: int,
    expansion: int,
) -> keras.Model:
    """Images [N, R, R, C] (and labels int [N]) -> logits [N, 1]; arguments as of `generator`."""
    inputs = images = keras.Input((resolution, resolution, channels), name="images")
    sizes = resolutions(resolution)
    x = _conv(images, features_at(resolution, fmap_base, fmap_max))
    for size in reversed(sizes):
        for _ in range(blocks):
            x = _residual_block(x, group_size, expansion, blocks * len(sizes))
        if size > 4:
            features = features_at(size // 2, fmap_base, fmap_max)
            x = FIRDownsampling2D()(x)
            x = x if x.shape[-1] == features else _conv(x, features)
    x = DiscriminativeBasis()(x)
    if not num_classes:
        return keras.Model(inputs, _dense(x, 1), name="discriminator")
    # Projection: the product with a vector of the class.
    labels = keras.Input((), dtype="int32", name="labels")
    features = x.shape[-1]
    y = _dense(ops.one_hot(labels, num_classes), features, gain=1.0 / math.sqrt(features))
    logits = layers.Dot(-1)([_dense(x, features), y])
    return keras.Model([images, labels], logits, name="discriminator")
