"""Dense networks that see a vector e beside z, or beside x.

z            latents [N, latent_dim]
e            embeddings [N, dim]
G(z, e)      generator of [latents, embeddings]
D(x, e)      discriminator of [images, embeddings], which returns logits
"""

import keras
from keras import layers


def generator(resolution: int, channels: int, latent_dim: int, dim: int, width: int) -> keras.Model:
    """[latents, embeddings] -> images [N, R, R, C] in [-1, 1]."""
    z, e = keras.Input((latent_dim,)), keras.Input((dim,))
    h = layers.Dense(width, "tanh")(layers.Concatenate()([z, e]))
    x = layers.Dense(resolution * resolution * channels, "tanh")(h)
    x = layers.Reshape((resolution, resolution, channels))(x)
    return keras.Model([z, e], x, name="generator")


def discriminator(resolution: int, channels: int, dim: int, width: int) -> keras.Model:
    """[images, embeddings] -> logits [N, 1]."""
    x, e = keras.Input((resolution, resolution, channels)), keras.Input((dim,))
    h = layers.Concatenate()([layers.Flatten()(x), e])
    h = layers.Dense(width, "tanh")(h)
    return keras.Model([x, e], layers.Dense(1)(h), name="discriminator")
