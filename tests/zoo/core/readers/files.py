"""Writes checkpoint files byte by byte, good ones and bad ones."""

import io
import pathlib
import struct
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
HEAD = MAGIC + b"\x80\x02M\xe9\x03." + b"\x80\x02}\x8c\x0dlittle_endian\x88s."
STORAGES = {"f4": "FloatStorage", "f2": "HalfStorage", "i8": "LongStorage"}


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value: int) -> bytes:
    data = value.to_bytes(9, "little", signed=True)
    return b"\x8a\x09" + data


def integers(values: Sequence[int]) -> bytes:
    return b"(" + b"".join(map(integer, values)) + b"t"


def name(module: str, name: str) -> bytes:
    return b"c" + f"{module}\n{name}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def tensor(
    key: str,
    count: int,
    shape: Sequence[int],
    strides: Sequence[int],
    offset: int = 0,
    kind: str = "FloatStorage",
    legacy: bool = False,
) -> bytes:
    """What builds a tensor, in a pickle."""
    view = b"N" if legacy else b""
    pid = b"(" + text("storage") + name("torch", kind) + text(key) + text("cuda:0")
    pid += integer(count) + view + b"tQ"
    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    hooks = call(name("collections", "OrderedDict"))
    return call(rebuild, pid, integer(offset), integers(shape), integers(strides), b"\x89", hooks)


def dictionary(items: Mapping[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def pickled(value: bytes) -> bytes:
    return b"\x80\x02" + value + b"."


def zipped(path: pathlib.Path, pickle: bytes, storages: Mapping[str, bytes], **how: int) -> None:
    """A file of PyTorch 1.6 or later."""
    with zipfile.ZipFile(path, "w", **how) as archive:
        archive.writestr("archive/data.pkl", pickle)
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key}", data)


def legacy(pickle: bytes, storages: Mapping[str, tuple[int, bytes]]) -> bytes:
    """The bytes of a file of PyTorch before 1.6; of each storage the count claimed and the data."""
    keys = b"](" + b"".join(map(text, storages)) + b"e"
    out = io.BytesIO()
    out.write(HEAD + pickle + pickled(keys))
    for count, data in storages.values():
        out.write(struct.pack("<q", count) + data)
    return out.getvalue()


def state_dict(path: pathlib.Path, arrays: Mapping[str, np.ndarray], old: bool = False) -> None:
    """A state dict as `torch.save` writes it."""
    items, data = {}, {}
    for i, (key, array) in enumerate(arrays.items()):
        array = np.ascontiguousarray(array).reshape(array.shape)
        kind = STORAGES[array.dtype.str[1:]]
        strides = [s // array.itemsize for s in array.strides]
        items[key] = tensor(str(i), array.size, array.shape, strides, kind=kind, legacy=old)
        data[str(i)] = array.tobytes()
    pickle = pickled(dictionary(items))
    if old:
        sizes = {key: array.size for key, array in zip(data, arrays.values(), strict=True)}
        path.write_bytes(legacy(pickle, {key: (sizes[key], data[key]) for key in data}))
    else:
        zipped(path, pickle, data)
