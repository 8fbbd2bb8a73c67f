"""Pillow's bicubic resizing, inside a tf.data pipeline.

Super-resolution is evaluated on low-resolution images from one exact filter: Keys' cubic with
a = -1/2, widened by the factor when shrinking (antialiased), rounded to 8 bits.
"""

import numpy as np
import tensorflow as tf
from PIL import Image

from trainers.data.pixels import to_picture


def resize(images: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """uint8 [N, H, W, C] -> uint8 [N, height, width, C], as Pillow's BICUBIC."""

    def resized(images: np.ndarray) -> np.ndarray:
        pictures = (
            to_picture(image).resize((width, height), Image.Resampling.BICUBIC) for image in images
        )
        return np.stack([np.asarray(picture) for picture in pictures]).reshape(shape)

    count, channels = images.shape[0], images.shape[-1]
    shape = (-1, height, width, channels)
    return tf.ensure_shape(tf.numpy_function(resized, [images], tf.uint8), (count, *shape[1:]))
