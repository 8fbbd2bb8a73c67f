"""Which files of a folder are pictures: one rule for training, measuring and translating.

A picture is a file whose name ends in one of `SUFFIXES`, in upper or lower case. Hidden files and
folders are not read, nor are those that systems put next to pictures: `.DS_Store`, `._photo.png`,
`.ipynb_checkpoints`, `__MACOSX`, `@eaDir`, `Thumbs.db`. Links are followed, and each folder is read
once. What is not read is counted, and never passed over in silence.

Names are compared in Unicode's composed form (NFC): macOS writes them decomposed (NFD). Names that
are not UTF-8 work as Python has them, with surrogates, and are printed escaped.
"""

import dataclasses
import os
import pathlib
import unicodedata
from collections.abc import Sequence

from zoo.core.storage import expanded

SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".jfif", ".jpeg", ".jpg"),
    *(".png", ".tif", ".tiff", ".webp"),
)
# Folders of systems, whose pictures are thumbnails and copies; hidden ones need no name here.
SYSTEM_FOLDERS = ("__MACOSX", "@eaDir")


@dataclasses.dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Attributes:
        folder: The folder.
        files: Its pictures, in the order of their sorted paths.
        unused: Everything else: other files, and links to folders that are read already.
    """

    folder: pathlib.Path
    files: list[pathlib.Path]
    unused: list[pathlib.Path]

    def note(self) -> str:
        """What is not used, in one line; empty if there is nothing."""
        if not self.unused:
            return ""
        names = [shown(path.relative_to(self.folder)) for path in self.unused]
        what = (
            "1 file is not a picture and was"
            if len(names) == 1
            else (f"{len(names):,} files are not pictures and were")
        )
        return f"{what} skipped: {listed(names)}."


def find(folder: str | os.PathLike[str], *, subfolders: bool = True) -> Listing:
    """Lists a folder.

    Args:
        folder: An existing folder; `~` is expanded.
        subfolders: Whether those are read as well. If not, each counts as one unused file.

    Raises:
        OSError: A folder that cannot be opened.
    """
    root = expanded(folder)
    files: list[pathlib.Path] = []
    unused: list[pathlib.Path] = []
    links: list[pathlib.Path] = []
    read = {root.resolve()}

    def walk(path: pathlib.Path, ignored: bool) -> None:
        for child in sorted(path.iterdir()):
            skipped = ignored or child.name.startswith(".") or child.name in SYSTEM_FOLDERS
            if not child.is_dir():
                is_picture = child.suffix.lower() in SUFFIXES and child.is_file()
                (files if is_picture and not skipped else unused).append(child)
            elif not subfolders:
                unused.append(child)
            elif child.is_symlink():
                (unused if skipped else links).append(child)
            else:
                enter(child, skipped)

    def enter(path: pathlib.Path, ignored: bool) -> None:
        target = path.resolve()
        if target in read or target in root.resolve().parents:
            unused.append(path)
        else:
            read.add(target)
            walk(path, ignored)

    walk(root, ignored=False)
    # Folders first: a link to one that is read, or that holds the link, adds nothing.
    while links:
        enter(links.pop(0), ignored=False)
    return Listing(root, sorted(files), sorted(unused))


def composed(name: str) -> str:
    """A name in Unicode's composed form, in which the same name is the same string."""
    return unicodedata.normalize("NFC", name)


def shown(path: str | os.PathLike[str]) -> str:
    """A path that can be printed: bytes that are not UTF-8 are escaped, as in `caf\\xe9.png`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def listed(names: Sequence[str], most: int = 5, separator: str = ", ") -> str:
    """The first of them, and how many more there are, for a message."""
    more = f"{separator}and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more
