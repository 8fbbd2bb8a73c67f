"""The networks of the MNIST experiment (Goodfellow et al. 2014, section 5; its `mnist.yaml`).

    paper                            here
    z, 100 numbers                   latents [N, latent_dim]
    G(z; theta_g)                    generator
    D(x; theta_d) before the sigmoid discriminator, which returns logits

The paper's pixels are in [0, 1], ours in [-1, 1]: G's last layer and D's first convert.
"""

import keras
from keras import layers

from zoo.nn.layers import Dropout, Maxout


def _uniform(limit: float) -> keras.initializers.Initializer:
    return keras.initializers.RandomUniform(-limit, limit)


def generator(resolution: int, channels: int, latent_dim: int, width: int) -> keras.Model:
    """Two rectifier layers, then sigmoid pixels: latents [N, z] -> images [N, R, R, C]."""
    network = [
        layers.Dense(width, "relu", kernel_initializer=_uniform(0.05)),
        layers.Dense(width, "relu", kernel_initializer=_uniform(0.05)),
        layers.Dense(
            resolution * resolution * channels,
            "sigmoid",
            kernel_initializer=_uniform(0.05),
            name="pixels",
        ),
        layers.Reshape((resolution, resolution, channels)),
        layers.Rescaling(2.0, -1.0),
    ]
    return keras.Sequential([keras.Input((latent_dim,)), *network], name="generator")


def discriminator(
    resolution: int, channels: int, width: int, pieces: int, dropout: bool
) -> keras.Model:
    """Two maxout layers with dropout at every input: images [N, R, R, C] -> logits [N, 1]."""
    rates = (0.2, 0.5, 0.5) if dropout else (0.0, 0.0, 0.0)
    network = [
        layers.Rescaling(0.5, 0.5),
        layers.Flatten(),
        Dropout(rates[0]),
        Maxout(width, pieces, _uniform(0.005)),
        Dropout(rates[1]),
        Maxout(width, pieces, _uniform(0.005)),
        Dropout(rates[2]),
        layers.Dense(1, kernel_initializer=_uniform(0.005)),
    ]
    return keras.Sequential(
        [keras.Input((resolution, resolution, channels)), *network], name="discriminator"
    )
