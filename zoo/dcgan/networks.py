"""DCGAN's networks (Radford et al. 2016, section 3 and figure 1).

    paper                            here
    z, 100 numbers from U(-1, 1)     latents [N, latent_dim]
    G(z)                             generator
    D(x) before the sigmoid          discriminator, which returns logits

The architecture guidelines: strided convolutions instead of pooling, batch norm in both networks
except G's output and D's input layer, no hidden dense layers, ReLU in G with tanh at its end,
LeakyReLU in D; weights from N(0, .02).
"""

import keras
import tensorflow as tf
from keras import layers

from zoo.nn.layers import BatchNormalization, Conv2D, Conv2DTranspose


def _normal(mean: float = 0.0) -> keras.initializers.Initializer:
    # Section 4: "zero-centered Normal distribution with standard deviation 0.02".
    return keras.initializers.RandomNormal(mean, 0.02)


def _batch_norm() -> layers.Layer:
    # Under replicas the statistics are those of the global batch; one device need not pay for that.
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return BatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer=_normal(1.0), synchronized=replicas > 1
    )


def _conv(filters: int, strides: int = 2, use_bias: bool = False) -> layers.Layer:
    return Conv2D(
        filters, 5, strides, padding="same", use_bias=use_bias, kernel_initializer=_normal()
    )


def _conv_transpose(filters: int, strides: int = 2, activation: str | None = None) -> layers.Layer:
    return Conv2DTranspose(
        filters,
        5,
        strides,
        padding="same",
        use_bias=False,
        activation=activation,
        kernel_initializer=_normal(),
    )


def _dense(units: int, use_bias: bool = False) -> layers.Layer:
    return layers.Dense(units, use_bias=use_bias, kernel_initializer=_normal())


def _batch_norm_relu() -> list[layers.Layer]:
    return [_batch_norm(), layers.ReLU()]


def paper_generator(resolution: int, channels: int, latent_dim: int, width: int) -> keras.Model:
    """Figure 1: latents [N, z] -> images [N, R, R, C] in [-1, 1].

    A 4x4 map of `width * R / 8` features, then a fractionally-strided 5x5 convolution for every
    doubling, each halving the features; at 64 px and width 128: 1024, 512, 256, 128, C.
    """
    features = width * resolution // 8
    network = [
        _dense(4 * 4 * features),
        *_batch_norm_relu(),
        layers.Reshape((4, 4, features)),
    ]
    while features > width:
        features //= 2
        network += [_conv_transpose(features), *_batch_norm_relu()]
    network += [_conv_transpose(channels, activation="tanh")]
    return keras.Sequential([keras.Input((latent_dim,)), *network], name="generator")


def paper_discriminator(resolution: int, channels: int, width: int) -> keras.Model:
    """The generator's mirror: images [N, R, R, C] in [-1, 1] -> logits [N, 1]."""
    network = [_conv(width), layers.LeakyReLU(0.2)]
    features = width
    while features < width * resolution // 8:
        features *= 2
        network += [_conv(features), _batch_norm(), layers.LeakyReLU(0.2)]
    network += [layers.Flatten(), _dense(1)]
    return keras.Sequential(
        [keras.Input((resolution, resolution, channels)), *network], name="discriminator"
    )


def small_generator(resolution: int, channels: int, latent_dim: int, width: int) -> keras.Model:
    """The layout of TensorFlow's DCGAN tutorial, for images of 28 or 32 px.

    Two doublings from a quarter of the resolution; at 28 px and width 64: 7x7x256, 128, 64, C.
    """
    start = resolution // 4
    network = [
        _dense(start * start * 4 * width),
        *_batch_norm_relu(),
        layers.Reshape((start, start, 4 * width)),
        _conv_transpose(2 * width, strides=1),
        *_batch_norm_relu(),
        _conv_transpose(width),
        *_batch_norm_relu(),
        _conv_transpose(channels, activation="tanh"),
    ]
    return keras.Sequential([keras.Input((latent_dim,)), *network], name="generator")


def small_discriminator(resolution: int, channels: int, width: int) -> keras.Model:
    """The tutorial's discriminator without its dropout: no batch norm, biases."""
    network = [
        _conv(width, use_bias=True),
        layers.LeakyReLU(0.2),
        _conv(2 * width, use_bias=True),
        layers.LeakyReLU(0.2),
        layers.Flatten(),
        _dense(1, use_bias=True),
    ]
    return keras.Sequential(
        [keras.Input((resolution, resolution, channels)), *network], name="discriminator"
    )
