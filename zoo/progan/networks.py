"""ProGAN's networks (Karras et al. 2018, table 2), the layers of every stage in one.

paper                                here
latent vector                        latents [N, latent_dim]
G, D                                 Generator, Discriminator
LReLU                                leaky ReLU with slope .2
toRGB, fromRGB                       to_rgb, from_rgb: 1x1 convolutions
2x, 0.5x of figure 2                 nearest, box
weight of the new layers, alpha      alpha
resolutions                          4, 8, ... resolution; blocks[i] is that of 4 * 2^i pixels
"""

from typing import Any

import keras
import tensorflow as tf

from zoo.core.growing import GrowingNetwork
from zoo.nn.bias import add_bias
from zoo.nn.layers import EqualizedConv2D, EqualizedDense, PixelNorm
from zoo.nn.layers.resampling import box, nearest
from zoo.nn.progressive import FIRST, LastBlock, features, leaky, lerp, ready, resolutions


@keras.saving.register_keras_serializable("gan_zoo")
class Generator(GrowingNetwork):
    """latents [N, z] -> images [N, R, R, C].

    Args:
        resolution: R of the whole network.
        channels: C.
        latent_dim: z.
        fmap_base: Feature maps at r pixels are 2 * fmap_base / r,
        fmap_max: and no more than this.
    """

    def __init__(
        self,
        resolution: int,
        channels: int,
        latent_dim: int,
        fmap_base: int,
        fmap_max: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.config = {
            "resolution": resolution,
            "channels": channels,
            "latent_dim": latent_dim,
            "fmap_base": fmap_base,
            "fmap_max": fmap_max,
        }
        self.resolutions = resolutions(resolution)
        maps = [features(r, fmap_base, fmap_max) for r in self.resolutions]
        self.pixel_norm = PixelNorm()
        self.first = FirstBlock(latent_dim, maps[0])
        self.blocks = [self.first] + [
            GeneratorBlock(maps[i - 1], maps[i], self.resolutions[i]) for i in range(1, len(maps))
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
        latents: tf.Tensor,
        resolution: int | None = None,
        alpha: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        last = self.resolutions.index(resolution or self.resolutions[-1])
        x = self.pixel_norm(latents)
        for block in self.blocks[: last + 1]:
            before, x = x, block(x)
        images = self.to_rgb[last](x)
        if alpha is None:
            return images
        # Figure 2 (b): the layers of the new resolution are faded in like a residual block.
        return lerp(nearest(self.to_rgb[last - 1](before), 2), images, alpha)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.config}


class FirstBlock(keras.layers.Layer):
    """G at 4 px: latents [N, z] -> [N, 4, 4, F], by a 4x4 and a 3x3 convolution."""

    def __init__(self, latent_dim: int, maps: int) -> None:
        super().__init__()
        self.maps = maps
        # The 4x4 convolution of one pixel is a dense layer; its bias is the features'. The gain is
        # that of the paper's code.
        self.dense = ready(EqualizedDense(16 * maps, 2.0**0.5 / 4, use_bias=False), latent_dim)
        self.bias = self.add_weight(shape=(maps,), initializer="zeros", name="bias")
        self.conv = ready(EqualizedConv2D(maps, 3), 4, 4, maps)
        self.pixel_norm = PixelNorm()
        self.built = True

    def call(self, latents: tf.Tensor) -> tf.Tensor:
        x = tf.reshape(self.dense(latents), [-1, 4, 4, self.maps])
        x = self.pixel_norm(leaky(add_bias(x, self.bias)))
        return self.pixel_norm(leaky(self.conv(x)))


class GeneratorBlock(keras.layers.Layer):
    """G at a resolution r: [N, r/2, r/2, F] -> [N, r, r, G]: doubled, then two convolutions."""

    def __init__(self, maps_before: int, maps: int, resolution: int) -> None:
        super().__init__()
        half = resolution // 2
        self.conv_up = ready(EqualizedConv2D(maps, 3, resample="up"), half, half, maps_before)
        self.conv = ready(EqualizedConv2D(maps, 3), resolution, resolution, maps)
        self.pixel_norm = PixelNorm()
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = self.pixel_norm(leaky(self.conv_up(x)))
        return self.pixel_norm(leaky(self.conv(x)))


@keras.saving.register_keras_serializable("gan_zoo")
class Discriminator(GrowingNetwork):
    """G's mirror, a critic: images [N, R, R, C] -> scores [N, 1].

    Args:
        resolution, channels, fmap_base, fmap_max: As in `Generator`.
        group: Images over which the minibatch standard deviation is taken.
        fused: Whether a block halves as it convolves, before the activation, or after it.
    """

    def __init__(
        self,
        resolution: int,
        channels: int,
        fmap_base: int,
        fmap_max: int,
        group: int,
        fused: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.config = {
            "resolution": resolution,
            "channels": channels,
            "fmap_base": fmap_base,
            "fmap_max": fmap_max,
            "group": group,
            "fused": fused,
        }
        self.resolutions = resolutions(resolution)
        maps = [features(r, fmap_base, fmap_max) for r in self.resolutions]
        self.from_rgb = [
            ready(EqualizedConv2D(m, 1), r, r, channels)
            for r, m in zip(self.resolutions, maps, strict=True)
        ]
        self.last = LastBlock(maps[0], features(FIRST // 2, fmap_base, fmap_max), group)
        self.blocks = [self.last] + [
            DiscriminatorBlock(maps[i], maps[i - 1], self.resolutions[i], fused)
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
        images: tf.Tensor,
        resolution: int | None = None,
        alpha: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        first = self.resolutions.index(resolution or self.resolutions[-1])
        x = leaky(self.from_rgb[first](images))
        for i in range(first, 0, -1):
            x = self.blocks[i](x)
            if i == first and alpha is not None:
                # Figure 2 (b): what the network without this block would see.
                x = lerp(leaky(self.from_rgb[i - 1](box(images, 2))), x, alpha)
        return self.last(x, training=training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.config}


class DiscriminatorBlock(keras.layers.Layer):
    """D at a resolution r: [N, r, r, F] -> [N, r/2, r/2, G]: two convolutions, then halved."""

    def __init__(self, maps: int, maps_after: int, resolution: int, fused: bool) -> None:
        super().__init__()
        self.fused = fused
        self.conv = ready(EqualizedConv2D(maps, 3), resolution, resolution, maps)
        self.conv_down = ready(
            EqualizedConv2D(maps_after, 3, resample="down" if fused else None),
            resolution,
            resolution,
            maps,
        )
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = leaky(self.conv_down(leaky(self.conv(x))))
        return x if self.fused else box(x, 2)
