"""SRGAN's networks (Ledig et al. 2017, section 2.1 and figure 4).

    paper                            here
    I^LR                             low [N, h, w, C]
    I^HR                             high [N, scale h, scale w, C]
    G, without a game SRResNet       generator
    D before the sigmoid             discriminator, which returns logits

kxnysz is a convolution of x by x with y features and stride z. The images are in [-1, 1]; G's first
layer takes low to [0, 1], which is the range that the paper gives it (section 3.2). Initial
weights, which the paper leaves open, are Keras's; PReLU begins at .25 (He et al. 2015).
"""

import keras
import tensorflow as tf
from keras import layers

from zoo.nn.layers import BatchNormalization, ImageConv2D, PixelShuffle, UpSampling2D

UPSAMPLING = ("pixel_shuffle", "nearest", "bilinear", "transposed")


def _batch_norm(name: str | None = None) -> layers.Layer:
    # Under replicas the statistics are those of the global batch; one device need not pay for that.
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=replicas > 1, name=name)


def _conv(features: int, kernel: int, stride: int = 1, name: str | None = None) -> layers.Layer:
    return layers.Conv2D(features, kernel, stride, padding="same", name=name)


def _prelu(name: str) -> layers.Layer:
    """One slope for each feature, the same at every pixel."""
    return layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2], name=name)


def _doubled(upsampling: str, width: int, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """[N, h, w, width] -> [N, 2 h, 2 w, width]."""
    if upsampling == "pixel_shuffle":
        return PixelShuffle(2)(_conv(4 * width, 3, name=name)(x))  # k3n256s1
    if upsampling == "transposed":
        return layers.Conv2DTranspose(width, 4, 2, padding="same", name=name)(x)
    return _conv(width, 3, name=name)(UpSampling2D(2, interpolation=upsampling)(x))


def generator(scale: int, channels: int, width: int, blocks: int, upsampling: str) -> keras.Model:
    """SRResNet: low [N, h, w, C] in [-1, 1] -> high [N, scale h, scale w, C] in [-1, 1]."""
    low = keras.Input((None, None, channels))
    x = layers.Rescaling(0.5, 0.5)(low)

    def conv_norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return _batch_norm(f"{name}_norm")(_conv(width, 3, name=name)(x))

    x = first = _prelu("first_prelu")(_conv(width, 9, name="first")(x))
    for i in range(blocks):
        y = _prelu(f"block{i}_prelu")(conv_norm(x, f"block{i}_conv0"))
        x = layers.Add()([x, conv_norm(y, f"block{i}_conv1")])
    x = layers.Add()([first, conv_norm(x, "last")])
    for i in range(scale.bit_length() - 1):
        x = _prelu(f"up{i}_prelu")(_doubled(upsampling, width, x, f"up{i}"))
    x = layers.Activation("tanh")(ImageConv2D(channels, 9, padding="same", name="to_image")(x))
    return keras.Model(low, x, name="generator")


def discriminator(resolution: int, channels: int, width: int) -> keras.Model:
    """high [N, R, R, C] in [-1, 1] -> logits [N, 1]."""
    network = [_conv(width, 3), layers.LeakyReLU(0.2)]
    for multiple, stride in ((1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)):
        network += [_conv(multiple * width, 3, stride), _batch_norm(), layers.LeakyReLU(0.2)]
    network += [layers.Flatten(), layers.Dense(16 * width), layers.LeakyReLU(0.2), layers.Dense(1)]
    return keras.Sequential(
        [keras.Input((resolution, resolution, channels)), *network], name="discriminator"
    )
