"""Reads safetensors files as plain arrays.

The package of that name checks that the arrays lie within the file and do not overlap. What is left
to us: a header of a size that is parsed at once, and arrays that NumPy has.
"""

import pathlib
import struct

import numpy as np
from safetensors import SafetensorError, safe_open

from zoo.core.readers.refusal import CheckpointError

HEADER_BYTES = 2 << 20  # parsed in a second at most; a thousand arrays have 100 kB
MOST_ARRAYS = 20_000
MOST_AXES = 32
KINDS = ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL")


def check(path: pathlib.Path) -> list[tuple[int, ...]]:
    """The shapes of all arrays of a file, of which nothing but the header is read.

    Raises:
        CheckpointError: A damaged file, or arrays that are not of numbers.
    """
    _check_header(path)
    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            if len(names) > MOST_ARRAYS:
                raise CheckpointError(
                    f"Safetensors must be at most {MOST_ARRAYS:,} arrays. "
                    f"Received: {len(names):,}, in {path}."
                )
            slices = {name: file.get_slice(name) for name in names}
            for name, found in slices.items():
                if found.get_dtype() not in KINDS or len(found.get_shape()) > MOST_AXES:
                    raise CheckpointError(
                        f"Safetensors must be arrays of {', '.join(KINDS)}, of at most "
                        f"{MOST_AXES} axes. Received: {found.get_dtype()} of "
                        f"{len(found.get_shape())} axes, at {name[:100]!r} of {path}."
                    )
            return [tuple(found.get_shape()) for found in slices.values()]
    except SafetensorError as error:
        raise CheckpointError(f"{path} must be a safetensors file. Received: {error}.") from None


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays of a file, by name; bfloat16 becomes float32.

    Raises:
        CheckpointError: As `check`.
    """
    check(path)
    import ml_dtypes  # has NumPy know bfloat16

    found = {}
    with safe_open(path, framework="numpy") as file:
        for name in file.keys():  # noqa: SIM118
            array = file.get_tensor(name)
            wide = array.dtype == ml_dtypes.bfloat16
            found[name] = array.astype(np.float32) if wide else array
    return found


def _check_header(path: pathlib.Path) -> None:
    with open(path, "rb") as file:
        start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if not 2 <= length <= HEADER_BYTES:
        raise CheckpointError(
            f"{path} must be a safetensors file, with a header of at most {HEADER_BYTES:,} bytes. "
            f"Received: a header of {length:,}."
        )
