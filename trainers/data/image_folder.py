"""A folder of images."""

import concurrent.futures
import logging
import os
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageOps

from trainers.data import DataError, pixels
from zoo.core.progress import with_progress

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")

# Pillow warns of more than `Image.MAX_IMAGE_PIXELS` and refuses more than twice as many.
MAX_PIXELS = 2 * Image.MAX_IMAGE_PIXELS

_ORIENTATION = 0x0112  # a tag of EXIF; from 5 on the picture lies on its side

_logger = logging.getLogger(__name__)


def find(path: str | os.PathLike) -> list[pathlib.Path]:
    """Every image under a folder, subfolders too, in the order of their sorted paths.

    Raises:
        DataError: for a missing folder, or one without images.
    """
    folder = pathlib.Path(path).expanduser()
    if not folder.is_dir():
        kind = "is a file, not a folder" if folder.exists() else "does not exist"
        raise DataError(
            f"The folder of images {kind}. Use an existing folder, a TFDS name such as "
            f"'fashion_mnist', or 'sample:fashion_mnist'. Received: '{path}'."
        )
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file())
    if not files:
        raise DataError(
            f"The folder holds no images: files ending in {', '.join(SUFFIXES)} are read, in "
            f"subfolders too. Received: '{path}'."
        )
    return files


def picture(file: pathlib.Path) -> Image.Image | str:
    """One whole picture; a string says why it cannot be read.

    Of an animation the first frame is taken; the orientation that a camera noted in EXIF is
    applied.

    Raises:
        DataError: for more than `MAX_PIXELS`: a small file may be made to fill the memory.
    """
    try:
        with _open(file) as image:
            image.load()  # to the last pixel: this is what finds a truncated file
            return ImageOps.exif_transpose(image)
    except DataError:
        raise
    except Exception as error:  # a broken file makes Pillow raise nearly anything
        return _reason(error)


def sizes_of(files: Sequence[pathlib.Path]) -> list[tuple[int, int] | str]:
    """(height, width) of each as `picture` would have it, without decoding where it can be told
    from a file's head; of one that cannot be read, why.

    Raises:
        DataError: as `picture`.
    """

    def size_of(file: pathlib.Path) -> tuple[int, int] | str:
        try:
            with _open(file) as image:
                width, height = image.size
                turned = image.getexif().get(_ORIENTATION, 1) >= 5
                return (width, height) if turned else (height, width)
        except DataError:
            raise
        except Exception as error:
            return _reason(error)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        return list(pool.map(size_of, files))


def decode(file: pathlib.Path, resolution: int, channels: int) -> np.ndarray | str:
    """One image, uint8 [resolution, resolution, channels]; a string says why it cannot be read.

    As `picture`, then `pixels.to_square`.
    """
    image = picture(file)
    return image if isinstance(image, str) else pixels.to_square(image, resolution, channels)


def _open(file: pathlib.Path) -> Image.Image:
    try:
        return Image.open(file)
    except Image.DecompressionBombError:
        raise DataError(
            f"A picture may have at most {MAX_PIXELS:,} pixels: make it smaller, or cut it. "
            f"Received: '{file}'."
        ) from None


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def check_skipped(skipped: Sequence[str], count: int, path: str | os.PathLike) -> None:
    """Raises DataError when more than one and more than 10 % of `count` images cannot be read.

    Args:
        skipped: What to call each of those, with the reason.
        count: Images found.
        path: The folder.
    """
    if len(skipped) == count or len(skipped) > max(1, count // 10):
        raise DataError(
            f"{len(skipped)} of {count} images cannot be read, and at most 10 % may be: repair or "
            f"remove them: {named(skipped)}. Received: '{path}'."
        )


def named(names: Sequence[str], most: int = 5) -> str:
    """The first of them, and how many more there are, for a message."""
    more = f"; and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more


def fill(
    names: Sequence[str], fill_row: Callable[[int], str | None], path: str | os.PathLike
) -> tuple[list[int], tuple[str, ...]]:
    """Decodes on all cores; what cannot be decoded to its last pixel is named in a warning.

    Args:
        names: Of the images, for messages.
        fill_row: Decodes image i to where it belongs; returns why it could not.
        path: The folder.

    Returns:
        (which could be, the names of the others).

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
    """Returns the good rows alone, moved in place: the set may be larger than memory."""
    for row, i in enumerate(good):
        if row != i:
            array[row] = array[i]
    return array[: len(good)]


def read(
    path: str | os.PathLike, resolution: int, channels: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Decodes every image under a folder once, in the order of `find`.

    An image that cannot be decoded to its last pixel is left out and named in a warning.

    Args:
        path: The folder.
        resolution: Height and width of the images returned.
        channels: 1 or 3.

    Returns:
        (images uint8 [count, resolution, resolution, channels], paths skipped, relative to `path`).

    Raises:
        DataError: for a missing folder, one without images, or one in which more than one image
            and more than 10 % of the images cannot be read.
    """
    files = find(path)
    images = pixels.allocate(len(files), resolution, channels)

    def fill_row(i: int) -> str | None:
        image = decode(files[i], resolution, channels)
        if isinstance(image, str):
            return image
        images[i] = image
        return None

    good, skipped = fill(relative(files, path), fill_row, path)
    return close_gaps(images, good), skipped


def relative(files: Sequence[pathlib.Path], path: str | os.PathLike) -> list[str]:
    """What the files under a folder are called in messages."""
    folder = pathlib.Path(path).expanduser()
    return [str(file.relative_to(folder)) for file in files]
