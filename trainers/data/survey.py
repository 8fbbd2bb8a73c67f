"""Inspects a data set before a model is built or anything is decoded."""

import dataclasses
import os

import numpy as np
import tensorflow_datasets as tfds

from trainers.data import DataError, bundled, image_folder, tfds_sets
from trainers.data.naming import is_folder
from zoo import GAN
from zoo.pictures import folders

# Number of files of a folder whose headers are read, evenly spaced.
HEADS = 1000


@dataclasses.dataclass(frozen=True)
class Survey:
    """The images of a set, before they are resized to one size.

    Attributes:
        count: Number of images; 0 if not known yet.
        smallest, largest: (height, width), by the shorter side; None if sizes are not known.
        typical: Median of the shorter sides; None if sizes are not known.
        channels: 1 if all images are grey, else 3.
        classes: Names of the classes, if they have names.
        num_classes: Number of classes; 0 for none.
    """

    count: int
    smallest: tuple[int, int] | None
    largest: tuple[int, int] | None
    typical: int | None
    channels: int
    classes: tuple[str, ...] = ()
    num_classes: int = 0

    def __str__(self) -> str:
        """ "300 images, 120x90 RGB"."""
        sizes = ""
        if self.smallest and self.largest:
            ends = [f"{width}x{height}" for height, width in (self.smallest, self.largest)]
            sizes = f"{ends[0]} " if ends[0] == ends[1] else f"{ends[0]} to {ends[1]} "
        return f"{self.count:,} images, {sizes}{colours(self.channels)}"


def colours(channels: int) -> str:
    """Describes a number of channels in words."""
    return {1: "grey", 3: "RGB"}.get(channels, f"with {channels} channels")


def as_they_will_be(found: Survey, gan: GAN) -> str:
    """ "300 images, 120x90 RGB, will be 64x64 RGB", and the classes that a model learns."""
    height, width, channels = gan.image_shape
    made = f"{width}x{height} {colours(channels)}"
    if gan.takes != "images":
        height, width, channels = gan.source_shape
        made = f"{width}x{height} {colours(channels)} to {made}"
    text = f"{found}, will be {made}"
    if gan.num_classes and found.classes:
        text += f"; {len(found.classes)} classes: {image_folder.named(found.classes, 10, ', ')}"
    return text


def survey(spec: str, data_dir: str | os.PathLike | None = None) -> Survey:
    """Inspects a set without decoding it: its training images, if it has splits.

    Args:
        spec, data_dir: As in `trainers.data.load`.

    Raises:
        DataError: for an unknown set, or a folder without a readable image.
    """
    if spec.startswith("sample:"):
        arrays = bundled.read_arrays(spec.removeprefix("sample:"), "train")
        pictures = [array for array in arrays.values() if array.ndim == 4]
        shapes = [array.shape[1:3] for array in pictures]
        channels = max(array.shape[3] for array in pictures)
        num_classes = int(arrays["labels"].max()) + 1 if "labels" in arrays else 0
        return _of_shapes(len(pictures[0]), shapes, channels, num_classes=num_classes)
    if is_folder(spec):
        return _of_folder(spec)
    info = tfds_sets.builder(spec, data_dir).info
    pictures = [f for f in info.features.values() if isinstance(f, tfds.features.Image)]
    label = dict(info.features).get("label")
    splits = info.splits
    return _of_shapes(
        splits["train"].num_examples if "train" in splits else splits.total_num_examples,
        [picture.shape[:2] for picture in pictures if None not in picture.shape[:2]],
        max((picture.shape[2] or 3 for picture in pictures), default=3),
        num_classes=label.num_classes if isinstance(label, tfds.features.ClassLabel) else 0,
    )


def _of_folder(spec: str) -> Survey:
    folder = image_folder.open_folder(spec, quiet=True)
    files = folder.files[:: -(-len(folder.files) // HEADS)]
    heads = image_folder.heads_of(files)
    good = [head for head in heads if not isinstance(head, str)]
    if not good:
        raise DataError(
            f"No picture in '{folders.shown(spec)}' can be read. The first is "
            f"{folders.shown(files[0].name)}: {heads[0]}."
        )
    channels = 1 if all(grey for _, _, grey in good) else 3
    classes, _ = folder.classes()
    shapes = [head[:2] for head in good]
    return _of_shapes(len(folder.files), shapes, channels, classes, len(classes))


def _of_shapes(
    count: int,
    shapes: list[tuple[int, int]],
    channels: int,
    classes: tuple[str, ...] = (),
    num_classes: int = 0,
) -> Survey:
    shapes = sorted(shapes, key=lambda shape: (min(shape), max(shape)))
    if not shapes:
        return Survey(count, None, None, None, channels, classes, num_classes)
    typical = int(np.median([min(shape) for shape in shapes]))
    ends = (tuple(map(int, shapes[i])) for i in (0, -1))
    return Survey(count, *ends, typical, channels, classes, num_classes)
