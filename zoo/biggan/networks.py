"""BigGAN's networks (Brock et al. 2019, appendix B: figure 15, tables 4 to 6).

    paper                            here
    z from N(0, I)                   latents [N, latent_dim]
    y, the class                     labels int32 [N]
    ch                               width
    Shared, y as an embedding        shared [N, shared_dim]
    skip-z: z in chunks              chunks: the first for the dense layer, one for each block
    G(z, y)                          generator
    D(x, y)                          discriminator: logits

Weights are orthogonal at first. Every convolution and dense layer has spectral norm 1, but for the
class embeddings of G. Doubling and halving the image is done within the convolution beside it
(`SpectralNormConv2D`), and the shortcut's 1x1 convolution on the smaller side of it: the same
function for about half the work.
"""

import keras
import tensorflow as tf
from keras import layers, ops

from zoo.nn.layers import (
    ConditionalBatchNormalization,
    Orthogonal,
    SelfAttention,
    SpectralNormConv2D,
    SpectralNormDense,
    StandingBatchNormalization,
)

# Features / width at 4, 8, 16 ... px, up to the resolution.
GENERATOR = {
    32: (4, 4, 4, 4),
    64: (16, 16, 8, 4, 2),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
    512: (16, 16, 8, 8, 4, 2, 1, 1),
}
# Features / width after each block, and how many of the blocks halve the image.
DISCRIMINATOR = {
    32: ((4, 4, 4, 4), 2),
    64: ((1, 2, 4, 8, 16), 4),
    128: ((1, 2, 4, 8, 16, 16), 5),
    256: ((1, 2, 4, 8, 8, 16, 16), 6),
    512: ((1, 1, 2, 4, 8, 8, 16, 16), 7),
}


def latent_chunks(resolution: int) -> int:
    """Into how many parts skip-z cuts z: one for the dense layer, one for each block."""
    return len(GENERATOR[resolution])


def generator(
    resolution: int,
    channels: int,
    num_classes: int,
    width: int,
    latent_dim: int,
    shared_dim: int,
    skip_z: bool,
    attention: int,
    bn_epsilon: float = 1e-5,
) -> keras.Model:
    """[latents [N, z], labels [N]] -> images [N, R, R, C] in [-1, 1].

    Args:
        resolution, channels, num_classes, width, latent_dim: Sizes.
        shared_dim: Length of the class embedding that all blocks share; 0 for gains and biases
            looked up by class in every block.
        skip_z: Whether each block sees a chunk of z of its own.
        attention: Side of the image on which self-attention looks; 0 for none.
        bn_epsilon: Of batch norm.
    """
    norm = batch_norm(bn_epsilon)
    latents = keras.Input((latent_dim,), name="latents")
    labels = keras.Input((), dtype="int32", name="labels")
    features, *block_features = (width * factor for factor in GENERATOR[resolution])

    condition = ops.one_hot(labels, num_classes)
    if shared_dim:
        condition = layers.Dense(
            shared_dim, use_bias=False, kernel_initializer=Orthogonal(), name="shared"
        )(condition)
    if skip_z:
        z, *chunks = ops.split(latents, latent_chunks(resolution), axis=1)
        conditions = [layers.Concatenate()([condition, chunk]) for chunk in chunks]
    else:
        z, conditions = latents, [condition] * len(block_features)

    x = SpectralNormDense(4 * 4 * features, name="dense")(z)
    x = layers.Reshape((4, 4, features))(x)
    for i, (features, condition) in enumerate(zip(block_features, conditions, strict=True)):
        x = _generator_block(x, condition, features, f"block{i}", shared_dim > 0, norm)
        if x.shape[1] == attention:
            x = SelfAttention(name="attention")(x)
    x = layers.ReLU()(StandingBatchNormalization(name="norm", **norm)(x))
    x = SpectralNormConv2D(channels, name="to_image")(x)
    images = layers.Activation("tanh")(x)
    return keras.Model([latents, labels], images, name="generator")


def batch_norm(epsilon: float) -> dict[str, float | bool]:
    """Arguments of G's batch norm."""
    # Under replicas the statistics are those of the global batch, as the paper's.
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return {"momentum": 0.9, "epsilon": epsilon, "synchronized": replicas > 1}


def _generator_block(
    x: keras.KerasTensor,
    condition: keras.KerasTensor,
    features: int,
    name: str,
    spectral_norm: bool,
    norm: dict[str, float | bool],
) -> keras.KerasTensor:
    """Figure 15 (b): [N, H, W, C] -> [N, 2H, 2W, features]."""

    def conditional_relu(x: keras.KerasTensor, i: int) -> keras.KerasTensor:
        batch_norm = ConditionalBatchNormalization(spectral_norm, name=f"{name}_norm{i}", **norm)
        return layers.ReLU()(batch_norm([x, condition]))

    h = SpectralNormConv2D(features, resample="up", name=f"{name}_conv0")(conditional_relu(x, 0))
    h = SpectralNormConv2D(features, name=f"{name}_conv1")(conditional_relu(h, 1))
    shortcut = SpectralNormConv2D(features, 1, name=f"{name}_skip")(x)
    shortcut = layers.UpSampling2D()(shortcut)
    return layers.Add()([h, shortcut])


def discriminator(
    resolution: int, channels: int, num_classes: int, width: int, attention: int
) -> keras.Model:
    """[images [N, R, R, C] in [-1, 1], labels [N]] -> logits [N, 1].

    The projection discriminator (Miyato & Koyama 2018): D(x, y) = psi(h(x)) + embed(y) . h(x), with
    h the last features summed over the image.
    """
    images = keras.Input((resolution, resolution, channels), name="images")
    labels = keras.Input((), dtype="int32", name="labels")
    factors, halvings = DISCRIMINATOR[resolution]
    x = images
    for i, factor in enumerate(factors):
        x = _discriminator_block(x, width * factor, f"block{i}", first=i == 0, halve=i < halvings)
        if i < halvings and x.shape[1] == attention:
            x = SelfAttention(name="attention")(x)
    h = ops.sum(layers.ReLU()(x), axis=(1, 2))  # [N, features]
    embedding = SpectralNormDense(h.shape[-1], use_bias=False, embeds=True, name="embedding")(
        ops.one_hot(labels, num_classes)
    )
    projection = ops.sum(embedding * h, axis=1, keepdims=True)
    logits = SpectralNormDense(1, name="logit")(h) + projection
    return keras.Model([images, labels], logits, name="discriminator")


def _discriminator_block(
    x: keras.KerasTensor, features: int, name: str, first: bool, halve: bool
) -> keras.KerasTensor:
    """Figure 15 (c): [N, H, W, C] -> [N, H / 2, W / 2, features]; the first begins without ReLU."""
    h = x if first else layers.ReLU()(x)
    h = layers.ReLU()(SpectralNormConv2D(features, name=f"{name}_conv0")(h))
    resample = "down" if halve else None
    h = SpectralNormConv2D(features, resample=resample, name=f"{name}_conv1")(h)
    shortcut = layers.AveragePooling2D(2)(x) if halve else x
    if halve or x.shape[-1] != features:
        shortcut = SpectralNormConv2D(features, 1, name=f"{name}_skip")(shortcut)
    return layers.Add()([h, shortcut])


def regularized(generator: keras.Model) -> list[tf.Tensor]:
    """Kernels that orthogonal regularization is put on: all of spectral norm, so no embedding."""
    layers_of_all = generator._flatten_layers(include_self=False)
    return [
        tf.convert_to_tensor(layer.kernel.value)
        for layer in layers_of_all
        if isinstance(layer, SpectralNormConv2D | SpectralNormDense)
    ]
