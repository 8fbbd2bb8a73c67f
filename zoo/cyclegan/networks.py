"""CycleGAN's networks (Zhu et al. 2017, section 4 and appendix 7.2).

    paper                            here
    G: X -> Y and F: Y -> X          "generator_a_to_b", "generator_b_to_a" in generator
    D_X, D_Y                         "discriminator_a", "discriminator_b" in discriminator

c7s1-k is a convolution of 7x7 and stride 1 with k features, instance norm and ReLU; dk one of 3x3
and stride 2; Rk a residual block of two 3x3; uk a transposed one of 3x3 that doubles the image:
c7s1-64, d128, d256, R256 x 9 (x 6 below 256 px), u128, u64, c7s1-3 with tanh. Reflection
padding where the stride is 1. Weights from N(0, .02).

With "nearest" or "bilinear", uk is that and then a convolution of stride 1: the transposed one
writes some pixels more often than others, which shows as a grid (Odena et al. 2016, "Deconvolution
and Checkerboard Artifacts").

With `skips`, what c7s1-64 and d128 made is laid beside what u64 and u128 make, as in a U-Net
(Ronneberger et al. 2015), and the image itself beside what u64 makes: few features and few steps
then keep an image sharp, and its colours, which instance norm would make those of every image.

Where the stride is 2, TensorFlow pads at the bottom and right ("end"), the reference at the top and
left ("start"): the same network of the mirror image. Weights of one need the padding of the same.
"""

import keras
from keras import layers

from zoo.nn import patchgan
from zoo.nn.layers import ImageConv2D, InstanceNormalization, ReflectionPadding2D, UpSampling2D

UPSAMPLING = ("transposed", "nearest", "bilinear")
PADDING = ("end", "start")


def _normal() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(0.0, 0.02)


def _reflected(features: int, kernel: int, name: str) -> list[layers.Layer]:
    """A convolution of stride 1 that keeps the size of its image."""
    return [
        ReflectionPadding2D(kernel // 2),
        layers.Conv2D(features, kernel, kernel_initializer=_normal(), name=name),
    ]


def _resized(kind: type[layers.Layer], features: int, name: str, same: bool) -> layers.Layer:
    padding = "same" if same else "valid"
    return kind(features, 3, 2, padding=padding, kernel_initializer=_normal(), name=name)


def _halved(features: int, name: str, padding: str) -> list[layers.Layer]:
    if padding == "end":
        return [_resized(layers.Conv2D, features, name, same=True)]
    start = layers.ZeroPadding2D(((1, 0), (1, 0)))
    return [start, _resized(layers.Conv2D, features, name, same=False)]


def _doubled(upsampling: str, features: int, name: str, padding: str) -> list[layers.Layer]:
    if upsampling != "transposed":
        return [UpSampling2D(2, interpolation=upsampling), *_reflected(features, 3, name)]
    if padding == "end":
        return [_resized(layers.Conv2DTranspose, features, name, same=True)]
    start = layers.Cropping2D(((1, 0), (1, 0)))
    return [_resized(layers.Conv2DTranspose, features, name, same=False), start]


def _normalised(*network: layers.Layer) -> list[layers.Layer]:
    return [*network, InstanceNormalization(), layers.ReLU()]


def translator(
    source_channels: int,
    channels: int,
    width: int,
    blocks: int,
    upsampling: str,
    skips: bool,
    padding: str,
    name: str,
) -> keras.Model:
    """G of one direction: [N, H, W, C] -> [N, H, W, C'] in [-1, 1]; H and W multiples of 4."""

    def apply(network: list[layers.Layer], x: keras.KerasTensor) -> keras.KerasTensor:
        for layer in network:
            x = layer(x)
        return x

    source = keras.Input((None, None, source_channels))
    x = apply(_normalised(*_reflected(width, 7, "first")), source)
    larger = []
    for i, features in enumerate((2 * width, 4 * width)):
        larger.append(x)
        x = apply(_normalised(*_halved(features, f"down{i}", padding)), x)
    for i in range(blocks):
        block = _normalised(*_reflected(features, 3, f"block{i}_conv0"))
        block += _reflected(features, 3, f"block{i}_conv1")
        x = layers.Add()([x, apply([*block, InstanceNormalization()], x)])
    for i, features in enumerate((2 * width, width)):
        x = apply(_normalised(*_doubled(upsampling, features, f"up{i}", padding)), x)
        if skips:
            x = layers.Concatenate()([x, larger.pop()])
    if skips:
        x = layers.Concatenate()([x, source])
    to_image = ImageConv2D(channels, 7, kernel_initializer=_normal(), name="to_image")
    x = apply([ReflectionPadding2D(3), to_image, layers.Activation("tanh")], x)
    return keras.Model(source, x, name=name)


def critic(resolution: int, channels: int, width: int, patch: int, name: str) -> keras.Model:
    """D of one domain, a PatchGAN: images [N, H, W, C] -> logits [N, h, w, 1]."""

    def convolution(count: int, kernel: int, stride: int, use_bias: bool) -> layers.Layer:
        return layers.Conv2D(count, kernel, stride, use_bias=use_bias, kernel_initializer=_normal())

    network = patchgan.patch_layers(patch, width, convolution, InstanceNormalization, bias=True)
    return keras.Sequential([keras.Input((resolution, resolution, channels)), *network], name=name)


def generator(
    source_channels: int,
    channels: int,
    width: int,
    blocks: int,
    upsampling: str,
    skips: bool,
    padding: str = "end",
    one_way: bool = False,
) -> keras.Model:
    """Both directions: [a, b] -> [G(a), F(b)]; `one_way`: a -> G(a)."""
    a, b = keras.Input((None, None, source_channels)), keras.Input((None, None, channels))
    sizes = width, blocks, upsampling, skips, padding
    a_to_b = translator(source_channels, channels, *sizes, "generator_a_to_b")
    if one_way:
        return keras.Model(a, a_to_b(a), name="generator")
    b_to_a = translator(channels, source_channels, *sizes, "generator_b_to_a")
    return keras.Model([a, b], [a_to_b(a), b_to_a(b)], name="generator")


def discriminator(
    resolution: int, source_channels: int, channels: int, width: int, patch: int
) -> keras.Model:
    """Both domains: [a, b] -> logits of each [N, h, w, 1]."""
    inputs = [keras.Input((resolution, resolution, c)) for c in (source_channels, channels)]
    critics = [
        critic(resolution, source_channels, width, patch, "discriminator_a"),
        critic(resolution, channels, width, patch, "discriminator_b"),
    ]
    logits = [judge(images) for judge, images in zip(critics, inputs, strict=True)]
    return keras.Model(inputs, logits, name="discriminator")
