"""A folder of images."""

import concurrent.futures
import logging
import os
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from trainers.data import pixels
from trainers.data.errors import DataError
from trainers.data.progress import with_progress

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")

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


def decode(file: pathlib.Path, resolution: int, channels: int) -> np.ndarray | str:
    """One image, uint8 [resolution, resolution, channels]; a string says why it cannot be read.

    Of an animation the first frame is taken; the orientation that a camera noted in EXIF is
    applied.
    """
    try:
        with Image.open(file) as image:
            image.load()  # to the last pixel: this is what finds a truncated file
            return pixels.to_square(ImageOps.exif_transpose(image), resolution, channels)
    except Exception as error:  # a broken file makes Pillow raise nearly anything
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


def named(skipped: Sequence[str]) -> str:
    """The first of them, for a message."""
    return "; ".join(skipped[:5]) + (f"; and {len(skipped) - 5} more" if len(skipped) > 5 else "")


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

    def fill(i: int) -> str | None:
        """Row i; returns why it could not."""
        image = decode(files[i], resolution, channels)
        if isinstance(image, str):
            return image
        images[i] = image
        return None

    with concurrent.futures.ThreadPoolExecutor() as pool:
        problems = list(with_progress(pool.map(fill, range(len(files))), len(files)))
    good = [i for i, problem in enumerate(problems) if problem is None]
    if len(good) == len(files):
        return images, ()

    folder = pathlib.Path(path).expanduser()
    bad = [i for i, problem in enumerate(problems) if problem is not None]
    skipped = tuple(str(files[i].relative_to(folder)) for i in bad)
    reasons = [f"{name} ({problems[i]})" for name, i in zip(skipped, bad, strict=True)]
    check_skipped(reasons, len(files), path)
    _logger.warning(
        "Skipped %d of %d images in '%s': %s.", len(bad), len(files), path, named(reasons)
    )
    for row, i in enumerate(good):  # close the gaps in place: the set may be larger than memory
        images[row] = images[i]
    return images[: len(good)], skipped
