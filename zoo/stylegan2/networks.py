"""StyleGAN2's networks, config F (Karras et al. 2020, figures 2c and 7; conditional: 2020a).

    paper                            here
    z in Z                           latents [N, z]
    f, w = f(z)                      mapping
    A, the style s = A(w)            _style
    Mod, Conv, Demod                 ModulatedConv2D
    B, noise                         Noise
    tRGB, summed (7b, "skip")        _to_rgb and FIRUpsampling2D
    fRGB, residual D (7c)            discriminator

2020a is "Training Generative Adversarial Networks with Limited Data", whose code adds labels.
Every LeakyReLU(.2) is followed by a factor of sqrt 2 in the reference. As
sqrt 2 lrelu(x + b) = lrelu(sqrt 2 x + sqrt 2 b), that factor stands in the gain of what comes
before: a pass over the features less.
"""

import math
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from zoo.core.style_based import MeanStyle
from zoo.nn.layers import (
    DownsamplingConv2D,
    EqualizedConv2D,
    EqualizedDense,
    FIRDownsampling2D,
    FIRUpsampling2D,
    MinibatchStd,
    ModulatedConv2D,
    Noise,
    PixelNorm,
)

ROOT2 = math.sqrt(2.0)
MAPPING_RATE = 0.01  # of the learning rate, in mapping networks
LABEL_LAYERS = 8  # of D's mapping of labels, whatever G has


@keras.saving.register_keras_serializable("gan_zoo")
class Bias(layers.Layer):
    """x + gain * b, b one number for each feature (last axis); it begins at 0."""

    def __init__(self, gain: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gain = gain

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.bias = self.add_weight(shape=input_shape[-1:], initializer="zeros", name="bias")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        # Not `bias_add`, whose gradient TensorFlow takes together with that of the kernel before:
        # on CPUs slower than one after the other.
        return inputs + self.bias * self.gain

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gain": self.gain}


@keras.saving.register_keras_serializable("gan_zoo")
class Constant(layers.Layer):
    """The learned 4x4 input, for as many images as there are styles: [N, L, W] -> [N, 4, 4, C]."""

    def __init__(self, features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.constant = self.add_weight(
            shape=(1, 4, 4, self.features),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="constant",
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.repeat(tf.convert_to_tensor(self.constant), tf.shape(inputs)[0], axis=0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "features": self.features}


def features_at(resolution: int, fmap_base: int, fmap_max: int) -> int:
    """Feature maps at a resolution: fmap_base / 2^(log2 resolution - 1), at most fmap_max."""
    return max(1, min(2 * fmap_base // resolution, fmap_max))


@keras.saving.register_keras_serializable("gan_zoo")
class Clamp(layers.Layer):
    """x, held in [-limit, limit], so that half precision does not overflow (2020a, appendix D)."""

    def __init__(self, limit: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limit = limit

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(inputs, -self.limit, self.limit)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "limit": self.limit}


def _clamped(x: Any, limit: float | None) -> Any:
    return x if limit is None else Clamp(limit)(x)


def _biased_lrelu(x: Any, name: str, gain: float = ROOT2) -> Any:
    return layers.LeakyReLU(0.2)(Bias(gain, name=f"{name}_bias")(x))


def _dense_lrelu(x: Any, units: int, name: str, rate: float = 1.0) -> Any:
    x = EqualizedDense(units, gain=ROOT2, lr_multiplier=rate, use_bias=False, name=name)(x)
    return _biased_lrelu(x, name, ROOT2 * rate)


def _embedding(labels: Any, num_classes: int, units: int) -> Any:
    """One normalised vector for each class."""
    one_hot = layers.CategoryEncoding(num_classes, "one_hot")(labels)
    return PixelNorm()(EqualizedDense(units, gain=1.0, name="label_embedding")(one_hot))


# ---- G


def mapping_network(latent_dim: int, num_layers: int, num_classes: int) -> keras.Model:
    """f: latents [N, z] (and labels int [N]) -> w [N, z]."""
    inputs = latents = keras.Input((latent_dim,))
    x = PixelNorm()(latents)
    if num_classes:
        labels = keras.Input((), dtype="int32")
        inputs = [latents, labels]
        x = layers.Concatenate()([x, _embedding(labels, num_classes, latent_dim)])
    for i in range(num_layers):
        x = _dense_lrelu(x, latent_dim, f"dense{i}", MAPPING_RATE)
    mean_style = MeanStyle(num_classes, name="mean_style")
    x = mean_style([x, labels] if num_classes else x)
    return keras.Model(inputs, x, name="mapping")


def _style(w: Any, features: int, name: str) -> Any:
    """A: the style of one layer, around 1: [N, W] -> [N, features]."""
    dense = EqualizedDense(features, gain=1.0, name=f"{name}_style")
    return layers.Rescaling(1.0, 1.0)(dense(w))


def synthesis_network(
    resolution: int,
    channels: int,
    latent_dim: int,
    fmap_base: int,
    fmap_max: int,
    noise: bool,
    stored_noise: bool = False,
    conv_clamp: float | None = None,
) -> keras.Model:
    """g: w [N, L, W], L = 2 log2 R - 2 -> images [N, R, R, C], about in [-1, 1].

    Layer i of L takes w[:, i]; a block's tRGB shares its style with the next block's first
    convolution. Layers are named by the resolution that they write.
    """

    def styled_conv(x: Any, i: int, features: int, name: str, upsample: bool = False) -> Any:
        """One style block of figure 2c."""
        style = _style(ws[i], x.shape[-1], name)
        x = ModulatedConv2D(features, 3, upsample, gain=ROOT2, name=name)([x, style])
        if noise:
            x = Noise(gain=ROOT2, seed=i, stored=stored_noise, name=f"{name}_noise")(x)
        return _clamped(_biased_lrelu(x, name), conv_clamp)

    def to_rgb(x: Any, i: int) -> Any:
        name = f"{x.shape[1]}_to_rgb"
        style = _style(ws[i], x.shape[-1], name)
        x = ModulatedConv2D(channels, 1, demodulate=False, name=name)([x, style])
        return _clamped(Bias(name=f"{name}_bias")(x), conv_clamp)

    num_layers = 2 * int(math.log2(resolution)) - 2
    w = keras.Input((num_layers, latent_dim))
    ws = keras.ops.unstack(w, num_layers, axis=1)
    x = Constant(features_at(4, fmap_base, fmap_max), name="4_constant")(w)
    x = styled_conv(x, 0, x.shape[-1], "4_conv1")
    images = to_rgb(x, 1)
    for i in range(1, num_layers - 1, 2):
        size = 2 * x.shape[1]
        features = features_at(size, fmap_base, fmap_max)
        x = styled_conv(x, i, features, f"{size}_conv0", upsample=True)
        x = styled_conv(x, i + 1, features, f"{size}_conv1")
        images = layers.Add()([FIRUpsampling2D()(images), to_rgb(x, i + 2)])
    return keras.Model(w, images, name="synthesis")


def generator(mapping: keras.Model, synthesis: keras.Model) -> keras.Model:
    """g(f(z)): latents [N, z] (and labels int [N]) -> images [N, R, R, C]."""
    w = layers.RepeatVector(synthesis.input_shape[1])(mapping(mapping.input))
    return keras.Model(mapping.input, synthesis(w), name="generator")


# ---- D


def discriminator(
    resolution: int,
    channels: int,
    num_classes: int,
    fmap_base: int,
    fmap_max: int,
    group: int,
    residual: bool = True,
    conv_clamp: float | None = None,
) -> keras.Model:
    """Images [N, R, R, C] (and labels int [N]) -> logits [N, 1]; named by the resolution read."""
    inputs = x = images = keras.Input((resolution, resolution, channels))
    features = features_at(resolution, fmap_base, fmap_max)
    x = EqualizedConv2D(features, 1, gain=ROOT2, use_bias=False, name="from_rgb")(images)
    x = _clamped(_biased_lrelu(x, "from_rgb"), conv_clamp)
    while x.shape[1] > 4:
        features = features_at(x.shape[1] // 2, fmap_base, fmap_max)
        x = _halving_block(x, features, residual, conv_clamp)
    x = MinibatchStd(group)(x)
    x = EqualizedConv2D(features, 3, gain=ROOT2, use_bias=False, name="4_conv")(x)
    x = layers.Flatten()(_clamped(_biased_lrelu(x, "4_conv"), conv_clamp))
    x = _dense_lrelu(x, features, "4_dense")
    if not num_classes:
        logits = EqualizedDense(1, gain=1.0, name="4_out")(x)
        return keras.Model(inputs, logits, name="discriminator")
    # Projection: the product with a vector of the class.
    labels = keras.Input((), dtype="int32")
    y = _embedding(labels, num_classes, features)
    for i in range(LABEL_LAYERS):
        y = _dense_lrelu(y, features, f"label_dense{i}", MAPPING_RATE)
    x = layers.Dot(-1)([EqualizedDense(features, gain=1.0, name="4_out")(x), y])
    x = layers.Rescaling(1.0 / math.sqrt(features))(x)
    return keras.Model([images, labels], x, name="discriminator")


def _halving_block(x: Any, features: int, residual: bool, conv_clamp: float | None) -> Any:
    """Two convolutions, half the size: (skip + convolutions) / sqrt 2, the factor in the gains.

    Not `residual`: the convolutions alone, as in the reference's configuration for CIFAR-10.
    """
    size = x.shape[1]
    gain = 1.0 if residual else ROOT2
    if residual:
        skip = EqualizedConv2D(features, 1, gain=1.0 / ROOT2, use_bias=False, name=f"{size}_skip")(
            FIRDownsampling2D()(x)
        )
    x = EqualizedConv2D(x.shape[-1], 3, gain=ROOT2, use_bias=False, name=f"{size}_conv0")(x)
    x = _clamped(_biased_lrelu(x, f"{size}_conv0"), conv_clamp)
    x = DownsamplingConv2D(features, 3, gain=gain, use_bias=False, name=f"{size}_conv1")(x)
    x = _biased_lrelu(x, f"{size}_conv1", gain)
    # The reference clamps in proportion to the gain.
    x = _clamped(x, conv_clamp and conv_clamp * gain / ROOT2)
    return layers.Add()([skip, x]) if residual else x
