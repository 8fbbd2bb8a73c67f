"""Images to the features that a metric compares."""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf
from PIL import Image

from trainers.metrics import mobilenet_v2

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Features:
    """MobileNetV2's 1,280 features of images, in a stream: images pass, features stay.

    Grey becomes RGB, each image is resized by Pillow (bilinear, antialiased where it shrinks, 8
    bits a channel), and then x = (image / 255 - mean) / std with ImageNet's values. Both sides of
    a comparison must come through the same resize: a score depends on it.

    Args:
        resize: side of the square that the network sees, in pixels; at least 32, its total stride.
        batch_size: most images in the network at once.

    Example:
        features = Features(resize=64)
        x = features([images])  # uint8 [N, H, W, C] -> float32 [N, 1280]
    """

    def __init__(self, resize: int = 64, batch_size: int = 128):
        if resize < 32:
            raise ValueError(f"resize must be at least 32 pixels. Received: {resize}.")
        self.resize = resize
        self.batch_size = batch_size
        self._network = mobilenet_v2.pretrained()

    def __call__(self, batches: Iterable[np.ndarray]) -> np.ndarray:
        """The features of every image in the batches, in their order.

        Args:
            batches: uint8 arrays [N, H, W, C], C = 1 or 3; sizes may differ between batches.

        Returns:
            float32 [total N, 1280]; [0, 1280] where nothing came.

        Raises:
            ValueError: a batch of another shape or type.
        """
        parts = [np.empty([0, mobilenet_v2.FEATURES], np.float32)]
        for images in batches:
            if images.ndim != 4 or images.shape[-1] not in (1, 3) or images.dtype != np.uint8:
                raise ValueError(
                    "Images must be uint8 [N, H, W, C] with C = 1 or 3. "
                    f"Received: {images.dtype} {list(images.shape)}."
                )
            for start in range(0, len(images), self.batch_size):
                chunk = [self._resized(i) for i in images[start : start + self.batch_size]]
                parts.append(self._features(np.stack(chunk)).numpy())
        return np.concatenate(parts)

    def _resized(self, image: np.ndarray) -> np.ndarray:
        """uint8 [H, W, C] -> uint8 [resize, resize, 3]."""
        rgb = Image.fromarray(np.repeat(image, 3 // image.shape[-1], axis=-1))
        return np.asarray(rgb.resize((self.resize, self.resize), Image.Resampling.BILINEAR))

    # One trace for every size of batch.
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)], autograph=False)
    def _features(self, images: tf.Tensor) -> tf.Tensor:
        x = (tf.cast(images, tf.float32) / 255.0 - IMAGENET_MEAN) / IMAGENET_STD
        return self._network(x, training=False)
