"""Converts images of any size and mode to pixels of one size."""

import shutil
import tempfile

import numpy as np
from PIL import Image

from trainers.data import DataError

# Decoded pixels up to this size are held in memory; larger sets go to a temporary file.
MAX_IN_MEMORY_BYTES = 2 * 1024**3


def allocate(count: int, resolution: int, channels: int) -> np.ndarray:
    """Allocates an array for a decoded set: uint8 [count, resolution, resolution, channels].

    See `allocate_flat`.
    """
    size = count * resolution * resolution * channels
    what = f"{count} images of {resolution}x{resolution}x{channels}"
    return allocate_flat(size, what).reshape(count, resolution, resolution, channels)


def allocate_flat(size: int, what: str) -> np.ndarray:
    """Allocates an array of `size` values: uint8 [size].

    Above `MAX_IN_MEMORY_BYTES` it is a memory-mapped file in the temporary folder (TMPDIR), which
    disappears with the process: a later run decodes the set again.

    Args:
        size: Number of bytes.
        what: What the array is for, for the error message.

    Raises:
        DataError: if the temporary folder has too little space.
    """
    if size <= MAX_IN_MEMORY_BYTES:
        return np.empty(size, np.uint8)
    folder = tempfile.gettempdir()
    # Check first: writing to a mapped file on a full disk kills the process.
    free = shutil.disk_usage(folder).free
    if free < size:
        raise DataError(
            f"{what} need {size / 1e9:.1f} GB of temporary space, and '{folder}' has "
            f"{free / 1e9:.1f} GB: point TMPDIR at a larger disk, or use a part of the set, for "
            "example split='train[:100000]'."
        )
    return np.memmap(tempfile.TemporaryFile(), np.uint8, "w+", shape=(size,))


def to_square(image: Image.Image, resolution: int, channels: int) -> np.ndarray:
    """Returns uint8 [resolution, resolution, channels] from an 8-bit image of any size.

    The shorter side is resized to `resolution` (bilinear, antialiased), then the centre is cropped.
    Transparent pixels are composited on white first, so that their hidden colours do not bleed in.
    """
    from zoo.pictures import decoder  # imports TensorFlow, which checking names does not need

    image = decoder.on_white(image, channels)
    if image.size != (resolution, resolution):
        width, height = image.size
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        image = image.resize(
            (resolution, resolution),
            Image.Resampling.BILINEAR,
            box=(left, top, left + side, top + side),
        )
    return np.asarray(image, np.uint8).reshape(resolution, resolution, channels)


def to_picture(image: np.ndarray) -> Image.Image:
    """Returns a Pillow image from uint8 [H, W, 1, 3 or 4 (RGBA)]."""
    return Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image)


def from_array(image: np.ndarray, resolution: int, channels: int) -> np.ndarray:
    """Returns uint8 [resolution, resolution, channels] from uint8 [H, W, 1, 3 or 4 (RGBA)]."""
    if image.shape == (resolution, resolution, channels):
        return image
    return to_square(to_picture(image), resolution, channels)
