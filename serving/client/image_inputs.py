"""Images to translate and maps to paint, as a caller has them: arrays, files, their paths, or
pictures of Pillow.

A server reads PNG and JPEG. Where Pillow is installed, other pictures are sent as PNG, upright and
without a loss: their first frame, with alpha, and with 16 bits.
"""

import io
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from serving.client.specs import Signature, to_array
from serving.errors import InvalidRequest

# Pixels that one request sends. Answers may have sixteen times as many.
PIXELS_AT_A_TIME = 2**20
# Pixels of a picture that is converted: no server takes as many.
MAX_PIXELS = 2**26
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_MODES_16 = ("I;16", "I;16L", "I;16B", "I;16N")
_MODES_OF_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_FILES = (bytes, bytearray, memoryview, str, os.PathLike)
_PHOTOMETRIC = 262  # TIFF's tag; of value 0, white is 0


def read(image: Any) -> bytes | np.ndarray:
    """Returns the bytes of a PNG or JPEG, or uint8 images [N, H, W, C].

    Raises:
        InvalidRequest: anything else.
    """
    if is_pillows(image):
        return _converted(image, "image", "a picture of Pillow's")
    data = _file(image, "image", _other_file)
    if data is not None:
        return data
    array = to_array("image", image)
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or not array.size:
        raise InvalidRequest(
            "image must be uint8 [H, W, C] or [N, H, W, C] and not empty, or the bytes or the path"
            f" of a PNG or JPEG. Received: {array.dtype} {list(array.shape)}"
        )
    return array if array.ndim == 4 else array[None]


def is_pillows(image: Any) -> bool:
    """Whether it is an image of Pillow's."""
    module = sys.modules.get("PIL.Image")  # a caller without Pillow has none
    return module is not None and isinstance(image, module.Image)


def must_be_files(images: np.ndarray, signature: Signature | None) -> bool:
    """Whether images [N, H, W, C] have other channels than a signature takes.

    As files they can be converted: grey and colour into each other, and alpha as the model needs.
    """
    spec = signature and signature.inputs.get("images")
    takes = spec.shape[-1] if spec and spec.shape else None
    given = images.shape[-1]
    return given != takes and takes in (1, 3, 4) and given in (1, 2, 3, 4)


def to_files(images: np.ndarray) -> list[bytes]:
    """A PNG of each of images uint8 [N, H, W, C], C from 1 to 4.

    Raises:
        InvalidRequest: Pillow is missing.
    """
    try:
        from PIL import Image
    except ImportError:
        raise InvalidRequest(
            "image must have the channels of the model, unless Pillow is installed (pip install"
            f" pillow). Received: {images.shape[-1]} channels"
        ) from None
    squeezed = images[..., 0] if images.shape[-1] == 1 else images
    return [_png(Image.fromarray(image)) for image in squeezed]


def from_file(png: bytes, like: Any) -> Any:
    """A PNG that came back, in the form in which the image was given."""
    if isinstance(like, _FILES):
        return png
    from PIL import Image

    made = Image.open(io.BytesIO(png))
    made.load()
    if is_pillows(like):
        return made
    array = np.asarray(made)
    return array if array.ndim == 3 else array[..., None]


def _other_file(data: bytes, name: str, argument: str) -> bytes:
    """Another file than PNG and JPEG, as PNG."""
    try:
        from PIL import Image
    except ImportError:
        raise InvalidRequest(
            f"{argument} must be a PNG or a JPEG, unless Pillow is installed (pip install pillow)."
            f" Received: {name}, which is neither"
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise InvalidRequest(f"{argument} must be smaller. Received: {name}: {error}") from None
    except Exception:  # Pillow's errors share no base class
        raise InvalidRequest(
            f"{argument} must be a PNG, a JPEG or another picture that Pillow reads."
            f" Received: {name}, which is none"
        ) from None
    return _converted(image, argument, name)


def _converted(image: Any, argument: str, name: str) -> bytes:
    """A picture of Pillow's -> PNG."""
    from PIL import Image, ImageOps

    if image.width * image.height > MAX_PIXELS:
        raise InvalidRequest(
            f"{argument} must have at most {MAX_PIXELS} pixels. Received: {name} of"
            f" {image.width} x {image.height}"
        )
    try:
        _ = getattr(image, "n_frames", 1)  # finds an animation that is cut off
        image.load()
        white_is_zero = getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0
        # As unsigned numbers of 16 bits.
        wide = image.mode in _MODES_16 or (image.mode == "I" and image.format == "PPM")
        if image.mode in ("I", "F") and not wide:
            raise InvalidRequest(
                f"{argument} must have 8 or 16 bits a channel."
                f" Received: {name} of Pillow's mode {image.mode!r}"
            )
        try:
            image = ImageOps.exif_transpose(image)
        except Exception:  # a damaged orientation says nothing
            image = image.copy()
        if wide:
            grey = np.asarray(image).astype(np.uint16)
            image = Image.fromarray(~grey if white_is_zero else grey)
        elif image.mode not in _MODES_OF_PNG:
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        return _png(image)
    except InvalidRequest:
        raise
    except Exception as error:  # a broken file makes Pillow raise nearly anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InvalidRequest(
            f"{argument} must be a whole file. Received: {name}: {reason}"
        ) from error


def _png(image: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def read_map(label_map: Any) -> bytes | np.ndarray:
    """Returns the bytes of a PNG, or maps of classes uint8 [N, H, W].

    Raises:
        InvalidRequest: anything else.
    """
    data = _file(label_map, "label_map", _no_map)
    if data is not None:
        return data
    array = to_array("label_map", label_map)
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or not array.size:
        raise InvalidRequest(
            "label_map must be classes uint8 [H, W] or [N, H, W] and not empty, or the bytes or the"
            f" path of a grey PNG. Received: {array.dtype} {list(array.shape)}"
        )
    return array if array.ndim == 3 else array[None]


def _no_map(data: bytes, name: str, argument: str) -> bytes:
    raise InvalidRequest(f"{argument} must be a PNG of 8-bit grey. Received: {name}, which is none")


def _file(given: Any, argument: str, other: Callable[[bytes, str, str], bytes]) -> bytes | None:
    """The bytes of a PNG or JPEG that is given as bytes or by its path; None of what is no file.

    `other` makes such bytes of those of another file, its name and the argument.
    """
    if isinstance(given, str | os.PathLike):
        name = repr(os.fspath(given))
        try:
            with open(given, "rb") as file:
                data = file.read()
        except FileNotFoundError as error:
            raise InvalidRequest(
                f"{argument} must be a file that can be read. Received: {name}, which does not"
                " exist"
            ) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InvalidRequest(
                f"{argument} must be a file that can be read. Received: {name}: {reason}"
            ) from error
    elif isinstance(given, bytes | bytearray | memoryview):
        data = bytes(given)
        name = f"{len(data)} bytes"
    else:
        return None
    return data if data.startswith((_PNG, _JPEG)) else other(data, name, argument)


def size(png: bytes) -> tuple[int, int]:
    """Returns (width, height) of a PNG."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
