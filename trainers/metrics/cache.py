"""Features of real images, kept from one evaluation to the next.

A file is found by what it was computed from: the sha256 of the decoded pixels, the network's
weights and the resize. Nothing goes stale; deleting the folder costs only time. A file takes
4 d bytes an image: 51 MB for 10,000 images and MobileNetV2.
"""

import hashlib
import json
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterable

import numpy as np

from trainers.metrics.feature_file import FeatureFile, FeatureWriter, is_intact
from trainers.metrics.features import Features
from trainers.metrics.progress import with_progress


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
) -> FeatureFile:
    """The features of images, read from the cache or computed and written to it.

    Args:
        batches: gives the images anew each time, uint8 [n, H, W, C] at a time.
        features: the network.
        folder: the cache.
        count: how many images there are, for the progress shown.
        what: what they are, likewise.

    Returns:
        Their features, on disk.

    Raises:
        ValueError: the folder cannot be written to.
    """
    folder = pathlib.Path(folder or default_folder())
    path = folder / f"{key(batches(), features)}.npy"
    if path.exists():
        if is_intact(path):
            return FeatureFile(path)
        print(f"{path} is damaged: computing it anew.", file=sys.stderr)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(suffix=".unfinished", dir=folder)
    except OSError as error:
        raise ValueError(
            "The cache of features must be a folder that can be written to; without a home, set "
            f"HOME to one. Received: {folder}: {error.strerror}."
        ) from error
    os.close(handle)
    try:
        with FeatureWriter(unfinished, features.dimension) as writer:
            for seen in features.stream(with_progress(batches(), count, what)):
                writer.append(seen.features)
        os.replace(unfinished, path)
    finally:
        pathlib.Path(unfinished).unlink(missing_ok=True)
    return FeatureFile(path)


def key(batches: Iterable[np.ndarray], features: Features) -> str:
    """Hex digest of the images, in their order, the network's weights and the resize.

    How the images are batched does not change it.
    """
    pixels = hashlib.sha256()
    count, shape = 0, None
    for images in batches:
        count, shape = count + len(images), list(images.shape[1:])
        pixels.update(np.ascontiguousarray(images))
    what = [1, pixels.hexdigest(), count, shape, features.network.sha256, features.resize]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()
