"""Images to translate and maps to paint, as a caller has them: arrays, files or their paths."""

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
    data = _file(image, "image")
    if data is not None:
        return data
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or not array.size:
        raise InvalidRequest(
            "image must be uint8 [H, W, C] or [N, H, W, C] and not empty, or the bytes or the path"
            f" of a PNG or JPEG. Received: {array.dtype} {list(array.shape)}"
        )
    return array if array.ndim == 4 else array[None]


def read_map(label_map: Any) -> bytes | np.ndarray:
    """Returns the bytes of a PNG, or maps of classes uint8 [N, H, W].

    Raises:
        InvalidRequest: anything else.
    """
    data = _file(label_map, "label_map")
    if data is not None:
        return data
    array = np.asarray(label_map)
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or not array.size:
        raise InvalidRequest(
            "label_map must be classes uint8 [H, W] or [N, H, W] and not empty, or the bytes or the"
            f" path of a grey PNG. Received: {array.dtype} {list(array.shape)}"
        )
    return array if array.ndim == 3 else array[None]


def _file(given: Any, argument: str) -> bytes | None:
    """The bytes of a PNG or JPEG that is given as bytes or by its path; None of anything else."""
    if isinstance(given, str | os.PathLike):
        name = repr(os.fspath(given))
        try:
            with open(given, "rb") as file:
                data = file.read()
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
    if not data.startswith((_PNG, _JPEG)):
        raise InvalidRequest(
            f"{argument} must be a PNG or a JPEG. Received: {name}, which is neither"
        )
    return data


def size(png: bytes) -> tuple[int, int]:
    """Returns (width, height) of a PNG."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
