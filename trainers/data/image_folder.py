"""A folder of images."""

import concurrent.futures
import contextlib
import dataclasses
import functools
import logging
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from PIL import Image

from trainers.data import DataError, pixels
from zoo.core.progress import with_progress
from zoo.pictures import PictureError, folders

# Subfolders that are splits of one set, not classes.
TRAINING = ("train", "training")
HELD_OUT = ("test", "testing", "val", "valid", "validation")
_DOMAINS = tuple(f"{split}{domain}" for split in ("train", "test") for domain in "AB")

# Pillow warns above `Image.MAX_IMAGE_PIXELS` and refuses above twice as many.
MAX_PIXELS = 2 * Image.MAX_IMAGE_PIXELS

_GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "F")  # modes of Pillow

_logger = logging.getLogger(__name__)

Row = TypeVar("Row")


@dataclasses.dataclass(frozen=True)
class Folder:
    """The images of a folder or of one of its splits.

    Attributes:
        spec: The folder as given.
        root: Where the images are: the folder itself or a subfolder such as `train`.
        split: "all", or "train" or "test" for a folder with such subfolders; "all[:100]" or
            "train[:100]" for a part of it.
        whole: The image files of the folder or subfolder, sorted by path.
    """

    spec: str
    root: pathlib.Path
    split: str
    whole: list[pathlib.Path]

    @functools.cached_property
    def files(self) -> list[pathlib.Path]:
        """The image files of the split: all of `whole`, or a part."""
        return self.part_of(self.whole)

    def part_of(self, rows: list[Row]) -> list[Row]:
        """Those of a folder's rows that are in its split, as TFDS counts "train[10%:]".

        Raises:
            DataError: for a part that cannot be read, or without any row.
        """
        _, bracket, part = self.split.partition("[")
        if not bracket:
            return rows
        import tensorflow_datasets as tfds  # takes a second

        info = tfds.core.SplitInfo(name="train", shard_lengths=[len(rows)], num_bytes=0)
        try:
            instruction = tfds.core.ReadInstruction.from_spec(f"train[{part}")
            (found,) = instruction.to_absolute({"train": info})
        except (ValueError, NotImplementedError):
            chosen = []
        else:
            chosen = rows[found.from_ : found.to]
        if not chosen:
            raise DataError(
                "A part of a folder's images is written 'train[:1000]' or 'train[10%:]', within "
                f"their number. Received: '{self.spec}', split='{self.split}', of "
                f"{len(rows):,} images."
            )
        return chosen

    def names(self) -> list[str]:
        """The names of the files in messages: their paths relative to the folder."""
        return [folders.shown(file.relative_to(self.root)) for file in self.files]

    def classes(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Classes from subfolders, as in torchvision's ImageFolder and Keras.

        The subfolders that contain images are the classes, sorted by name. Images in deeper
        folders belong to the top one.

        Returns:
            (class names, label int64 of each file). There are no names and all labels are -1 if an
            image is in the folder itself or the subfolders are trainA, trainB and so on. A part of
            a split has all of its classes.
        """
        first = [file.relative_to(self.root).parts[:-1][:1] for file in self.whole]
        each = [folders.composed(folders.shown(name)) for path in first for name in path]
        names = sorted(set(each))
        if not all(first) or set(names) <= set(_DOMAINS):
            return (), np.full(len(self.files), -1, np.int64)
        labels = self.part_of([names.index(name) for name in each])
        return tuple(names), np.array(labels, np.int64)


def list_pictures(path: str | os.PathLike) -> folders.Listing:
    """Lists the content of a folder.

    Raises:
        DataError: for a missing folder, or one without images.
    """
    folder, spec = pathlib.Path(path).expanduser(), folders.shown(path)
    if not folder.is_dir():
        kind = "is a file, not a folder" if folder.exists() else "does not exist"
        raise DataError(
            f"The folder of images {kind}. Use an existing folder, a TFDS name such as "
            f"'fashion_mnist', or 'sample:fashion_mnist'. Received: '{spec}'."
        )
    listing = folders.find(folder)
    if not listing.files:
        raise DataError(
            f"The folder holds no images: files ending in {', '.join(folders.SUFFIXES)} are read, "
            f"in subfolders too. Received: '{spec}'."
        )
    return listing


def open_folder(path: str | os.PathLike, split: str = "train", *, quiet: bool = False) -> Folder:
    """Finds the images of a folder, including subfolders and links to folders.

    `zoo.pictures.folders` defines which files are images. A folder with the subfolders `train` and
    `test` (or `val`) has those splits; any other folder is read as a whole.

    Args:
        path: The folder.
        split: The split to read, if the folder has splits. "test" means `val` if there is no
            `test`. "train[:100]" is a part: see `Folder.part_of`.
        quiet: Whether to omit the warning that counts the files not read.

    Raises:
        DataError: for a missing folder, one without images, or a split that it does not have.
    """
    listing = list_pictures(path)
    folder, spec = listing.folder, folders.shown(path)
    notes = [listing.note()]
    root, files = folder, listing.files
    name, bracket, part = split.partition("[")
    first = {file.relative_to(folder).parts[:-1][:1] for file in files}
    splits = _splits([name for path in first for name in path], alone=len(first) == 1)
    if not splits:
        name = "all"
    else:
        if name not in splits:
            raise DataError(
                f"The folder has the splits {', '.join(sorted(splits))}, and not this one. "
                f"Received: '{spec}', split='{split}'."
            )
        root = folder / splits[name]
        files = [file for file in files if root in file.parents]
        others = len(listing.files) - len(files)
        if others:
            count = f"the {len(files):,} images of {root.name}/"
            notes.append(f"Only {count} are read, not the other {others:,}.")
    if not quiet and any(notes):
        _logger.warning("'%s': %s", spec, " ".join(note for note in notes if note))
    return Folder(spec, root, f"{name}{bracket}{part}", files)


def _splits(names: Sequence[str], *, alone: bool) -> dict[str, str]:
    """The subfolder of each split, "train" and "test"; empty if the subfolders are not splits.

    They are splits if there is one for training and one for testing, or a single one of either.
    """
    by_name = {name.lower(): name for name in names}
    train = [by_name[name] for name in TRAINING if name in by_name]
    held_out = [by_name[name] for name in HELD_OUT if name in by_name]
    if not (train and held_out) and not ((train or held_out) and alone):
        return {}
    splits = {name: by_name[name] for name in by_name if by_name[name] in (*train, *held_out)}
    return (
        splits
        | ({"train": train[0]} if train else {})
        | ({"test": held_out[0]} if held_out else {})
    )


def picture(file: pathlib.Path) -> Image.Image | str:
    """One image, decoded by `zoo.pictures.decoder`; a string with the reason if it cannot be read.

    For an animation it is the first frame.

    Raises:
        DataError: for more than `MAX_PIXELS`, since a small file can be crafted to fill the memory.
    """
    from zoo.pictures import decoder  # imports TensorFlow, which checking names does not need

    try:
        with _opened(file) as image:
            return decoder.decoded(image)[0]
    except PictureError as error:
        return str(error).rstrip(".")


def heads_of(files: Sequence[pathlib.Path]) -> list[tuple[int, int, bool] | str]:
    """(height, width, whether it is grey) of each file, as `picture` would decode it; a string with
    the reason if a file cannot be read.

    Reads only the file headers and decodes no pixels.

    Raises:
        DataError: as `picture`.
    """
    from zoo.pictures import decoder  # imports TensorFlow, which checking names does not need

    def head_of(file: pathlib.Path) -> tuple[int, int, bool] | str:
        try:
            with _opened(file) as image:
                return *decoder.size(image), image.mode in _GREY
        except PictureError as error:
            return str(error).rstrip(".")

    with concurrent.futures.ThreadPoolExecutor() as pool:
        return list(pool.map(head_of, files))


def sizes_of(files: Sequence[pathlib.Path]) -> list[tuple[int, int] | str]:
    """(height, width) of each, as in `heads_of`."""
    heads = heads_of(files)
    return [head if isinstance(head, str) else head[:2] for head in heads]


def decode(file: pathlib.Path, resolution: int, channels: int) -> np.ndarray | str:
    """One image, uint8 [resolution, resolution, channels]; a string with the reason if unreadable.

    `picture`, then `pixels.to_square`.
    """
    image = picture(file)
    return image if isinstance(image, str) else pixels.to_square(image, resolution, channels)


def _opened(file: pathlib.Path) -> contextlib.AbstractContextManager[Image.Image]:
    from zoo.pictures import decoder  # imports TensorFlow, which checking names does not need

    def check_size(width: int, height: int) -> None:
        if width * height > MAX_PIXELS:
            raise DataError(
                f"A picture may have at most {MAX_PIXELS:,} pixels: make it smaller, or cut it. "
                f"Received: '{file}'."
            )

    return decoder.opened(file, check_size)


def check_skipped(skipped: Sequence[str], count: int, path: str | os.PathLike) -> None:
    """Raises DataError if more than one and more than 10 % of `count` images cannot be read.

    Args:
        skipped: Name of each unreadable image, with the reason.
        count: Number of images found.
        path: The folder.
    """
    if len(skipped) == count or len(skipped) > max(1, count // 10):
        raise DataError(
            f"{len(skipped)} of {count} images in '{folders.shown(path)}' cannot be read, and at "
            f"most 10 % may be. Repair or remove them: {named(skipped)}."
        )


def named(names: Sequence[str], most: int = 5, separator: str = "; ") -> str:
    """The first `most` names and the number of the rest, for a message."""
    return folders.listed(names, most, separator)


def fill(
    names: Sequence[str], fill_row: Callable[[int], str | None], path: str | os.PathLike
) -> tuple[list[int], tuple[str, ...]]:
    """Decodes on all cores; a warning names images that cannot be decoded completely.

    Args:
        names: Names of the images, for messages.
        fill_row: Decodes image i into its place, or returns the reason why it cannot.
        path: The folder.

    Returns:
        (indices of the decoded images, names of the others).

    Raises:
        DataError: as `check_skipped`.
    """
    with concurrent.futures.ThreadPoolExecutor() as pool:
        problems = list(with_progress(pool.map(fill_row, range(len(names))), len(names)))
    good = [i for i, problem in enumerate(problems) if problem is None]
    if len(good) == len(names):
        return good, ()
    bad = [i for i, problem in enumerate(problems) if problem is not None]
    reasons = [f"{names[i]} ({problems[i]})" for i in bad]
    check_skipped(reasons, len(names), path)
    _logger.warning(
        "Skipped %d of %d images in '%s': %s.", len(bad), len(names), path, named(reasons)
    )
    return good, tuple(names[i] for i in bad)


def close_gaps(array: np.ndarray, good: Sequence[int]) -> np.ndarray:
    """Returns only the good rows, moved in place because the set may be larger than memory."""
    for row, i in enumerate(good):
        if row != i:
            array[row] = array[i]
    return array[: len(good)]


def read(
    folder: Folder, resolution: int, channels: int
) -> tuple[np.ndarray, list[int], tuple[str, ...]]:
    """Decodes every image of a folder once, in order.

    Images that cannot be decoded completely are omitted and named in a warning.

    Args:
        folder: The folder to read.
        resolution: Height and width of the images returned.
        channels: 1 or 3.

    Returns:
        (images uint8 [count, resolution, resolution, channels], indices of their files, names of
        the skipped files).

    Raises:
        DataError: if more than one image and more than 10 % of them cannot be read.
    """
    images = pixels.allocate(len(folder.files), resolution, channels)

    def fill_row(i: int) -> str | None:
        image = decode(folder.files[i], resolution, channels)
        if isinstance(image, str):
            return image
        images[i] = image
        return None

    good, skipped = fill(folder.names(), fill_row, folder.spec)
    return close_gaps(images, good), good, skipped
