"""Reads HDF5 as plain arrays: Keras's weights files.

HDF5 can point at other files (external and soft links, external and virtual storage) and claim
arrays that are not there. Both are refused, before an array is read. So are files of a newer format
than h5py writes unless it is asked to, and Keras does not ask: libhdf5 1.14.6, to which TensorFlow
2.21 is bound, crashes on damaged groups of that format (2.0 does not).
"""

import contextlib
import itertools
import math
import pathlib
import struct
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from zoo.core.readers.refusal import CheckpointError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MOST_OBJECTS = 20_000  # groups and arrays
MOST_DEPTH = 32
MOST_TEXT = 1000  # bytes of a name
_VARIABLE = 9  # class of a datatype: texts of any length


def check(path: pathlib.Path) -> list[tuple[int, ...]]:
    """The shapes of all arrays of a file, once each is known to be in it.

    Raises:
        CheckpointError: A link that is not a plain one, an array whose numbers are not all in the
            file, or is no array of numbers, or too many of either.
    """
    with _opened(path) as file:
        return [item.shape for _, item in _arrays(file, path)]


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """All arrays of a file, by the names of their groups: "generator/layers/dense/vars/0".

    Raises:
        CheckpointError: As `check`.
    """
    with _opened(path) as file:
        return {name: np.asarray(item[()]) for name, item in _arrays(file, path)}


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> Iterator[h5py.File]:
    """The file; what HDF5 objects to is an error of the checkpoint's."""
    try:
        with open(path, "rb") as opened:
            start = opened.read(len(SIGNATURE) + 1)
        if start != SIGNATURE + b"\0":
            known = start.startswith(SIGNATURE)
            raise CheckpointError(
                f"{path} must be an HDF5 file of the format that Keras writes, version 0. "
                f"Received: {f'version {start[-1]}' if known else 'none'}."
            )
        with h5py.File(path, "r") as file:
            yield file
    except CheckpointError:
        raise
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} must be a readable HDF5 file. Received: {reason}") from None


def _arrays(file: h5py.File, path: pathlib.Path) -> Iterator[tuple[str, h5py.Dataset]]:
    """(name, array) of each, in the file's order."""
    seen: set[Any] = {_address(file)}
    left = path.stat().st_size
    pending: list[tuple[str, h5py.Group, int]] = [("", file, 0)]
    while pending:
        prefix, group, depth = pending.pop()
        for name in group:
            full = f"{prefix}{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise _refused(path, full, "a link to elsewhere")
            item = group[name]
            address = _address(item)
            if address in seen or depth >= MOST_DEPTH:
                raise _refused(path, full, "a group within itself, or too many groups")
            seen.add(address)
            if len(seen) > MOST_OBJECTS:
                raise _refused(path, full, f"more than {MOST_OBJECTS:,} groups and arrays")
            if isinstance(item, h5py.Group):
                pending.append((f"{full}/", item, depth + 1))
                continue
            if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiub":
                raise _refused(path, full, "something else than numbers")
            if item.external or item.is_virtual:
                raise _refused(path, full, "numbers of another file")
            size = item.size * item.dtype.itemsize if item.shape is not None else 0
            left -= size
            if item.shape is None or item.id.get_storage_size() < size or left < 0:
                raise _refused(path, full, "numbers that are not in the file")
            yield full, item


def _address(item: Any) -> Any:
    info = h5py.h5o.get_info(item.id)
    return info.fileno, info.addr


def _refused(path: pathlib.Path, name: str, what: str) -> CheckpointError:
    return CheckpointError(
        f"Weights in HDF5 must be plain arrays in the file itself. "
        f"Received: {what}, at {name[:100]!r} of {path}."
    )


def read_keras_weights(path: pathlib.Path) -> list[tuple[str, list[np.ndarray]]]:
    """Layers of a Keras 2 weights file, in their order: (name, arrays)."""
    with _opened(path) as file:
        for _ in _arrays(file, path):
            pass
        group = file
        if "layer_names" not in group.attrs and isinstance(group.get("model_weights"), h5py.Group):
            group = group["model_weights"]  # of a whole model
        if "layer_names" not in group.attrs:
            raise CheckpointError(
                f"{path} must be Keras weights, with the attribute layer_names. Received: none."
            )
        return [
            (
                layer,
                [_array(group[layer], name, path) for name in _names(group[layer], "weight", path)],
            )
            for layer in _names(group, "layer", path)
        ]


def _names(group: Any, kind: str, path: pathlib.Path) -> list[str]:
    """The texts of an attribute, which may be missing."""
    attribute = f"{kind}_names"
    if attribute not in group.attrs:
        return []
    found = group.attrs.get_id(attribute)
    if not math.prod(found.shape):
        return []  # of a layer without weights, as numbers
    if found.dtype.kind != "S" and h5py.check_string_dtype(found.dtype) is None:
        raise CheckpointError(f"{attribute} must be texts. Received: {found.dtype}.")
    if math.prod(found.shape) > MOST_OBJECTS or found.dtype.itemsize > MOST_TEXT:
        raise CheckpointError(f"{attribute} must be those of groups in the file.")
    if found.dtype.kind != "S":
        _check_texts(path, attribute)
    names = np.asarray(group.attrs[attribute])
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in names.ravel()]
    if len(names) > MOST_OBJECTS or any(part in name for name in names for part in ("..", "//")):
        raise CheckpointError(f"{attribute} must be those of groups in the file.")
    return names


def _check_texts(path: pathlib.Path, attribute: str) -> None:
    """Refuses texts of any length that are damaged.

    libhdf5 makes room for as many bytes as a text claims, and walks a damaged collection for ever.
    (HDF5 File Format Specification 3.0, IV.A.2.m: an attribute's message is 8 bytes with the sizes
    of what follows, each padded to 8: its name, its type, its shape; then its value. Of a text of
    any length that is its length in 4 bytes, the address of its collection in 8, its number in 4.)
    """
    name = attribute.encode() + b"\0"
    data = path.read_bytes()
    seen: set[int] = set()
    at = data.find(name)
    while at >= 0:
        version, _, *sizes = struct.unpack("<2B3H", data[at - 8 : at])
        ends = itertools.accumulate(-(-size // 8) * 8 for size in sizes)
        type_at, shape_at, value_at = (at + end for end in ends)
        if version != 1 or sizes[0] != len(name):
            raise CheckpointError(f"{path} must hold {attribute} as Keras writes them.")
        if data[type_at] & 15 == _VARIABLE:
            count = min(int.from_bytes(data[shape_at + 8 : shape_at + 16], "little"), MOST_OBJECTS)
            value = data[value_at : value_at + 16 * count]
            for length, address, _ in struct.iter_unpack("<IQI", value[: len(value) // 16 * 16]):
                if length > MOST_TEXT:
                    raise CheckpointError(
                        f"{attribute} of {path} must have at most {MOST_TEXT} bytes each. "
                        f"Received: {length:,}."
                    )
                if address not in seen and not _is_collection(data, address):
                    raise CheckpointError(f"{path} must hold the texts of {attribute}.")
                seen.add(address)
        at = data.find(name, at + 1)


def _is_collection(data: bytes, at: int) -> bool:
    """Whether a collection of texts is whole. (III.E: signature, version, 3 bytes, size; objects.)

    An object is its number in 2 bytes, 6 others, its size in 8, and its bytes, padded to 8. What is
    free has the number 0 and counts those 16 bytes as well.
    """
    if data[at : at + 5] != b"GCOL\x01" or at + 16 > len(data):
        return False
    end = at + int.from_bytes(data[at + 8 : at + 16], "little")
    at += 16
    while at + 16 <= min(end, len(data)):
        number, size = struct.unpack("<H6xQ", data[at : at + 16])
        at += size if number == 0 else 16 + -(-size // 8) * 8
        if number == 0 and size < 16:
            return False
    return at <= end <= len(data)


def _array(group: h5py.Group, name: str, path: pathlib.Path) -> np.ndarray:
    item = group.get(name)
    if not isinstance(item, h5py.Dataset):
        raise CheckpointError(f"{path} must hold the array {name[:100]!r}.")
    return item[()]
