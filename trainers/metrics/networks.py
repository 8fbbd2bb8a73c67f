"""The networks whose features are compared: InceptionV3 where its weights are, else MobileNetV2."""

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from trainers.metrics import inception_v3, mobilenet_v2

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

NAMES = ("auto", "inception_v3", "mobilenet_v2")


@dataclasses.dataclass(frozen=True)
class Network:
    """A frozen feature network.

    Attributes:
        label: What a metric on it is printed with: "KID (MobileNetV2)".
        description: What a record calls it.
        sha256: Of the weights file.
        model: float32 [N, resize, resize, 3], normalised -> features float32 [N, dimension], and
            class probabilities float32 [N, classes] where `classes` is not 0, as a pair.
        dimension: Features an image (d).
        classes: Classes that it predicts; 0 without its classifier.
        resize: Side of the square that it sees, in pixels, unless another is asked for.
        any_size: Whether another can be.
        batch_size: Images at once.
        normalise: float32 in [0, 255] -> what the model takes.
        preprocessing: The same in words, for the record.
    """

    label: str
    description: str
    sha256: str
    model: keras.Model
    dimension: int
    classes: int
    resize: int
    any_size: bool
    batch_size: int
    normalise: Callable[[tf.Tensor], tf.Tensor]
    preprocessing: str


def load(name: str = "auto") -> Network:
    """Builds a feature network with its pretrained weights.

    Args:
        name: "mobilenet_v2" (bundled), "inception_v3" (Keras downloads its weights where it has
            not done so yet), or "auto": InceptionV3 if Keras has its weights already, else
            MobileNetV2. "auto" never downloads, so an evaluation does not wait for a network.

    Raises:
        ValueError: an unknown name, or weights that cannot be had.
    """
    if name not in NAMES:
        raise ValueError(f"A feature network must be one of {', '.join(NAMES)}. Received: {name}.")
    if name == "inception_v3" or (name == "auto" and inception_v3.is_downloaded()):
        return _inception_v3()
    return _mobilenet_v2()


def _mobilenet_v2() -> Network:
    return Network(
        label="MobileNetV2",
        description=mobilenet_v2.NAME,
        sha256=mobilenet_v2.weights_sha256(),
        model=mobilenet_v2.pretrained(),
        dimension=mobilenet_v2.FEATURES,
        classes=0,
        resize=64,
        any_size=True,
        batch_size=128,
        normalise=lambda x: (x / 255.0 - IMAGENET_MEAN) / IMAGENET_STD,
        preprocessing="(x / 255 - mean) / std of ImageNet",
    )


def _inception_v3() -> Network:
    path = inception_v3.weights_path()
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Network(
        label="Keras InceptionV3",
        description=inception_v3.NAME,
        sha256=sha256,
        model=inception_v3.pretrained(path),
        dimension=inception_v3.FEATURES,
        classes=inception_v3.CLASSES,
        resize=inception_v3.SIZE,
        any_size=False,
        batch_size=32,
        normalise=inception_v3.normalise,
        preprocessing="x / 127.5 - 1",
    )


def describe(network: Network, resize: int) -> dict[str, Any]:
    """What a record states of the network and of what it sees."""
    return {
        "network": network.description,
        "network_sha256": network.sha256,
        "resize": resize,
        "preprocessing": f"bilinear, antialiased, 8 bits (Pillow); {network.preprocessing}",
    }
