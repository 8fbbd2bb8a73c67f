"""Convolutions over one-hot classes.

s            label_map [N, H, W]
G(s, z)      generator of label_map; z is its dropout
D(s, x)      discriminator of [label_map, image]: logits [N, H, W, 1]
"""

import keras
from keras import layers

from zoo.nn.layers import NoiseDropout, OneHot


def generator(num_classes: int, channels: int, width: int, dropout: float) -> keras.Model:
    """label_map [N, H, W] -> [N, H, W, C] in [-1, 1], for any H and W."""
    label_map = keras.Input((None, None), dtype="int32")
    h = layers.Conv2D(width, 3, padding="same", activation="relu")(OneHot(num_classes)(label_map))
    x = layers.Conv2D(channels, 3, padding="same", activation="tanh")(NoiseDropout(dropout)(h))
    return keras.Model(label_map, x, name="generator")


def discriminator(resolution: int, num_classes: int, channels: int, width: int) -> keras.Model:
    """[label_map, image] -> logits [N, R, R, 1]."""
    label_map = keras.Input((resolution, resolution), dtype="int32")
    image = keras.Input((resolution, resolution, channels))
    h = layers.Concatenate()([OneHot(num_classes)(label_map), image])
    h = layers.Conv2D(width, 3, padding="same", activation="tanh")(h)
    return keras.Model([label_map, image], layers.Conv2D(1, 1)(h), name="discriminator")
