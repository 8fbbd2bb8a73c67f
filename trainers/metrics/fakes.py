"""The images to evaluate: from a model, a preset, a run, or a folder."""

import concurrent.futures
import dataclasses
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

import zoo
from trainers.data import image_folder
from zoo.core import cards, sources
from zoo.pictures import folders

BATCH = 128


@dataclasses.dataclass(frozen=True)
class Batches(Iterable[np.ndarray]):
    """Re-iterable batches: `make` returns a new iterator each time."""

    make: Callable[[], Iterator[np.ndarray]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.make())


@dataclasses.dataclass(frozen=True)
class Fakes:
    """Images to evaluate.

    Attributes:
        batches: uint8 [n, H, W, C] each, generated again on every iteration.
        count: Number of images; for a folder, the number of files to read.
        image_shape: (H, W, C); real images are converted to it first.
        source: Where the images come from, for the record.
        trained_on: Training data in the model's card, {"name", "split", ...}; None if unknown.
        seed: Image i is generated from seed + i; None if the images were not generated here.
        gan: The model, for metrics that generate images themselves; None for a folder.
        skipped: Files that could not be read so far.
    """

    batches: Iterable[np.ndarray]
    count: int
    image_shape: tuple[int, int, int]
    source: dict[str, Any]
    trained_on: dict[str, Any] | None = None
    seed: int | None = None
    gan: Any | None = None
    skipped: list[str] | None = None


def from_gan(
    gan: zoo.GAN,
    num_images: int,
    seed: int,
    *,
    source: dict[str, Any] | None = None,
    trained_on: dict[str, Any] | None = None,
) -> Fakes:
    """Images from a model, generated when read, with the weights at that time.

    Args:
        gan: The model.
        num_images: Number of images.
        seed: Image i is generated from seed + i.
        source: Describes the model in the record.
        trained_on: {"name", "split"} of its training data, if known.
    """
    starts = range(0, num_images, BATCH)
    return Fakes(
        batches=Batches(
            lambda: (gan.generate(min(BATCH, num_images - i), seed=seed + i) for i in starts)
        ),
        count=num_images,
        image_shape=tuple(gan.image_shape),
        source=source or {},
        trained_on=trained_on,
        seed=seed,
        gan=gan,
    )


def from_preset(preset: str, num_images: int, seed: int) -> Fakes:
    """Images from a pretrained preset, given by its name or folder.

    Raises:
        PresetError: An unknown preset, one without weights, or files that fail their checks.
    """
    gan = zoo.load(preset)
    card = gan.card or {}
    source = {"preset": card.get("name", preset), "steps": cards.training_of(card).get("steps")}
    return from_gan(gan, num_images, seed, source=source, trained_on=training_data(card))


def training_data(card: Mapping[str, Any]) -> dict[str, Any] | None:
    """The training data in a card, {"name", "split", ...}; None if unknown.

    A card written by hand may give just a name, or a description in words.
    """
    stated = card.get("dataset")
    if not stated or isinstance(stated, dict):
        return stated or None
    return {"name": str(stated)}


def from_run(workdir: str, num_images: int, seed: int) -> Fakes:
    """Images from the preset that a training run saved at its last checkpoint.

    Raises:
        PresetError: The run has not saved a preset yet, or its files fail their checks.
    """
    fakes = from_preset(str(sources.of_run(workdir)), num_images, seed)
    return dataclasses.replace(fakes, source={"run": workdir, **fakes.source})


def from_folder(path: str, num_images: int, resize: int) -> Fakes:
    """Images from a folder, in a fixed random order, with one batch in memory at a time.

    They are resized directly to the input size of the feature network, and so are the real images.
    Unreadable files are skipped and named in the record.

    Args:
        path: The folder; subfolders are read too.
        num_images: Maximum number of files.
        resize: Side of the feature network's square input in pixels.

    Raises:
        DataError: The folder is missing or has no images; or, at the end of `batches`, too many
            images could not be read.
    """
    listing = image_folder.list_pictures(path)
    files = listing.files
    if listing.unused:
        print(f"{folders.shown(path)}: {listing.note()}", file=sys.stderr)
    random.Random(0).shuffle(files)  # files may be sorted by class
    files = files[:num_images]
    skipped: list[str] = []

    def batches() -> Iterator[np.ndarray]:
        skipped.clear()
        reasons = []
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for start in range(0, len(files), BATCH):
                some = files[start : start + BATCH]
                images = list(
                    pool.map(lambda file: image_folder.decode(file, resize, channels=3), some)
                )
                for file, image in zip(some, images, strict=True):
                    if isinstance(image, str):
                        skipped.append(folders.shown(file.relative_to(listing.folder)))
                        reasons.append(f"{skipped[-1]} ({image})")
                good = [image for image in images if not isinstance(image, str)]
                if good:
                    yield np.stack(good)
        image_folder.check_skipped(reasons, len(files), path)

    return Fakes(
        batches=Batches(batches),
        count=len(files),
        image_shape=(resize, resize, 3),
        source={"images": path},
        skipped=skipped,
    )


def pick(batches: Iterable[np.ndarray], indices: Iterable[int]) -> np.ndarray:
    """The images with these indices, in this order; the others are read and dropped.

    Returns:
        uint8 [len(indices), H, W, C].
    """
    indices = [int(i) for i in indices]
    wanted = set(indices)
    found: dict[int, np.ndarray] = {}
    start = 0
    for images in batches:
        for i in range(len(images)):
            if start + i in wanted:
                found[start + i] = images[i].copy()
        start += len(images)
        if len(found) == len(wanted):
            break
    return np.stack([found[i] for i in indices])
