"""Reads what `torch.save` writes, as plain data and without PyTorch.

Since 1.6 that is a zip file whose entries are stored as they are: `data.pkl`, and `data/KEY` for
each storage. Before, it was four pickles (a magic number, a version, the machine, the object), a
list of keys and then the storages.
"""

import io
import pathlib
import struct
import zipfile
from typing import Any, BinaryIO

from zoo.core.readers.pickles import Source, Storage, Unpickler, items_of, key_of
from zoo.core.readers.refusal import CheckpointError

NUMBER = 0x1950A86A20F9469CFC6C
MAGIC = b"\x80\x02\x8a\x0a" + NUMBER.to_bytes(10, "little")
MOST_ENTRIES = 100_000


def read_zip(path: pathlib.Path) -> Any:
    """The object in a file of PyTorch 1.6 or later."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _from_archive(archive, path)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise CheckpointError(f"{path} must be a whole zip file. Received: {error}") from None


def _from_archive(archive: zipfile.ZipFile, path: pathlib.Path) -> Any:
    entries = {entry.filename: entry for entry in archive.infolist()}
    (pickled, *others) = [name for name in entries if name.endswith("/data.pkl")] or [None]
    if pickled is None or others:
        raise CheckpointError(
            f"{path} must be a file of torch.save, with one data.pkl. "
            f"Received: {'several' if others else 'a zip file without'}."
        )
    used = [
        entry
        for name, entry in entries.items()
        if name == pickled or name.startswith(pickled.removesuffix("data.pkl") + "data/")
    ]
    size = path.stat().st_size
    if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in used) > size:
        raise CheckpointError(f"{path} must hold as much as its entries claim.")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in used):
        raise CheckpointError(f"The entries of {path} must not be compressed, as in torch.save.")
    root = pickled.removesuffix("data.pkl")
    order = entries.get(f"{root}byteorder")
    if order is not None and (order.file_size > 8 or archive.read(order) != b"little"):
        raise CheckpointError(f"{path} must be little-endian.")

    storages: dict[str, Storage] = {}

    def storage(kind: str, key: str, count: int, view: Any) -> Storage:
        if key not in storages:
            found = Storage(kind, count)
            entry = entries.get(f"{root}data/{key}")
            if entry is None or entry.file_size < found.nbytes:
                raise CheckpointError(f"Storage {key[:100]!r} of {path} must be in the file.")
            found.fetch = lambda: _entry(path, entry)
            storages[key] = found
        return _same(storages[key], kind, count)

    data = archive.read(entries[pickled])
    return Unpickler(Source(io.BytesIO(data), len(data)), storage).load()


def _entry(path: pathlib.Path, entry: zipfile.ZipInfo) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(entry)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise CheckpointError(f"{path} must be a whole zip file. Received: {error}") from None


def read_legacy(path: pathlib.Path) -> Any:
    """The object in a file of PyTorch before 1.6."""
    with open(path, "rb") as file:
        return legacy(file, path.stat().st_size)


def legacy(file: BinaryIO, size: int) -> Any:
    """The object in a file of PyTorch before 1.6, or in such bytes within a pickle."""
    source = Source(file, size)
    if Unpickler(source).load() != NUMBER:
        raise CheckpointError("A PyTorch file must begin with its magic number.")
    Unpickler(source).load()
    machine = Unpickler(source).load()
    if not isinstance(machine, dict) or machine.get("little_endian", True) is not True:
        raise CheckpointError("A PyTorch file must be little-endian.")

    storages: dict[str, Storage] = {}
    views: dict[str, Storage] = {}

    def storage(kind: str, key: str, count: int, view: Any) -> Storage:
        root = storages.setdefault(key, Storage(kind, count))
        root = _same(root, kind, count)
        if view is None:
            return root
        name, offset, length = items_of(view, 3)
        if type(offset) is not int or type(length) is not int or not 0 <= offset <= offset + length:
            raise CheckpointError("A view of a storage must be a part of it.")
        if offset + length > root.count:
            raise CheckpointError("A view of a storage must be a part of it.")
        name = key_of(name)
        if name not in views:
            part = Storage(kind, length)
            first = offset * part.dtype.itemsize
            part.fetch = lambda: memoryview(root.fetch())[first : first + part.nbytes]
            views[name] = part
        return _same(views[name], kind, length)

    content = Unpickler(source, storage).load()
    for key in map(key_of, items_of(Unpickler(source).load())):
        if key not in storages:
            raise CheckpointError("A PyTorch file must hold the storages that it names.")
        found = storages[key]
        (count,) = struct.unpack("<q", source.read(8))
        if count != found.count:
            raise CheckpointError(
                f"A storage must have the size that it claims. Received: {count}, not "
                f"{found.count}."
            )
        data = source.read(found.nbytes)
        found.fetch = lambda data=data: data
    return content


def _same(storage: Storage, kind: str, count: int) -> Storage:
    if (storage.kind, storage.count) != (kind, count):
        raise CheckpointError("A storage of the checkpoint must be of one type and size.")
    return storage
