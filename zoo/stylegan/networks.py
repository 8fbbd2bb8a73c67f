"""StyleGAN's networks (Karras et al. 2019, figure 1b; D as in Karras et al. 2018), for every stage.

paper                                here
z, w = f(z)                          latents [N, z], Mapping
g                                    Synthesis
Const 4x4x512                        Synthesis.constant
A, y = (y_s, y_b)                    AdaIN.style
AdaIN, equation 1                    AdaIN
B, noise                             Noise, a strength for each feature
D                                    Discriminator: ProGAN's, filtered before it is halved
weight of a new resolution's layers  alpha
"""

from typing import Any

import keras
import tensorflow as tf

from zoo.core.growing import GrowingNetwork
from zoo.core.style_based import MeanStyle
from zoo.nn.bias import add_bias
from zoo.nn.layers import EqualizedConv2D, EqualizedDense, Noise, PixelNorm
from zoo.nn.layers.resampling import blur, box, nearest
from zoo.nn.progressive import (
    FIRST,
    LastBlock,
    features,
    leaky,
    lerp,
    ready,
    resolutions,
)

MAPPING_RATE = 0.01  # of the learning rate, in the mapping network


@keras.saving.register_keras_serializable("gan_zoo")
class Generator(GrowingNetwork):
    """g(f(z)): latents [N, z], or [latents, labels int [N]] -> images [N, R, R, C].

    Args:
        resolution: R of the whole network.
        channels: C.
        latent_dim: Length of z and w.
        num_classes: Of labels; 0 for none.
        mapping_layers: Of f.
        fmap_base: Feature maps at r pixels are 2 * fmap_base / r,
        fmap_max: and no more than this.
        noise: Whether g adds noise.
        stored_noise: Whether the noise of an image is stored with the weights.
    """

    def __init__(
        self,
        resolution: int,
        channels: int,
        latent_dim: int,
        num_classes: int,
        mapping_layers: int,
        fmap_base: int,
        fmap_max: int,
        noise: bool,
        stored_noise: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.config = {
            "resolution": resolution,
            "channels": channels,
            "latent_dim": latent_dim,
            "num_classes": num_classes,
            "mapping_layers": mapping_layers,
            "fmap_base": fmap_base,
            "fmap_max": fmap_max,
            "noise": noise,
            "stored_noise": stored_noise,
        }
        self.mapping = Mapping(latent_dim, num_classes, mapping_layers)
        self.synthesis = Synthesis(
            resolution, channels, latent_dim, fmap_base, fmap_max, noise, stored_noise
        )
        self.built = True

    def layers_at(self, resolution: int, fading: bool) -> list[keras.layers.Layer]:
        return [self.mapping, *self.synthesis.layers_at(resolution, fading)]

    def call(
        self,
        inputs: Any,
        resolution: int | None = None,
        alpha: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        w = self.mapping(inputs, training=training)
        w = tf.repeat(w[:, None], 2 * len(self.synthesis.blocks), axis=1)
        return self.synthesis(w, resolution=resolution, alpha=alpha, training=training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.config}


class Mapping(keras.Model):
    """f: latents [N, z], or [latents, labels int [N]] -> w [N, z]."""

    def __init__(self, latent_dim: int, num_classes: int, num_layers: int) -> None:
        super().__init__(name="mapping")
        self.num_classes = num_classes
        inputs = latent_dim
        if num_classes:
            # Not equalized, as in the paper's code.
            self.embedding = ready(
                keras.layers.Dense(latent_dim, use_bias=False, kernel_initializer=_normal()),
                num_classes,
            )
            inputs = 2 * latent_dim
        self.pixel_norm = PixelNorm()
        self.dense = []
        for _ in range(num_layers):
            layer = EqualizedDense(latent_dim, lr_multiplier=MAPPING_RATE)
            self.dense.append(ready(layer, inputs))
            inputs = latent_dim
        self.mean_style = MeanStyle(num_classes, name="mean_style")
        shape = (None, latent_dim)
        self.mean_style.build([shape, (None,)] if num_classes else shape)
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        x, labels = inputs if self.num_classes else (inputs, None)
        if self.num_classes:
            of_class = self.embedding(tf.one_hot(labels, self.num_classes))
            x = tf.concat([tf.cast(x, of_class.dtype), of_class], axis=-1)
        x = self.pixel_norm(x)
        for layer in self.dense:
            x = leaky(layer(x))
        return self.mean_style([x, labels] if self.num_classes else x, training=training)


class Synthesis(keras.Model):
    """g: w [N, L, W] -> images [N, R, R, C], two styles a resolution, L = 2 log2 R - 2."""

    def __init__(
        self,
        resolution: int,
        channels: int,
        latent_dim: int,
        fmap_base: int,
        fmap_max: int,
        noise: bool,
        stored_noise: bool,
    ) -> None:
        super().__init__(name="synthesis")
        self.resolutions = resolutions(resolution)
        maps = [features(r, fmap_base, fmap_max) for r in self.resolutions]
        self.blocks = [
            SynthesisBlock(r, maps[max(i - 1, 0)], maps[i], latent_dim, noise, stored_noise)
            for i, r in enumerate(self.resolutions)
        ]
        self.to_rgb = [
            ready(EqualizedConv2D(channels, 1, gain=1.0), r, r, m)
            for r, m in zip(self.resolutions, maps, strict=True)
        ]
        self.built = True

    def layers_at(self, resolution: int, fading: bool) -> list[keras.layers.Layer]:
        last = self.resolutions.index(resolution)
        return [*self.blocks[: last + 1], *self.to_rgb[last - fading : last + 1]]

    def call(
        self,
        w: tf.Tensor,
        resolution: int | None = None,
        alpha: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        last = self.resolutions.index(resolution or self.resolutions[-1])
        x = None
        for i in range(last + 1):
            before, x = x, self.blocks[i](x, w[:, 2 * i : 2 * i + 2], training=training)
        images = self.to_rgb[last](x)
        if alpha is None:
            return images
        return lerp(nearest(self.to_rgb[last - 1](before), 2), images, alpha)


class SynthesisBlock(keras.layers.Layer):
    """g at a resolution r: features [N, r/2, r/2, F] and w [N, 2, W] -> [N, r, r, G].

    At 4 px what comes in is the learned constant.
    """

    def __init__(
        self,
        resolution: int,
        maps_before: int,
        maps: int,
        latent_dim: int,
        noise: bool,
        stored_noise: bool,
    ) -> None:
        super().__init__()
        size = (resolution, resolution, maps)
        if resolution == FIRST:
            self.constant = self.add_weight(shape=(1, *size), initializer="ones", name="constant")
        else:
            half = resolution // 2
            self.conv_up = ready(
                EqualizedConv2D(maps, 3, use_bias=False, resample="up"), half, half, maps_before
            )
        self.conv = ready(EqualizedConv2D(maps, 3, use_bias=False), *size)
        layer = 2 * (resolution // FIRST).bit_length() - 2  # which of all layers, from 0
        self.first = Epilogue(size, latent_dim, noise, layer, stored_noise)
        self.second = Epilogue(size, latent_dim, noise, layer + 1, stored_noise)
        self.built = True

    def call(self, x: tf.Tensor | None, w: tf.Tensor, training: bool = False) -> tf.Tensor:
        if x is None:
            x = tf.repeat(tf.convert_to_tensor(self.constant), tf.shape(w)[0], axis=0)
        else:
            x = blur(self.conv_up(x))
        x = self.first(x, w[:, 0], training=training)
        return self.second(self.conv(x), w[:, 1], training=training)


class Epilogue(keras.layers.Layer):
    """What follows every convolution: noise, bias, leaky ReLU, AdaIN.

    Features [N, H, W, C] and w [N, W] -> features.
    """

    def __init__(
        self,
        size: tuple[int, int, int],
        latent_dim: int,
        noise: bool,
        layer: int,
        stored_noise: bool,
    ) -> None:
        super().__init__()
        self.noise = None
        if noise:
            self.noise = ready(Noise(per_feature=True, seed=layer, stored=stored_noise), *size)
        self.bias = self.add_weight(shape=size[-1:], initializer="zeros", name="bias")
        self.adain = AdaIN(size[-1], latent_dim)
        self.built = True

    def call(self, x: tf.Tensor, w: tf.Tensor, training: bool = False) -> tf.Tensor:
        if self.noise is not None:
            x = self.noise(x, training=training)
        return self.adain(leaky(add_bias(x, self.bias)), w)


class AdaIN(keras.layers.Layer):
    """Equation 1: y_s (x - mean(x)) / std(x) + y_b, each feature of each image by itself.

    y_s and y_b are affine in w; y_s begins around 1.
    """

    def __init__(self, maps: int, latent_dim: int) -> None:
        super().__init__()
        self.maps = maps
        self.style = ready(EqualizedDense(2 * maps, gain=1.0), latent_dim)
        self.built = True

    def call(self, inputs: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        x = tf.cast(inputs, tf.float32) if inputs.dtype.size < 4 else inputs
        x -= tf.reduce_mean(x, axis=[1, 2], keepdims=True)
        variance = tf.reduce_mean(tf.square(x), axis=[1, 2], keepdims=True)
        style = tf.cast(self.style(w), x.dtype)[:, None, None, :]
        scale, shift = 1.0 + style[..., : self.maps], style[..., self.maps :]
        return tf.cast(scale * x * tf.math.rsqrt(variance + 1e-8) + shift, inputs.dtype)


def _normal() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=1.0)


@keras.saving.register_keras_serializable("gan_zoo")
class Discriminator(GrowingNetwork):
    """Images [N, R, R, C], or [images, labels int [N]] -> logits [N, 1].

    With labels it has a logit for each class, and what it returns is that of the label.

    Args:
        resolution, channels, num_classes, fmap_base, fmap_max: As in `Generator`.
        group: Images over which the minibatch standard deviation is taken.
    """

    def __init__(
        self,
        resolution: int,
        channels: int,
        num_classes: int,
        fmap_base: int,
        fmap_max: int,
        group: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.config = {
            "resolution": resolution,
            "channels": channels,
            "num_classes": num_classes,
            "fmap_base": fmap_base,
            "fmap_max": fmap_max,
            "group": group,
        }
        self.num_classes = num_classes
        self.resolutions = resolutions(resolution)
        maps = [features(r, fmap_base, fmap_max) for r in self.resolutions]
        self.from_rgb = [
            ready(EqualizedConv2D(m, 1), r, r, channels)
            for r, m in zip(self.resolutions, maps, strict=True)
        ]
        units = features(FIRST // 2, fmap_base, fmap_max)
        self.last = LastBlock(maps[0], units, group, max(num_classes, 1))
        self.blocks = [self.last] + [
            DiscriminatorBlock(maps[i], maps[i - 1], self.resolutions[i])
            for i in range(1, len(maps))
        ]
        self.built = True

    def layers_at(self, resolution: int, fading: bool) -> list[keras.layers.Layer]:
        first = self.resolutions.index(resolution)
        return [*self.blocks[: first + 1], *self.from_rgb[first - fading : first + 1]]

    def check_batch_size(self, count: int) -> None:
        """Raises ValueError for a batch that minibatch standard deviation cannot group."""
        self.last.minibatch_std.check_batch_size(count)

    def call(
        self,
        inputs: Any,
        resolution: int | None = None,
        alpha: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        images, labels = inputs if self.num_classes else (inputs, None)
        first = self.resolutions.index(resolution or self.resolutions[-1])
        x = leaky(self.from_rgb[first](images))
        for i in range(first, 0, -1):
            x = self.blocks[i](x)
            if i == first and alpha is not None:
                x = lerp(leaky(self.from_rgb[i - 1](box(images, 2))), x, alpha)
        logits = self.last(x, training=training)
        if self.num_classes:
            of_label = tf.one_hot(labels, self.num_classes, dtype=logits.dtype)
            logits = tf.reduce_sum(logits * of_label, axis=1, keepdims=True)
        return logits

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.config}


class DiscriminatorBlock(keras.layers.Layer):
    """D at r pixels: [N, r, r, F] -> [N, r/2, r/2, G]: two convolutions, filtered and halved."""

    def __init__(self, maps: int, maps_after: int, resolution: int) -> None:
        super().__init__()
        size = (resolution, resolution, maps)
        self.conv = ready(EqualizedConv2D(maps, 3), *size)
        self.conv_down = ready(EqualizedConv2D(maps_after, 3, resample="down"), *size)
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return leaky(self.conv_down(blur(leaky(self.conv(x)))))
