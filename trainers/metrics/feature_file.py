"""Features on disk: written as they come, read in slices, so that memory does not hold them.

The file is a `.npy` (`np.load` reads it) with the sha256 of its rows and header as 32 more bytes.
"""

import hashlib
import io
import os
import pathlib
from typing import Any, BinaryIO

import numpy as np

_TYPE = np.dtype("<f4")
_BUFFER = 1 << 20


class FeatureFile:
    """float32 [N, d] on disk. Slices of rows are views; `np.asarray(file[a:b])` reads them.

    Args:
        path: what `FeatureWriter` wrote.

    Raises:
        ValueError: not such a file.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = pathlib.Path(path)
        with open(self.path, "rb") as file:
            self.shape, self._offset = _read_header(file)
        self._start = 0

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: slice) -> "FeatureFile":
        start, stop, step = index.indices(len(self))
        if step != 1:
            raise ValueError(f"Rows are read in order, one by one. Received: step {step}.")
        view = object.__new__(FeatureFile)
        view.path, view._offset = self.path, self._offset
        view.shape = (max(stop - start, 0), self.shape[1])
        view._start = self._start + start
        return view

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("What is read from a file is a copy. Received: copy=False.")
        rows, d = self.shape
        flat = np.fromfile(
            self.path, _TYPE, rows * d, offset=self._offset + self._start * d * _TYPE.itemsize
        )
        return flat.reshape(rows, d).astype(dtype or np.float32, copy=False)


class FeatureWriter:
    """Writes features to a file as they come.

    Args:
        path: the file; whatever is there is overwritten.
        dimension: d.

    Example:
        with FeatureWriter(path, 1280) as writer:
            writer.append(features)  # float32 [n, 1280]
        file = FeatureFile(path)
    """

    def __init__(self, path: str | os.PathLike, dimension: int) -> None:
        self._dimension = dimension
        self._count = 0
        self._digest = hashlib.sha256()
        self._file = open(path, "wb")  # noqa: SIM115, closed by __exit__
        self._file.write(_header(0, dimension))

    def __enter__(self) -> "FeatureWriter":
        return self

    def append(self, features: np.ndarray) -> None:
        """Takes float [n, d]."""
        if features.ndim != 2 or features.shape[1] != self._dimension:
            raise ValueError(
                f"Features must be [n, {self._dimension}]. Received: {list(features.shape)}."
            )
        data = np.ascontiguousarray(features, _TYPE).tobytes()
        self._digest.update(data)
        self._file.write(data)
        self._count += len(features)

    def __exit__(self, kind: Any, *_: Any) -> None:
        with self._file as file:
            if kind is not None:
                return  # no checksum: `is_intact` tells that it is unfinished
            header = _header(self._count, self._dimension)
            self._digest.update(header)
            file.write(self._digest.digest())
            file.seek(0)  # numpy leaves room for N to grow: the header is as long as the first
            file.write(header)


def is_intact(path: str | os.PathLike) -> bool:
    """Whether a file is what a `FeatureWriter` finished, to the byte."""
    try:
        with open(path, "rb") as file:
            (rows, d), offset = _read_header(file)
            left = rows * d * _TYPE.itemsize
            digest = hashlib.sha256()
            while left and (data := file.read(min(left, _BUFFER))):
                digest.update(data)
                left -= len(data)
            digest.update(_header(rows, d))
            return not left and file.read() == digest.digest() and offset == len(_header(rows, d))
    except (OSError, ValueError):
        return False


def _header(rows: int, d: int) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": _TYPE.str, "fortran_order": False, "shape": (rows, d)}
    )
    return buffer.getvalue()


def _read_header(file: BinaryIO) -> tuple[tuple[int, int], int]:
    """((N, d), bytes before the first row)."""
    try:
        np.lib.format.read_magic(file)
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    except Exception as error:  # numpy parses the header with Python's tokenizer
        raise ValueError(
            f"A feature file begins as a .npy file does. Received: {error}."
        ) from error
    if len(shape) != 2 or fortran_order or dtype != _TYPE:
        raise ValueError(f"A feature file holds float32 [N, d]. Received: {dtype} {shape}.")
    return shape, file.tell()
