"""BigGAN-deep's networks (Brock et al. 2019, appendix B: figure 16, tables 7 to 9).

    paper                            here
    z, all of it in every block      latents [N, latent_dim]
    y, the class                     labels int32 [N]
    ch                               width
    Shared, y as an embedding        shared [N, shared_dim]
    1x1 bottlenecks                  a quarter of a block's features
    G(z, y)                          generator
    D(x, y)                          discriminator: logits

Two blocks a resolution. A block's shortcut has no weights in G: features are dropped where there
are fewer after it; in D those that are more come from a 1x1 convolution. As in the published code,
the condition is [z, embedding].
"""

from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

from zoo.biggan.truncation import StatisticsOfTruncation
from zoo.nn.layers import (
    ConditionalBatchNormalization,
    Orthogonal,
    SelfAttention,
    SpectralNormConv2D,
    SpectralNormDense,
    StandingBatchNormalization,
)

BOTTLENECK = 4  # features of a block / those within it


@keras.saving.register_keras_serializable("gan_zoo")
class Affine(layers.Layer):
    """x gain + bias; with a condition (1 + A c) x + B c, else one gain and bias a feature."""

    def build(self, input_shape: Any) -> None:
        shape = input_shape[0] if isinstance(input_shape[0], tuple | list) else input_shape
        inputs = () if shape is input_shape else (input_shape[1][-1],)
        first = "zeros" if inputs else "ones"
        self.gain = self.add_weight(shape=(*inputs, shape[-1]), initializer=first, name="gain")
        self.bias = self.add_weight(shape=(*inputs, shape[-1]), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> tf.Tensor:
        gain, bias = tf.convert_to_tensor(self.gain), tf.convert_to_tensor(self.bias)
        if not isinstance(inputs, list | tuple):
            return inputs * gain + bias
        x, condition = inputs
        gain, bias = 1.0 + tf.matmul(condition, gain), tf.matmul(condition, bias)
        return x * gain[:, None, None] + bias[:, None, None]

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0] if isinstance(input_shape[0], tuple | list) else input_shape


class _Parts:
    """The layers of G, of a network that is trained or of a published one.

    Args:
        spectral_norm: Whether weights are divided by sigma as they are used.
        statistics: Truncations that batch norm has statistics of; 0 for running ones.
        epsilon: Of batch norm.
        batch_norm: Arguments of running batch norm.
    """

    def __init__(
        self, spectral_norm: bool, statistics: int, epsilon: float, batch_norm: dict[str, Any]
    ) -> None:
        self.normalize = {"normalize": spectral_norm}
        self.statistics, self.epsilon = statistics, epsilon
        self.batch_norm = batch_norm

    def conv(self, features: int, size: int, name: str) -> layers.Layer:
        return SpectralNormConv2D(features, size, name=name, **self.normalize)

    def norm_relu(self, x: Any, name: str, condition: Any = None) -> Any:
        if self.statistics:
            x = StatisticsOfTruncation(self.statistics, self.epsilon, name=f"{name}_statistics")(x)
            x = Affine(name=name)(x if condition is None else [x, condition])
        elif condition is None:
            x = StandingBatchNormalization(name=name, **self.batch_norm)(x)
        else:
            layer = ConditionalBatchNormalization(True, name=name, **self.batch_norm)
            x = layer([x, condition])
        return layers.ReLU()(x)

    def block(self, x: Any, condition: Any, features: int, name: str, double: bool) -> Any:
        """Figure 16 (b): [N, H, W, C] -> [N, H, W, features], or twice the size."""
        middle = x.shape[-1] // BOTTLENECK
        h = self.conv(middle, 1, f"{name}_conv0")(self.norm_relu(x, f"{name}_norm0", condition))
        h = self.norm_relu(h, f"{name}_norm1", condition)
        shortcut = x[..., :features] if features < x.shape[-1] else x
        if double:
            h, shortcut = layers.UpSampling2D()(h), layers.UpSampling2D()(shortcut)
        h = self.conv(middle, 3, f"{name}_conv1")(h)
        h = self.conv(middle, 3, f"{name}_conv2")(self.norm_relu(h, f"{name}_norm2", condition))
        h = self.conv(features, 1, f"{name}_conv3")(self.norm_relu(h, f"{name}_norm3", condition))
        return layers.Add()([h, shortcut])


def generator(
    factors: tuple[int, ...],
    channels: int,
    num_classes: int,
    width: int,
    latent_dim: int,
    shared_dim: int,
    attention: int,
    spectral_norm: bool,
    statistics: int,
    batch_norm: dict[str, Any],
    epsilon: float,
) -> keras.Model:
    """[latents [N, z], labels [N]] -> images [N, R, R, C] in [-1, 1].

    Args:
        factors: Features / width at 4, 8, 16 ... px, up to the resolution.
        channels, num_classes, width, latent_dim, shared_dim, attention: As in `networks.generator`.
        spectral_norm, statistics, batch_norm, epsilon: As in `_Parts`.
    """
    parts = _Parts(spectral_norm, statistics, epsilon, batch_norm)
    latents = keras.Input((latent_dim,), name="latents")
    labels = keras.Input((), dtype="int32", name="labels")
    shared = layers.Dense(
        shared_dim, use_bias=False, kernel_initializer=Orthogonal(), name="shared"
    )(ops.one_hot(labels, num_classes))
    condition = layers.Concatenate()([latents, shared])
    first, *others = (width * factor for factor in factors)
    x = SpectralNormDense(4 * 4 * first, name="dense", **parts.normalize)(condition)
    x = layers.Reshape((4, 4, first))(x)
    for i, features in enumerate(others):
        x = parts.block(x, condition, x.shape[-1], f"block{2 * i}", double=False)
        x = parts.block(x, condition, features, f"block{2 * i + 1}", double=True)
        if x.shape[1] == attention:
            x = SelfAttention(name="attention", **parts.normalize)(x)
    x = parts.conv(channels, 3, "to_image")(parts.norm_relu(x, "norm"))
    images = layers.Activation("tanh")(x)
    return keras.Model([latents, labels], images, name="generator")


def discriminator(
    resolution: int,
    factors: tuple[int, ...],
    channels: int,
    num_classes: int,
    width: int,
    attention: int,
) -> keras.Model:
    """[images [N, R, R, C] in [-1, 1], labels [N]] -> logits [N, 1], by projection.

    Args:
        factors: As in `generator`; D has them from the last to the first.
        resolution, channels, num_classes, width, attention: As in `networks.discriminator`.
    """
    images = keras.Input((resolution, resolution, channels), name="images")
    labels = keras.Input((), dtype="int32", name="labels")
    *smaller, last = factors
    x = SpectralNormConv2D(width * last, name="from_image")(images)
    for i, factor in enumerate(reversed(smaller)):
        x = _discriminator_block(x, width * factor, f"block{2 * i}", halve=True)
        x = _discriminator_block(x, width * factor, f"block{2 * i + 1}", halve=False)
        if x.shape[1] == attention:
            x = SelfAttention(name="attention")(x)
    h = ops.sum(layers.ReLU()(x), axis=(1, 2))  # [N, features]
    embedding = SpectralNormDense(h.shape[-1], use_bias=False, embeds=True, name="embedding")(
        ops.one_hot(labels, num_classes)
    )
    projection = ops.sum(embedding * h, axis=1, keepdims=True)
    logits = SpectralNormDense(1, name="logit")(h) + projection
    return keras.Model([images, labels], logits, name="discriminator")


def _discriminator_block(x: Any, features: int, name: str, halve: bool) -> Any:
    """Figure 16 (c): [N, H, W, C] -> [N, H, W, features], or half the size."""
    middle = features // BOTTLENECK
    h = x
    for i, (count, size) in enumerate(((middle, 1), (middle, 3), (middle, 3))):
        h = SpectralNormConv2D(count, size, name=f"{name}_conv{i}")(layers.ReLU()(h))
    h, shortcut = layers.ReLU()(h), x
    if halve:
        h, shortcut = layers.AveragePooling2D(2)(h), layers.AveragePooling2D(2)(x)
    h = SpectralNormConv2D(features, 1, name=f"{name}_conv3")(h)
    if features > x.shape[-1]:
        more = SpectralNormConv2D(features - x.shape[-1], 1, name=f"{name}_skip")(shortcut)
        shortcut = layers.Concatenate()([shortcut, more])
    return layers.Add()([h, shortcut])
