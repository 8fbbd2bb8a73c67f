"""MobileNetV2's feature trunk, as torchvision builds it, with its ImageNet weights.

Reference: Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", table 2.

The weights are torchvision's own (`IMAGENET1K_V1`; BSD-3, see LICENSE.torchvision.txt), converted
by `convert_mobilenet_v2.py`: kernels rounded to float16, batch-norm vectors in float32, because a
variance of 1e-14 has no float16. keras.applications.MobileNetV2 could not load them: it pads
stride-2 convolutions on one side only, and its batch norm has another epsilon.
"""

import hashlib
from importlib import resources
from importlib.resources.abc import Traversable

import keras

from trainers.metrics import inference_weights

NAME = "MobileNetV2 (torchvision, ImageNet), global average pool"
FEATURES = 1280
EPSILON = 1e-5  # of torch's batch norm

# The paper's t (expansion), c (channels out), n (repeats), s (stride of the first).
BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def build(*, folded: bool = False) -> keras.Model:
    """Builds the trunk with random weights.

    Layers carry torchvision's names, so that a weight is found by its name.

    Args:
        folded: without batch norm, whose place a bias takes: a layer "a-b" stands for the
            convolution "a" and the norm "b". 1.7 times as fast on a CPU.

    Returns:
        A model from images float32 [N, H, W, 3], normalised with ImageNet's mean and standard
        deviation, to features float32 [N, 1280]. H and W are free.
    """
    images = keras.Input((None, None, 3), dtype="float32")
    x = _conv_norm(images, "features.0.0", "features.0.1", 32, folded, size=3, stride=2)
    index = 1
    for expansion, channels, repeats, first_stride in BLOCKS:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            name = f"features.{index}.conv"
            x = _inverted_residual(x, name, expansion, channels, stride, folded)
            index += 1
    x = _conv_norm(x, f"features.{index}.0", f"features.{index}.1", FEATURES, folded)
    features = keras.layers.GlobalAveragePooling2D(data_format="channels_last", dtype="float32")(x)
    return keras.Model(images, features, name="mobilenet_v2")


def pretrained() -> keras.Model:
    """Builds the trunk with the bundled ImageNet weights, frozen and folded.

    Returns:
        The model of `build(folded=True)`.

    Raises:
        ValueError: the weights file does not fit the network.
    """
    model = build(folded=True)
    inference_weights.set_weights(model, weights_file(), EPSILON)
    model.trainable = False
    return model


def weights_sha256() -> str:
    """Returns the sha256 of the bundled weights file: a score is tied to exactly these weights."""
    return hashlib.sha256(weights_file().read_bytes()).hexdigest()


def weights_file() -> Traversable:
    """Where the bundled weights are: numpy arrays named `layer/variable`, no pickle."""
    return resources.files(__package__) / "mobilenet_v2.weights.npz"


def _inverted_residual(x, name: str, expansion: int, channels: int, stride: int, folded: bool):
    """Expand by 1x1, filter by 3x3 depthwise, project by 1x1 without an activation; add x."""
    y, part = x, 0
    if expansion != 1:
        y = _conv_norm(y, f"{name}.0.0", f"{name}.0.1", expansion * x.shape[-1], folded)
        part = 1
    y = _conv_norm(y, f"{name}.{part}.0", f"{name}.{part}.1", None, folded, size=3, stride=stride)
    y = _conv_norm(y, f"{name}.{part + 1}", f"{name}.{part + 2}", channels, folded, relu6=False)
    if stride == 1 and channels == x.shape[-1]:
        y = keras.layers.Add(dtype="float32")([x, y])
    return y


def _conv_norm(
    x, conv_name, norm_name, filters: int | None, folded: bool, *, size=1, stride=1, relu6=True
):
    """Convolution (depthwise where `filters` is None), batch norm, ReLU6."""
    # float32 by name: a global mixed-precision policy must not change a measure.
    common = {"data_format": "channels_last", "dtype": "float32"}
    if size == 3:  # torch's padding=1; "same" would pad stride 2 on the right and bottom only
        x = keras.layers.ZeroPadding2D(1, **common)(x)
    name = f"{conv_name}-{norm_name}" if folded else conv_name
    options = {"strides": stride, "use_bias": folded, "name": name, **common}
    if filters is None:
        x = keras.layers.DepthwiseConv2D(size, **options)(x)
    else:
        x = keras.layers.Conv2D(filters, size, **options)(x)
    if not folded:
        x = keras.layers.BatchNormalization(
            axis=-1, epsilon=EPSILON, name=norm_name, dtype="float32"
        )(x)
    return keras.layers.ReLU(max_value=6.0, dtype="float32")(x) if relu6 else x
