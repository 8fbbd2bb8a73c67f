"""Measures a generator, or a folder of images, against real images: one call, one record."""

import dataclasses
import datetime
import importlib.metadata
import pathlib
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import zoo
from trainers import data
from trainers.data import folder
from trainers.metrics import mobilenet_v2
from trainers.metrics.features import Features
from trainers.metrics.kid import kid, kid_standard_error

RESIZE = 64
BATCH = 128


@dataclasses.dataclass(frozen=True)
class Fakes:
    """Images to be measured.

    Attributes:
        batches: uint8 [n, H, W, C] each, made when they are read.
        count: How many images in all.
        image_shape: (H, W, C); real images are brought to it first.
        source: Where they come from, as the record states it.
        trained_on: What the model's card says of its data, {"name", "split", ...}; None if unknown.
        seed: Image i is made from seed + i; None where the images were not made here.
    """

    batches: Iterable[np.ndarray]
    count: int
    image_shape: tuple[int, int, int]
    source: dict[str, Any]
    trained_on: dict[str, Any] | None = None
    seed: int | None = None


def from_preset(preset: str, num_images: int, seed: int) -> Fakes:
    """Images of a pretrained preset: a name, or a preset's folder.

    Raises:
        PresetError: An unknown preset, one without weights, or files that fail their checks.
    """
    gan = zoo.load(preset)
    card = gan.card or {}
    starts = range(0, num_images, BATCH)
    return Fakes(
        batches=(gan.generate(min(BATCH, num_images - i), seed=seed + i) for i in starts),
        count=num_images,
        image_shape=gan.image_shape,
        source={"preset": card.get("name", preset), "steps": card.get("training", {}).get("steps")},
        trained_on=card.get("dataset"),
        seed=seed,
    )


def from_run(workdir: str, num_images: int, seed: int) -> Fakes:
    """Images of the preset that a training run left at its last checkpoint.

    Raises:
        ValueError: The run has left none yet.
        PresetError: Its files fail their checks.
    """
    preset = pathlib.Path(workdir) / "preset"
    if not preset.is_dir():
        raise ValueError(
            "A run must have a folder 'preset', which its first checkpoint writes. "
            f"Received: --run={workdir}, without one."
        )
    fakes = from_preset(str(preset), num_images, seed)
    return dataclasses.replace(fakes, source={"run": workdir, **fakes.source})


def from_folder(path: str, num_images: int) -> Fakes:
    """The first images of a folder, in the order of their paths.

    They are brought straight to the size at which they are compared, and the real ones too.

    Raises:
        DataError: No such folder, no images in it, or too many that cannot be read.
    """
    images, skipped = folder.read(path, RESIZE, channels=3)
    images = images[:num_images]
    return Fakes(
        batches=(images[i : i + BATCH] for i in range(0, len(images), BATCH)),
        count=len(images),
        image_shape=images.shape[1:],
        source={"images": path, "skipped": len(skipped)},
    )


def evaluate(
    fakes: Fakes,
    *,
    dataset: str | None = None,
    split: str = "test",
    num_images: int = 5000,
    data_dir: str | None = None,
    features: Features | None = None,
) -> dict[str, Any]:
    """KID of the images against the first `num_images` of a split.

    Args:
        fakes: What to measure.
        dataset: What `trainers.data.load` reads; by default the one the model was trained on.
        split: The part of it; never one the model was trained on.
        num_images: Most real images to use; the record says how many there were.
        data_dir: Where TFDS keeps its sets.
        features: The feature network, for a caller that measures often and builds it once.

    Returns:
        The record, ready for JSON.

    Raises:
        DataError: The data set cannot be read.
        ValueError: No data set given or known, fewer than two images on a side, or a split that
            the model has seen.
    """
    dataset = dataset or (fakes.trained_on or {}).get("name")
    if not dataset:
        raise ValueError("Nothing says which data set to compare with: give --dataset.")
    height, _, channels = fakes.image_shape
    real = data.load(dataset, split=split, resolution=height, channels=channels, data_dir=data_dir)
    check_unseen(fakes.trained_on, real)
    count = min(num_images, real.count)
    for side, found in (("fake", fakes.count), ("real", count)):
        if found < 2:
            raise ValueError(
                f"KID needs at least 2 {side} images. Received: {found}, asked for {num_images}."
            )

    features = features or Features(resize=RESIZE)
    real_batches = (
        images for images, _ in real.images.take(count).batch(BATCH).as_numpy_iterator()
    )
    x = features(_with_progress(real_batches, count, "real images"))
    y = features(_with_progress(fakes.batches, fakes.count, "fake images"))
    value = kid(x, y)
    error = kid_standard_error(x, y)
    return {
        "metric": "KID (MobileNetV2)",
        "value": value,
        "value_x1000": 1000 * value,
        "standard_error_x1000": None if error is None else 1000 * error,
        "network": mobilenet_v2.NAME,
        "network_sha256": mobilenet_v2.weights_sha256(),
        "image_shape": list(fakes.image_shape),
        "resize": features.resize,
        "dataset": real.source,
        "split": real.split,
        "num_real": len(x),
        "num_fake": len(y),
        "seed": fakes.seed,
        "source": fakes.source,
        "trained_on": fakes.trained_on,
        "versions": {
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "gan-zoo": _own_version(),
        },
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def check_unseen(trained_on: dict[str, Any] | None, real: data.ImageSet) -> None:
    """Refuses a split that the model was trained on: memorised images would score best.

    Parts of one split count as that split: "train[:10000]" and "train" are the same here.

    Raises:
        ValueError: The set and a base split are those of the training.
    """
    if trained_on is None or trained_on.get("name") != real.source:
        return
    seen, asked = _base_splits(trained_on.get("split", "all")), _base_splits(real.split)
    if seen & asked or "all" in seen | asked:
        raise ValueError(
            f"A model is measured on images that it has not seen, and this one was trained on "
            f"'{trained_on['name']}', split '{trained_on.get('split', 'all')}'. "
            f"Received: '{real.source}', split '{real.split}'. Give another --split or --dataset."
        )


def _base_splits(split: str) -> set[str]:
    """ "train[:10%]+test" -> {"train", "test"}."""
    return {part.split("[")[0].strip() for part in split.split("+")}


def _with_progress(
    batches: Iterable[np.ndarray], total: int, what: str, every_s: float = 5.0
) -> Iterator[np.ndarray]:
    """Passes batches on, and says on stderr how many there were and how long the rest will take."""
    start = said = time.monotonic()
    done = 0
    for batch in batches:
        yield batch
        done += len(batch)
        now = time.monotonic()
        if done >= total or now - said >= every_s:
            left = (now - start) / done * (total - done)
            print(f"{what}: {done:,} of {total:,}, {left:.0f} s left", file=sys.stderr, flush=True)
            said = now


def _own_version() -> str | None:
    """Version of the installed distribution; None when run from a checkout."""
    try:
        return importlib.metadata.version("gan-zoo")
    except importlib.metadata.PackageNotFoundError:
        return None
