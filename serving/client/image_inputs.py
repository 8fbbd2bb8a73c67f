"""Images to translate, as a caller has them: arrays, the bytes of a file, or its path."""

import os
from typing import Any

import numpy as np

from serving.errors import InvalidRequest

# Pixels that one request sends. Answers may have sixteen times as many.
PIXELS_AT_A_TIME = 2**20
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"


def read(image: Any) -> bytes | np.ndarray:
    """Returns the bytes of a PNG or JPEG, or uint8 images [N, H, W, C].

    Raises:
        InvalidRequest: anything else.
    """
    if isinstance(image, str | os.PathLike):
        try:
            with open(image, "rb") as file:
                data = file.read()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InvalidRequest(
                f"image must be a file that can be read. Received: {os.fspath(image)!r}: {reason}"
            ) from error
        return _checked(data, repr(os.fspath(image)))
    if isinstance(image, bytes | bytearray | memoryview):
        data = bytes(image)
        return _checked(data, f"{len(data)} bytes")
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or not array.size:
        raise InvalidRequest(
            "image must be uint8 [H, W, C] or [N, H, W, C] and not empty, or the bytes or the path"
            f" of a PNG or JPEG. Received: {array.dtype} {list(array.shape)}"
        )
    return array if array.ndim == 4 else array[None]


def _checked(data: bytes, name: str) -> bytes:
    if not data.startswith((_PNG, _JPEG)):
        raise InvalidRequest(f"image must be a PNG or a JPEG. Received: {name}, which is neither")
    return data


def size(png: bytes) -> tuple[int, int]:
    """Returns (width, height) of a PNG."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
