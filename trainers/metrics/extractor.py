"""Features of images, from one of three networks, two of them bundled."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from trainers.metrics import inception_v3, trunks

MIN_SIZE = 32  # the networks' total stride


IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

NAMES = ("auto", "inception_v3", "mobilenet_v2", "efficientnet_lite0")


@dataclasses.dataclass(frozen=True)
class Network:
    """A frozen feature network.

    Attributes:
        label: Printed with each metric: "KID (MobileNetV2)".
        description: Its name in records.
        sha256: The weights file's sha256.
        model: Normalised float32 [N, resize, resize, 3] -> features float32 [N, dimension]; if
            `classes` is not 0, a pair with class probabilities float32 [N, classes].
        dimension: Features per image (d).
        classes: Number of classes that it predicts; 0 without a classifier.
        resize: Default side of its square input in pixels.
        any_size: Whether other input sizes are possible.
        batch_size: Images per batch.
        normalise: float32 in [0, 255] -> input of the model.
        preprocessing: `normalise` in words, for the record.
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
        name: "mobilenet_v2" or "efficientnet_lite0" (bundled), "inception_v3" (Keras downloads its
            weights if they are not cached), or "auto": InceptionV3 if Keras has its weights
            already, else MobileNetV2. "auto" never downloads, so an evaluation does not depend on
            the internet.

    Raises:
        ValueError: an unknown name, or weights that cannot be downloaded.
    """
    if name not in NAMES:
        raise ValueError(f"A feature network must be one of {', '.join(NAMES)}. Received: {name}.")
    if name == "inception_v3" or (name == "auto" and inception_v3.is_downloaded()):
        return _inception_v3()
    if name == "efficientnet_lite0":
        return _bundled(
            trunks.EFFICIENTNET_LITE0,
            label="EfficientNet-Lite0",
            description="EfficientNet-Lite0 (ImageNet), global average pool",
            normalise=lambda x: (x - 127.0) / 128.0,
            preprocessing="(x - 127) / 128",
        )
    return _bundled(
        trunks.MOBILENET_V2,
        label="MobileNetV2",
        description="MobileNetV2 (torchvision, ImageNet), global average pool",
        normalise=lambda x: (x / 255.0 - IMAGENET_MEAN) / IMAGENET_STD,
        preprocessing="(x / 255 - mean) / std of ImageNet",
    )


def _bundled(trunk: trunks.Trunk, **more: Any) -> Network:
    return Network(
        sha256=trunk.weights_sha256(),
        model=trunk.pretrained(),
        dimension=trunks.FEATURES,
        classes=0,
        resize=64,
        any_size=True,
        batch_size=128,
        **more,
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


class Seen(NamedTuple):
    """The network's outputs for n images: features float32 [n, d] and, with a classifier, class
    probabilities float32 [n, classes]."""

    features: np.ndarray
    probabilities: np.ndarray | None


class Features:
    """Computes a network's features of images, batch by batch.

    Each image is resized by Pillow (bilinear, antialiased if it shrinks, 8 bits per channel), grey
    becomes RGB, and then each network normalises in its own way: MobileNetV2
    x = (image / 255 - mean) / std with ImageNet's values, EfficientNet-Lite0 x = (image - 127) /
    128, InceptionV3 x = image / 127.5 - 1. Both sides of a comparison must come through the same
    resize: a score depends on it.

    Args:
        resize: side of the network's square input in pixels, at least 32; 64 by default. Only 299
            is possible with InceptionV3.
        network: One of `NAMES`; see `load`.

    Example:
        features = Features(resize=64)
        x = features([images])  # uint8 [N, H, W, C] -> float32 [N, 1280]
    """

    def __init__(self, resize: int | None = None, *, network: str = "mobilenet_v2"):
        if resize is not None and resize < MIN_SIZE:
            raise ValueError(f"resize must be at least {MIN_SIZE} pixels. Received: {resize}.")
        self.network = load(network)
        self.resize = resize or self.network.resize
        if self.resize != self.network.resize and not self.network.any_size:
            raise ValueError(
                f"{self.network.label} takes {self.network.resize} pixels. Received: {resize}."
            )
        self.batch_size = self.network.batch_size

    @property
    def dimension(self) -> int:
        """Features per image (d)."""
        return self.network.dimension

    def describe(self) -> dict[str, Any]:
        """The network and its preprocessing, for the record."""
        preprocessing = f"bilinear, antialiased, 8 bits (Pillow); {self.network.preprocessing}"
        return {
            "network": self.network.description,
            "network_sha256": self.network.sha256,
            "resize": self.resize,
            "preprocessing": preprocessing,
        }

    def __call__(self, batches: Iterable[np.ndarray]) -> np.ndarray:
        """The features of every image in the batches, in their order.

        Args:
            batches: uint8 arrays [N, H, W, C], C = 1 or 3; sizes may differ between batches.

        Returns:
            float32 [total N, d]; [0, d] if there are no images.

        Raises:
            ValueError: a batch of another shape or type.
        """
        nothing = np.empty([0, self.dimension], np.float32)
        return np.concatenate([nothing, *(seen.features for seen in self.stream(batches))])

    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[Seen]:
        """As `__call__`, a batch at a time."""
        for images in batches:
            if images.ndim != 4 or images.shape[-1] not in (1, 3) or images.dtype != np.uint8:
                raise ValueError(
                    "Images must be uint8 [N, H, W, C] with C = 1 or 3. "
                    f"Received: {images.dtype} {list(images.shape)}."
                )
            for start in range(0, len(images), self.batch_size):
                chunk = [self._resized(i) for i in images[start : start + self.batch_size]]
                yield self._see(self._seen_uint8(np.stack(chunk)))

    def of_floats(self, images: np.ndarray) -> np.ndarray:
        """Features of images that are not rounded to 8 bits, for differences below one grey level.

        TensorFlow resizes with the same filter; apart from rounding, the features are the same.

        Args:
            images: float [N, H, W, C] in [-1, 1], C = 1 or 3.

        Returns:
            float32 [N, d].
        """
        starts = range(0, len(images), self.batch_size)
        chunks = (tf.cast(images[i : i + self.batch_size], tf.float32) for i in starts)
        return np.concatenate([self._see(self._seen_float(c)).features for c in chunks])

    def _resized(self, image: np.ndarray) -> np.ndarray:
        """uint8 [H, W, C] -> uint8 [resize, resize, C]."""
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        picture = picture.resize((self.resize, self.resize), Image.Resampling.BILINEAR)
        return np.asarray(picture).reshape(self.resize, self.resize, image.shape[-1])

    def _see(self, outputs: Any) -> Seen:
        if self.network.classes:
            return Seen(outputs[0].numpy(), outputs[1].numpy())
        return Seen(outputs.numpy(), None)

    # One trace for all batch sizes.
    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None, None], tf.uint8)], autograph=False
    )
    def _seen_uint8(self, images: tf.Tensor) -> Any:
        return self._run(tf.cast(images, tf.float32))

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None, None], tf.float32)], autograph=False
    )
    def _seen_float(self, images: tf.Tensor) -> Any:
        images = tf.image.resize(images, [self.resize] * 2, "bilinear", antialias=True)
        return self._run((images + 1.0) * 127.5)

    def _run(self, images: tf.Tensor) -> Any:
        """float32 [N, resize, resize, C] in [0, 255], C = 1 or 3 -> outputs of the network."""
        shape = tf.shape(images)
        rgb = tf.broadcast_to(images, tf.concat([shape[:3], [3]], axis=0))
        rgb = tf.ensure_shape(rgb, [None, self.resize, self.resize, 3])
        return self.network.model(self.network.normalise(rgb), training=False)
