"""The conditional GAN's networks: x beside its class y.

    paper                            here
    y, a one-hot class               labels [N], from 0; `OneHot` in each network
    z, 100 numbers                   latents [N, latent_dim]
    G(z|y)                           generator of [latents, labels]
    D(x|y) before the sigmoid        discriminator of [images, labels], which returns logits

"mlp" is the MNIST experiment (Mirza & Osindero 2014, section 4.1); "conv" the convolutional form
for MNIST of DCGAN's code (Radford et al. 2016, `mnist/train_cond_dcgan.py`). Both take pixels in
[0, 1], ours are in [-1, 1]: G's last layer and D's first convert.
"""

import keras
import tensorflow as tf
from keras import layers

from zoo.nn.layers import (
    BatchNormalization,
    Dropout,
    LabelledConv2D,
    LabelledConv2DTranspose,
    Maxout,
    OneHot,
)


def _uniform(limit: float) -> keras.initializers.Initializer:
    # The paper does not say; these are the first GAN's.
    return keras.initializers.RandomUniform(-limit, limit)


def _normal() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(0.0, 0.02)


def mlp_generator(
    resolution: int, channels: int, num_classes: int, latent_dim: int, width: int, dropout: bool
) -> keras.Model:
    """z -> 200, y -> 1000, both -> 1200, sigmoid pixels, at width 1200: -> [N, R, R, C]."""
    rate = 0.5 if dropout else 0.0

    def relu(units: int) -> layers.Layer:
        return layers.Dense(units, "relu", kernel_initializer=_uniform(0.05))

    z, labels = keras.Input((latent_dim,)), keras.Input((), dtype="int32")
    y = OneHot(num_classes)(labels)
    h = layers.Concatenate()([relu(width // 6)(z), relu(5 * width // 6)(y)])
    h = relu(width)(Dropout(rate)(h))
    pixels = layers.Dense(
        resolution * resolution * channels, "sigmoid", kernel_initializer=_uniform(0.05)
    )
    x = pixels(Dropout(rate)(h))
    x = layers.Reshape((resolution, resolution, channels))(x)
    x = layers.Rescaling(2.0, -1.0)(x)
    return keras.Model([z, labels], x, name="generator")


def mlp_discriminator(
    resolution: int, channels: int, num_classes: int, width: int, dropout: bool
) -> keras.Model:
    """Maxout: x -> 240 of 5 pieces, y -> 50 of 5, both -> 240 of 4, at width 1200: -> [N, 1]."""
    rate = 0.5 if dropout else 0.0

    def maxout(units: int, pieces: int) -> layers.Layer:
        return Maxout(units, pieces, _uniform(0.005))

    x, labels = keras.Input((resolution, resolution, channels)), keras.Input((), dtype="int32")
    y = OneHot(num_classes)(labels)
    h = layers.Flatten()(layers.Rescaling(0.5, 0.5)(x))
    h = layers.Concatenate()([maxout(width // 5, 5)(h), maxout(width // 24, 5)(y)])
    h = maxout(width // 5, 4)(Dropout(rate)(h))
    logits = layers.Dense(1, kernel_initializer=_uniform(0.005))(Dropout(rate)(h))
    return keras.Model([x, labels], logits, name="discriminator")


def _batch_norm() -> layers.Layer:
    # Without gain and bias, as in the code. Under replicas the statistics are those of the global
    # batch; one device need not pay for that.
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return BatchNormalization(
        momentum=0.9, epsilon=1e-5, center=False, scale=False, synchronized=replicas > 1
    )


def _dense(units: int) -> layers.Layer:
    return layers.Dense(units, use_bias=False, kernel_initializer=_normal())


def conv_generator(
    resolution: int, channels: int, num_classes: int, latent_dim: int, width: int, dense_units: int
) -> keras.Model:
    """Two dense layers, two doublings, y joined to the input of each: -> [N, R, R, C]."""
    start = resolution // 4
    z, labels = keras.Input((latent_dim,)), keras.Input((), dtype="int32")
    y = OneHot(num_classes)(labels)
    h = _dense(dense_units)(layers.Concatenate()([z, y]))
    h = layers.ReLU()(_batch_norm()(h))
    h = _dense(start * start * 2 * width)(layers.Concatenate()([h, y]))
    h = layers.ReLU()(_batch_norm()(h))
    h = layers.Reshape((start, start, 2 * width))(h)
    h = LabelledConv2DTranspose(width, _normal())([h, y])
    h = layers.ReLU()(_batch_norm()(h))
    x = LabelledConv2DTranspose(channels, _normal(), "sigmoid")([h, y])
    x = layers.Rescaling(2.0, -1.0)(x)
    return keras.Model([z, labels], x, name="generator")


def conv_discriminator(
    resolution: int, channels: int, num_classes: int, width: int, dense_units: int
) -> keras.Model:
    """The generator's mirror, LeakyReLU .2, no batch norm on the first layer: -> [N, 1]."""
    x, labels = keras.Input((resolution, resolution, channels)), keras.Input((), dtype="int32")
    y = OneHot(num_classes)(labels)
    h = LabelledConv2D(width, _normal())([layers.Rescaling(0.5, 0.5)(x), y])
    h = layers.LeakyReLU(0.2)(h)
    h = LabelledConv2D(2 * width, _normal())([h, y])
    h = layers.LeakyReLU(0.2)(_batch_norm()(h))
    h = _dense(dense_units)(layers.Concatenate()([layers.Flatten()(h), y]))
    h = layers.LeakyReLU(0.2)(_batch_norm()(h))
    logits = _dense(1)(layers.Concatenate()([h, y]))
    return keras.Model([x, labels], logits, name="discriminator")
