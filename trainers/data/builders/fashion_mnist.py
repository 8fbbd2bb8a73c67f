"""Fashion-MNIST's four files without its server: from a folder or from the Debian package.

The Debian package `dataset-fashion-mnist` contains the published files with rewritten gzip
headers, so their sha256 is not the one that TFDS expects. `restore_header` restores the published
header.
"""

import hashlib
import os
import pathlib
import struct

from trainers.data import DataError
from trainers.data.builders import packages

PACKAGE = "dataset-fashion-mnist"

# File -> modification time in its published gzip header.
FILES = {
    "train-images-idx3-ubyte.gz": 1504176606,
    "train-labels-idx1-ubyte.gz": 1504176606,
    "t10k-images-idx3-ubyte.gz": 1504176627,
    "t10k-labels-idx1-ubyte.gz": 1504176627,
}


def restore_header(data: bytes, file_name: str, mtime: int) -> bytes:
    """Returns a gzip file with name and time in its header (RFC 1952), its content unchanged.

    Args:
        data: A gzip file whose header has no optional fields.
        file_name: Name of the gzip file; the header holds it without ".gz".
        mtime: Seconds since 1970.

    Raises:
        DataError: if `data` is not such a file.
    """
    if len(data) < 18 or data[:4] != b"\x1f\x8b\x08\x00":
        raise DataError(
            f"'{file_name}' is not a gzip file with a bare header: expected it to begin with "
            f"1f 8b 08 00. Received: {data[:4].hex(' ') or 'an empty file'}."
        )
    # ID1 ID2 CM FLG=FNAME, MTIME, XFL and OS as they are, the name, then the content.
    name = file_name.removesuffix(".gz").encode("latin-1") + b"\x00"
    return b"\x1f\x8b\x08\x08" + struct.pack("<I", mtime) + data[8:10] + name + data[10:]


def collect(source: str | os.PathLike, target: str | os.PathLike, sha256: dict[str, str]) -> None:
    """Copies the four files from `source` to `target` as they were published.

    Args:
        source: Folder with the four files, as published or as in Debian's package.
        target: Existing folder to copy them to.
        sha256: File name -> expected sha256.

    Raises:
        DataError: if the content of a file is not the published one.
    """
    for name, mtime in FILES.items():
        data = (pathlib.Path(source) / name).read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256[name]:
            data = restore_header(data, name, mtime)
        received = hashlib.sha256(data).hexdigest()
        if received != sha256[name]:
            raise DataError(
                f"'{pathlib.Path(source) / name}' is not the published file: its sha256 should be "
                f"{sha256[name]}. Received: {received}."
            )
        (pathlib.Path(target) / name).write_bytes(data)


def has_files(folder: str | os.PathLike) -> bool:
    """Whether `folder` contains all four files."""
    return all((pathlib.Path(folder) / name).is_file() for name in FILES)


def unpack_package(folder: str | os.PathLike) -> pathlib.Path:
    """Downloads the Debian package with apt into `folder` and unpacks it; installs nothing.

    Returns:
        The folder with the four files.

    Raises:
        DataError: if apt is missing or has no such package.
    """
    package = packages.debian_package(PACKAGE, folder)
    for path in packages.unpack(package, folder).rglob(next(iter(FILES))):
        if has_files(path.parent):
            return path.parent
    raise DataError(f"the package {package.file.name} does not hold {', '.join(FILES)}")
