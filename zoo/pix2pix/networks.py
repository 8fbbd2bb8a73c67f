"""Pix2Pix's networks (Isola et al. 2017, section 3.2 and appendix 6.1).

    paper                            here
    x, the image to translate        source [N, H, W, C]
    G(x, z), a U-Net                 generator; z is its dropout
    D(x, y), a PatchGAN              discriminator of [source, image]: logits [N, h, w, 1]

Ck is a convolution of 4x4 and stride 2 with k features, normalisation and ReLU, CDk the same with
dropout .5: encoder C64-C128-C256-C512-C512-C512-C512-C512 with LeakyReLU .2, decoder
CD512-CD512-CD512-C512-C256-C128-C64, each of whose layers also sees the encoder's of its size.
"""

import keras
from keras import layers

from zoo.nn import patchgan
from zoo.nn.layers import NoiseDropout, PerImageBatchNormalization

DROPPED = 3  # decoder layers with dropout


def _normal() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(0.0, 0.02)


def _down(features: int, i: int) -> layers.Layer:
    return layers.Conv2D(
        features,
        4,
        2,
        padding="same",
        use_bias=False,
        kernel_initializer=_normal(),
        name=f"down{i}",
    )


def _up(features: int, i: int, use_bias: bool = False) -> layers.Layer:
    return layers.Conv2DTranspose(
        features,
        4,
        2,
        padding="same",
        use_bias=use_bias,
        kernel_initializer=_normal(),
        name=f"up{i}",
    )


def widths(resolution: int, width: int) -> list[int]:
    """Features of the encoder's layers, down to 1x1; at 256 px: 64, 128, 256, 512 x 5."""
    return [width * min(2**i, 8) for i in range(resolution.bit_length() - 1)]


def generator(
    resolution: int, source_channels: int, channels: int, width: int, dropout: float
) -> keras.Model:
    """U-Net: source [N, H, W, C] -> [N, H, W, C'] in [-1, 1]; H and W multiples of `resolution`.

    "down{i}" and "up{i}" are the layers between the same two sizes, from the largest.
    """
    *outer, _ = features = widths(resolution, width)
    source = keras.Input((None, None, source_channels))

    skips = [_down(features[0], 0)(source)]  # "BatchNorm is not applied to the first C64"
    for i, count in enumerate(features[1:-1], start=1):
        x = _down(count, i)(layers.LeakyReLU(0.2)(skips[-1]))
        skips.append(PerImageBatchNormalization(name=f"down{i}_norm")(x))
    # Nor to the bottleneck, whose statistics would be of one pixel.
    last = len(outer)
    x = layers.ReLU()(_down(features[-1], last)(layers.LeakyReLU(0.2)(skips[-1])))

    for i, (count, skip) in enumerate(zip(reversed(outer), reversed(skips), strict=True)):
        x = _up(count, last - i)(x)
        x = PerImageBatchNormalization(name=f"up{last - i}_norm")(x)
        if i < DROPPED and dropout:
            x = NoiseDropout(dropout)(x)
        x = layers.ReLU()(layers.Concatenate()([skip, x]))
    x = layers.Activation("tanh")(_up(channels, 0, use_bias=True)(x))
    return keras.Model(source, x, name="generator")


def discriminator(
    resolution: int, source_channels: int, channels: int, width: int, patch: int
) -> keras.Model:
    """PatchGAN: [source, image] -> logits [N, h, w, 1]."""

    def convolution(count: int, kernel: int, stride: int, use_bias: bool) -> layers.Layer:
        return layers.Conv2D(count, kernel, stride, use_bias=use_bias, kernel_initializer=_normal())

    source = keras.Input((resolution, resolution, source_channels))
    image = keras.Input((resolution, resolution, channels))
    x = layers.Concatenate()([source, image])
    for layer in patchgan.patch_layers(
        patch, width, convolution, PerImageBatchNormalization, bias=False
    ):
        x = layer(x)
    return keras.Model([source, image], x, name="discriminator")
