"""Picture files to pixels of 8 bits, alike for training and for translation.

file                                     pixels
grey, palette, CMYK, YCbCr, Lab          RGB
16 bits a channel                        the upper 8 bits
EXIF's orientation                       upright
an animation, several pages              the first
32 bits or floats a channel, 12 bits     refused, in one line
  in a file of 16, a damaged file
"""

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from zoo.pictures import PictureError, exif, png

JPEG = b"\xff\xd8\xff"
_MODES_16 = ("I;16", "I;16L", "I;16B", "I;16N")
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # TIFF's tags
# Files whose 16 bits Pillow reads as 32, over the whole range of 16.
_GREY_16_AS_32 = ("PPM",)


@contextlib.contextmanager
def opened(path: str | os.PathLike, check_size: Callable[[int, int], Any]) -> Iterator[Image.Image]:
    """A picture file of which only the head has been read.

    Args:
        path: Of any format that Pillow reads.
        check_size: Called with width and height; raises if they are too large.

    Raises:
        PictureError: Not a picture.
    """
    try:
        image = Image.open(path)
    except Image.DecompressionBombError as error:
        for pixels in re.findall(r"\((\d+) pixels\)", str(error)):
            check_size(int(pixels), 1)
        raise  # so many are above every limit
    except Exception as error:  # Pillow's errors share no base class
        received = getattr(error, "strerror", None) or "a file of another kind"
        raise PictureError(
            f"A picture must be a PNG, a JPEG or another file that Pillow reads. "
            f"Received: {received}."
        ) from None
    with image:
        check_size(*image.size)
        yield image


def size(image: Image.Image) -> tuple[int, int]:
    """Height and width of a file that `opened` gave, once it is upright."""
    width, height = image.size
    return (width, height) if _orientation(image) >= 5 else (height, width)


def decoded(image: Image.Image) -> tuple[Image.Image, int]:
    """All pixels of a file that `opened` gave, upright: of mode L, LA, RGB or RGBA.

    Returns:
        (the picture, how many frames or pages the file has).

    Raises:
        PictureError: A damaged or truncated file, or another number of bits.
    """
    data = _bytes(image)
    try:
        orientation = _orientation(image)
        frames = getattr(image, "n_frames", 1)
        pixels = _of_png(data) if data.startswith(png.MAGIC) else _by_pillow(image, data)
    except PictureError:
        raise
    except Exception as error:  # a broken file makes Pillow raise nearly anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(
            f"A picture must be a whole file. Received: {reason.rstrip('.')}."
        ) from None
    # The second picture of a camera's MPO is a preview.
    return _turned(pixels, orientation), 1 if image.format == "MPO" else frames


def on_white(image: Image.Image, channels: int) -> Image.Image:
    """What a model sees of a `decoded` picture: grey (1 channel) or RGB (3), without alpha.

    As `zoo.pictures.transparency.on_white`. Grey is the luma of Rec. 601.
    """
    if image.mode in ("LA", "RGBA"):
        alpha = image.getchannel("A")
        image = image.convert(image.mode[:-1])
        image = Image.composite(image, Image.new(image.mode, image.size, "white"), alpha)
    mode = "RGB" if channels == 3 else "L"
    return image if image.mode == mode else image.convert(mode)


def _bytes(image: Any) -> bytes:
    """The whole file, if it is one of those that TensorFlow reads, too; else nothing."""
    image.fp.seek(0)
    start = image.fp.read(len(png.MAGIC))
    image.fp.seek(0)
    return image.fp.read() if start.startswith((png.MAGIC, JPEG)) else b""


def _orientation(image: Image.Image) -> int:
    data = _bytes(image)
    if data:
        return int(_exif()(data, data.startswith(png.MAGIC)))
    if image.format == "TIFF":  # Pillow turns these by itself
        return 1
    try:
        value = image.getexif().get(exif.ORIENTATION, 1)
    except Exception:  # a damaged one says nothing
        return 1
    return value if value in range(1, 9) else 1


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    if orientation == 1:
        return image
    marked = Image.Exif()
    marked[exif.ORIENTATION] = orientation
    image.info = {"exif": marked.tobytes()}
    return ImageOps.exif_transpose(image)


def _of_png(data: bytes) -> Image.Image:
    try:
        pixels, has_alpha = (part.numpy() for part in _png()(data))
    except tf.errors.InvalidArgumentError as error:
        told = re.search(re.escape(png.BITS_RULE) + r"\d+\.", str(error))
        if told:
            raise PictureError(told[0]) from None
        raise PictureError(
            "A picture must be a whole file. Received: a damaged or truncated PNG."
        ) from None
    return Image.fromarray(pixels if has_alpha else np.ascontiguousarray(pixels[..., :3]))


def _by_pillow(image: Image.Image, data: bytes) -> Image.Image:
    if data and image.mode == "CMYK" and int(_adobe()(data)) < 0:
        raise PictureError(exif.CMYK_RULE)
    image.load()
    bits = _bits(image)
    few = 2**png.FEWEST_BITS
    if image.mode in _MODES_16 or (image.mode == "I" and image.format in _GREY_16_AS_32):
        values = np.asarray(image)
        if bits == 16 and 0 < values.max() < few:
            raise PictureError(f"{png.BITS_RULE}{values.max()}.")
        grey = (values >> (bits - 8)).astype(np.uint8)
        return Image.fromarray(~grey if _white_is_zero(image) else grey)
    if image.mode in ("I", "F"):
        raise PictureError(
            f"A picture must have 8 or 16 bits a channel. Received: Pillow's mode {image.mode!r}."
        )
    modes = ("L", "LA", "RGB", "RGBA")
    kept = image.mode in modes and "transparency" not in image.info
    pixels = image.copy() if kept else image.convert(modes[2 + image.has_transparency_data])
    if image.format == "TIFF" and bits == 16:
        largest = 256 * int(np.asarray(pixels.convert("RGB")).max())
        if 0 < largest < few:
            raise PictureError(f"{png.BITS_RULE}{largest + 255} at most.")
    return pixels


def _bits(image: Any) -> int:
    """Bits of a channel in the file: of a TIFF as it says, otherwise 16."""
    if image.format != "TIFF":
        return 16
    bits = image.tag_v2.get(_BITS_PER_SAMPLE, (1,))
    return max(bits if isinstance(bits, tuple) else (bits,))


def _white_is_zero(image: Any) -> bool:
    """Of 16 bits, which Pillow does not turn into black as 0."""
    return image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == 0


@functools.cache
def _png() -> Any:
    return tf.function(png.decode, [tf.TensorSpec([], tf.string)], autograph=False)


@functools.cache
def _exif() -> Any:
    spec = [tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.bool)]
    return tf.function(exif.orientation, spec, autograph=False)


@functools.cache
def _adobe() -> Any:
    def find(data: tf.Tensor) -> tf.Tensor:
        return exif.segment(data, *exif.ADOBE)

    return tf.function(find, [tf.TensorSpec([], tf.string)], autograph=False)
