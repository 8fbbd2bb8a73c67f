"""Versions of an export: folders with numbers for names, each there whole or not at all.

A finished, checked folder is renamed into place, so a server that polls the parent never sees half
a version.
"""

import contextlib
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

# It becomes a folder, and a name in requests.
NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
MANIFEST = "manifest.json"


class ExportError(ValueError):
    """An export that could not be written completely; nothing of it remains."""


def check_name(name: str) -> None:
    """Raises `ExportError` unless `name` can be a model's."""
    if not NAME.fullmatch(name) or name.isdigit():
        raise ExportError(
            "A model's name must be of letters, digits, '.', '_' and '-', begin with a letter or "
            f"digit, and not be a number. Received: {name!r}."
        )


class Fresh:
    """A version that is being written.

    Attributes:
        folder: Where to write; not a number, so that no server takes it for a version.
        version: The version's folder, once it is published.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.version: pathlib.Path | None = None

    def publish(self) -> pathlib.Path:
        """Renames the folder to the next free version number."""
        parent = self.folder.parent
        while True:
            target = parent / str(max(versions(parent), default=0) + 1)
            try:
                # This fails if the target has files: the second of two simultaneous exports takes
                # the next number.
                self.folder.rename(target)
            except OSError:
                if not target.exists():
                    raise
                continue
            self.version = target
            return target


@contextlib.contextmanager
def fresh_version(parent: pathlib.Path, *errors: Any) -> Iterator[Fresh]:
    """A new version of `parent`, which is created if needed; what is not published is removed.

    Args:
        parent: Folder of the versions.
        *errors: Exceptions that are raised as an `ExportError`, as those of the file system are.
    """
    missing = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    fresh = None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        fresh = Fresh(pathlib.Path(tempfile.mkdtemp(prefix=".unfinished.", dir=parent)))
        fresh.folder.chmod(0o755)  # mkdtemp makes it private; servers run as other users
        yield fresh
    except (OSError, *errors) as error:
        raise ExportError(
            f"{parent} must be a folder with room for the export. "
            f"Received: {getattr(error, 'message', error)}. No version was written."
        ) from error
    finally:
        if fresh is not None and fresh.version is None:
            shutil.rmtree(fresh.folder, ignore_errors=True)
        for folder in missing:
            with contextlib.suppress(OSError):  # it holds the version, or was never created
                folder.rmdir()


def versions(parent: pathlib.Path) -> list[int]:
    """Numbers of the versions in a folder, ascending."""
    return sorted(int(child.name) for child in parent.iterdir() if child.name.isdigit())
