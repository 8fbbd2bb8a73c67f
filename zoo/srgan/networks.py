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


def _batch_norm() -> layers.Layer:
    # Under replicas the statistics are those of the global batch; one device need not pay for that.
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=replicas > 1)


def _conv(features: int, kernel: int, stride: int = 1) -> layers.Layer:
    return layers.Conv2D(features, kernel, stride, padding="same")


def _prelu() -> layers.Layer:
    """One slope for each feature, the same at every pixel."""
    return layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2])


def _doubled(upsampling: str, width: int, x: keras.KerasTensor) -> keras.KerasTensor:
    """[N, h, w, width] -> [N, 2 h, 2 w, width]."""
    if upsampling == "pixel_shuffle":
        return PixelShuffle(2)(_conv(4 * width, 3)(x))  # k3n256s1
    if upsampling == "transposed":
        return layers.Conv2DTranspose(width, 4, 2, padding="same")(x)
    return _conv(width, 3)(UpSampling2D(2, interpolation=upsampling)(x))


def generator(scale: int, channels: int, width: int, blocks: int, upsampling: str) -> keras.Model:
    """SRResNet: low [N, h, w, C] in [-1, 1] -> high [N, scale h, scale w, C] in [-1, 1]."""
    low = keras.Input((None, None, channels))
    x = layers.Rescaling(0.5, 0.5)(low)
    x = first = _prelu()(_conv(width, 9)(x))
    for _ in range(blocks):
        y = _prelu()(_batch_norm()(_conv(width, 3)(x)))
        x = layers.Add()([x, _batch_norm()(_conv(width, 3)(y))])
    x = layers.Add()([first, _batch_norm()(_conv(width, 3)(x))])
    for _ in range(scale.bit_length() - 1):
        x = _prelu()(_doubled(upsampling, width, x))
    x = layers.Activation("tanh")(ImageConv2D(channels, 9, padding="same")(x))
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
