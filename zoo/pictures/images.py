"""Images at the edges: [-1, 1] to uint8, grids, PNG."""

import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from zoo.core.storage import expanded, whole_file
from zoo.pictures import marks

if TYPE_CHECKING:
    from zoo.pictures.credentials import Signer

# .299, .587 and .114 in units of 1 / 65,536.
LUMA = np.array([19595, 38470, 7471], np.int32)


def to_uint8(images: tf.Tensor) -> tf.Tensor:
    """float [..., H, W, C] in [-1, 1] -> uint8 of the same shape, rounded to the nearest level."""
    return tf.cast(tf.round(tf.clip_by_value((images + 1.0) * 127.5, 0.0, 255.0)), tf.uint8)


def from_uint8(images: tf.Tensor) -> tf.Tensor:
    """uint8 -> f32 of the same shape in [-1, 1]."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def like(image: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """uint8 [h, w, c] -> uint8 [H, W, C], to be shown next to others on a sheet.

    A smaller image is enlarged without smoothing. Grey becomes colour, colour becomes grey if C is
    1, and channels beyond the third are omitted.
    """
    height, width, channels = shape
    image = image.repeat(height // image.shape[0], axis=0).repeat(width // image.shape[1], axis=1)
    if image.shape[-1] < channels:
        return np.broadcast_to(image[..., :1], shape)
    if channels == 1 and image.shape[-1] >= 3:
        return luma(image[..., :3])
    return image[..., :channels]


def luma(images: Any) -> Any:
    """Luma of Rec. 601 in Pillow's integers: uint8 [..., 3] -> uint8 [..., 1], array or tensor.

    TensorFlow's own truncates floats, and is a level darker at a fifth of the pixels.
    """
    if isinstance(images, np.ndarray):
        return ((images @ LUMA + 0x8000) // 0x10000).astype(np.uint8)[..., None]
    weighted = tf.cast(images, tf.int32) * LUMA
    return tf.cast((tf.reduce_sum(weighted, -1, keepdims=True) + 0x8000) // 0x10000, tf.uint8)


def grid(images: np.ndarray, columns: int | None = None, border: int = 2) -> np.ndarray:
    """Lays images out row by row on white.

    Args:
        images: uint8 [N, H, W, C].
        columns: Images in a row; by default as square a grid as N allows.
        border: Pixels between images and around them.

    Returns:
        uint8 [rows * (H + border) + border, columns * (W + border) + border, C].
    """
    if images.ndim != 4 or images.dtype != np.uint8 or len(images) == 0:
        raise ValueError(
            f"A grid needs uint8 images [N, H, W, C], N >= 1. Received: {images.dtype} "
            f"{list(images.shape)}."
        )
    count, height, width, channels = images.shape
    columns = min(columns or int(np.ceil(np.sqrt(count))), count)
    rows = -(-count // columns)
    sheet = np.full(
        (rows * (height + border) + border, columns * (width + border) + border, channels),
        255,
        np.uint8,
    )
    for i, image in enumerate(images):
        top = border + (i // columns) * (height + border)
        left = border + (i % columns) * (width + border)
        sheet[top : top + height, left : left + width] = image
    return sheet


def encode_png(image: np.ndarray, mark: marks.Mark | None = None) -> bytes:
    """uint8 [H, W, C] -> the bytes of a PNG; C is 1, 3 or 4.

    Args:
        image: The pixels.
        mark: What the file says of its origin, such as `gan.mark`; None of what no model made.
    """
    png = tf.io.encode_png(image).numpy()
    return mark.to_png(png) if mark else png


def write_png(
    path: str | pathlib.Path,
    image: np.ndarray,
    mark: marks.Mark | None = None,
    signer: "Signer | None" = None,
) -> None:
    """Writes the PNG of `encode_png`, completely or not at all; creates its folder if needed.

    A `signer` (`zoo.pictures.credentials`) also signs the mark.
    """
    with whole_file(expanded(path)) as fresh:
        fresh.write_bytes(encode_png(image, mark))
        if signer and mark:
            signer.sign(fresh, mark)
