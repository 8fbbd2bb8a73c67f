"""Cache of real images' features and of the classifier, shared by evaluations.

The key of a file is a hash of its inputs: the decoded pixels, the network's weights and the resize
for features; the pixels and labels for the classifier. So nothing goes stale, and deleting the
folder costs only time. Features take 4 d bytes per image: 51 MB for 10,000 images with MobileNetV2.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from trainers.metrics import classifier
from trainers.metrics.classifier import Classifier
from trainers.metrics.extractor import Features
from zoo.core.progress import with_progress
from zoo.core.storage import whole_file

# An unfinished file that has not been written to for so long is of a process that was killed.
ABANDONED_AFTER_S = 24 * 3600


def default_folder() -> pathlib.Path:
    """`~/.cache/gan_zoo/features`."""
    return pathlib.Path.home() / ".cache" / "gan_zoo" / "features"


def cached(
    batches: Callable[[], Iterable[np.ndarray]],
    features: Features,
    folder: str | os.PathLike | None = None,
    *,
    count: int,
    what: str,
) -> np.ndarray:
    """The features of images, read from the cache or computed and written to it.

    Args:
        batches: yields the images from the start on each call, uint8 [n, H, W, C] at a time.
        features: the network.
        folder: the cache.
        count: number of images, for the progress bar.
        what: what the images are, for the progress bar.

    Returns:
        Their features, float32 [N, d], memory-mapped.

    Raises:
        ValueError: the folder cannot be written to.
    """
    path = pathlib.Path(folder or default_folder()) / f"{key(batches(), features)}.npy"
    if path.exists():
        try:
            return np.load(path, mmap_mode="r")
        except (OSError, ValueError):
            print(f"{path} is damaged: computing it again.", file=sys.stderr)
    seen = features.stream(with_progress(batches(), count, what, len))
    with _unfinished(path) as unfinished:
        store(unfinished, (one.features for one in seen), count, features.dimension)
    return np.load(path, mmap_mode="r")


def store(
    path: pathlib.Path, blocks: Iterable[np.ndarray], count: int, dimension: int
) -> np.ndarray:
    """Writes at most `count` features, given as float [n, d] blocks, to a .npy file.

    Returns:
        The features written, float32 [N, d], memory-mapped.

    Raises:
        OSError: the disk has too little space; the file is removed.
    """
    try:
        features = np.lib.format.open_memmap(path, "w+", np.float32, (count, dimension))
        # A mapped file has no blocks yet, and writing to it on a full disk kills the process.
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    end = 0
    for block in blocks:
        start, end = end, end + len(block)
        features[start:end] = block
    features.flush()
    return features[:end]


def cached_classifier(
    batches: Callable[[], Iterable[np.ndarray]],
    labels: np.ndarray,
    num_classes: int,
    folder: str | os.PathLike | None = None,
) -> Classifier:
    """The classifier of these images, read from the cache or fitted and written to it.

    Args:
        batches: yields the training images from the start on each call, uint8 [n, H, W, C].
        labels: int [N].
        num_classes: at least 2.
        folder: the cache.

    Raises:
        ValueError: labels that do not fit, or the folder cannot be written to.
    """
    pixels, count, shape = _digest(batches())
    classes = hashlib.sha256(np.ascontiguousarray(labels, np.int64)).hexdigest()
    what = ["classifier", classifier.VERSION, pixels, count, shape, classes, num_classes]
    path = pathlib.Path(folder or default_folder()) / f"{_name(what)}.npz"
    if path.exists():
        try:
            return Classifier(batches(), labels, num_classes, weights=path)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            print(f"{path} is damaged: fitting it again.", file=sys.stderr)
    print(f"fitting a classifier to {count:,} training images", file=sys.stderr)
    with _unfinished(path) as unfinished:
        fitted = Classifier(batches(), labels, num_classes)
        fitted.save(unfinished)
    return fitted


@contextlib.contextmanager
def _unfinished(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A temporary file next to `path`, renamed to `path` at the end."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise ValueError(
            "The cache of features must be a folder that can be written to; without a home, set "
            f"HOME to one. Received: {path.parent}: {error.strerror}."
        ) from error
    _sweep(path.parent)
    with whole_file(path) as unfinished:
        yield unfinished


def _sweep(folder: pathlib.Path) -> None:
    """Removes what killed processes left behind; another one may do so at the same time."""
    for file in folder.glob(".unfinished-*"):
        with contextlib.suppress(OSError):
            if file.stat().st_mtime < time.time() - ABANDONED_AFTER_S:
                file.unlink()


def key(batches: Iterable[np.ndarray], features: Features) -> str:
    """Hex digest of the images, in their order, the network's weights and the resize.

    It does not depend on how the images are batched.
    """
    pixels, count, shape = _digest(batches)
    return _name([1, pixels, count, shape, features.network.sha256, features.resize])


def _digest(batches: Iterable[np.ndarray]) -> tuple[str, int, list[int] | None]:
    """(hex digest of the pixels, number of images, their shape)."""
    pixels = hashlib.sha256()
    count, shape = 0, None
    for images in batches:
        count, shape = count + len(images), list(images.shape[1:])
        pixels.update(np.ascontiguousarray(images))
    return pixels.hexdigest(), count, shape


def _name(what: list) -> str:
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()
