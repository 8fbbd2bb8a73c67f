"""Files and folders that are written whole or not at all."""

import contextlib
import hashlib
import json
import os
import pathlib
import secrets
import shutil
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def whole_file(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a file to write, which replaces `path` at the end; after an error `path` is as it was.

    The folder is created if needed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name may be as long as names can be: this one is short.
    fresh = path.with_name(f".unfinished-{secrets.token_hex(4)}")
    try:
        yield fresh
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def expanded(path: str | os.PathLike[str]) -> pathlib.Path:
    """A path as a person gives it, with ~ and ~user for home folders; unknown users' stay."""
    return pathlib.Path(os.path.expanduser(path))


def described(path: str | os.PathLike[str]) -> str:
    """A path for a message, which says so if it does not exist."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return text if os.path.exists(path) else f"{text}, which does not exist"


def replace_folder(fresh: pathlib.Path, folder: pathlib.Path) -> None:
    """Replaces a folder by a finished one with two renames; neither is ever incomplete."""
    old = fresh.with_name(fresh.name + ".old")
    if folder.exists():
        folder.rename(old)
    try:
        fresh.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def write_json(path: pathlib.Path, content: dict[str, Any]) -> None:
    """Indented JSON with a final newline; an existing file is replaced by a rename.

    A file name that is not UTF-8 is escaped as JSON has it, and is read back as it was.
    """
    fresh = path.with_name(f".{path.name}.unfinished")
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    fresh.write_text(text, encoding="utf-8", errors="backslashreplace")
    fresh.replace(path)


def sha256(path: pathlib.Path) -> str:
    """Hex digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
