"""`load_pairs`: from a spec to a `PairSet`."""

import os
import pathlib
from collections.abc import Iterable

import numpy as np
import tensorflow as tf
from PIL import Image

from trainers.data import DataError, bundled, image_folder, pixels, tasks, tfds_sets
from trainers.data.loading import check_sizes, load, open_stored
from trainers.data.naming import folder_source, is_folder
from trainers.data.order import FIXED, row_seeds
from trainers.data.sets import PairSet, make_reader
from zoo.core.progress import with_progress
from zoo.pictures import folders

SIDES = ("source", "target")

# Aspect ratio (width / height) of two images side by side: halves from 3:4 to 3:2.
_WIDE = (1.5, 3.0)
_WIDE_RULE = (
    "Two images side by side make a picture of an even width, "
    f"{_WIDE[0]:g} to {_WIDE[1]:g} times its height; the left half is the source. For single "
    "pictures give a --task, which makes the sources"
)

_SAME_SIZE_RULE = "The two images of a pair must be of one size"


def load_pairs(
    spec: str,
    *,
    split: str = "train",
    resolution: int,
    source_channels: int,
    target_channels: int,
    reverse: bool = False,
    task: str | None = None,
    seed: int = 0,
    data_dir: str | os.PathLike | None = None,
) -> PairSet:
    """Loads a set of pairs, decoded once, at one size.

    Sizes and channels are converted as in `load`, for both images alike.

    Args:
        spec: "sample:NAME"; a TFDS name of a set with the features `source` and `target`, or with
            one `image` that shows both side by side; or the path of a folder. A folder has the
            subfolders source/ and target/, whose images are matched by name without extension; or
            it contains images that show both side by side, with the source on the left. With
            `task`, any spec of `load`.
        split: As in `load`.
        resolution: Height and width of the images (R).
        source_channels, target_channels: 1 (grey) or 3 (RGB). With a task, the source has the
            task's channels, or 3 if these are grey; the target has 3.
        reverse: Whether to swap source and target.
        task: Makes the sources from the images of `spec`: one of `trainers.data.tasks.TASKS`.
        seed: Seed of a task's draws that are fixed per index: in `PairSet.reader`, and in every
            pass over a split that is not a training split.
        data_dir: Where TFDS keeps prepared sets; by default TFDS's own folder.

    Returns:
        A `PairSet`, in memory or a temporary file as in `load`.

    Raises:
        DataError: as `load`; for images without a partner or of another size than their partner,
            images that are not two side by side, an unknown task, or `reverse` with a task.
    """
    if task is not None:
        if reverse:
            raise DataError(
                "A task is learnt in one direction, from the degraded image. "
                f"Received: task='{task}', reverse=True."
            )
        return _of_task(
            spec, split, resolution, source_channels, target_channels, task, seed, data_dir
        )
    makers = [name for name, made in tasks.TASKS.items() if made.source_channels == source_channels]
    if makers and source_channels not in (1, 3):
        raise DataError(
            f"Sources of {source_channels} channels are made by a task: give "
            f"--task={'|'.join(makers)}. Received: none."
        )
    check_sizes(resolution, source_channels=source_channels, target_channels=target_channels)
    channels = (source_channels, target_channels)
    skipped: tuple[str, ...] = ()
    if is_folder(spec):
        folder = image_folder.open_folder(spec, split)
        source, split, licence = folder_source(spec), folder.split, None
        images, skipped = _read_folder(folder, resolution, channels, reverse)
    else:
        stored = open_stored(spec, split, data_dir, *SIDES)
        source, licence = spec.removeprefix("sample:"), stored.licence
        images = _squares(stored, resolution, channels, reverse)
    return PairSet(
        spec=spec,
        source=source,
        split=split,
        count=len(images[0]),
        licence=licence,
        reader=make_reader(*images),
        skipped=skipped,
    )


def _of_task(
    spec, split, resolution, source_channels, target_channels, name, seed, data_dir
) -> PairSet:
    """Pairs from any set of images, which are the targets of a task."""
    task = tasks.get(name)
    degrade = task.with_channels(source_channels)
    if degrade is None or target_channels != 3:
        made = "1 or 3" if task.source_channels == 1 else task.source_channels
        raise DataError(
            f"The task '{name}' makes sources of {made} channels from targets of 3. Received: "
            f"source_channels={source_channels}, target_channels={target_channels}."
        )
    images = load(spec, split=split, resolution=resolution, channels=3, data_dir=data_dir)
    # Raises here if the task does not accept this size.
    degrade(tf.zeros([1, resolution, resolution, 3], tf.uint8), tf.zeros([1, 2], tf.int64))

    def read(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        targets, _ = images.reader(index)
        return degrade(targets, row_seeds(seed, FIXED, index)), targets

    return PairSet(
        spec=spec,
        source=images.source,
        split=images.split,
        count=images.count,
        licence=images.licence,
        reader=read,
        skipped=images.skipped,
        degrade=degrade,
        seed=seed,
        sharp=task.sharpens,
    )


def _squares(
    stored: bundled.Sample | tfds_sets.Split,
    resolution: int,
    channels: tuple[int, int],
    reverse: bool,
) -> list[np.ndarray]:
    """The two arrays of a set, from (source, target) or from images that show both side by side."""
    keys = SIDES if set(SIDES) <= set(stored.image_keys()) else (stored.image_key(),)
    images = [pixels.allocate(stored.count, resolution, c) for c in channels]
    wrong, rule = [], _SAME_SIZE_RULE if len(keys) == 2 else _WIDE_RULE
    for i, example in enumerate(with_progress(stored.examples(keys), stored.count)):
        picture = [pixels.to_picture(array) for array in example]
        problem = _problem(*(image.size[::-1] for image in picture))
        if problem:
            wrong.append(f"image {i} ({problem})")
        elif not wrong:
            for array, image in zip(images, _halves(picture)[:: -1 if reverse else 1], strict=True):
                array[i] = pixels.to_square(image, resolution, array.shape[-1])
    _refuse(rule, wrong, stored.spec)
    return images


def _read_folder(
    folder: image_folder.Folder, resolution: int, channels: tuple[int, int], reverse: bool
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """The two arrays of a set, and the names of skipped images."""
    spec = folder.spec
    two_folders = any((folder.root / side).is_dir() for side in SIDES)
    files = folder.part_of(_matched(folder)) if two_folders else [(f,) for f in folder.files]
    names = [
        " and ".join(folders.shown(file.relative_to(folder.root)) for file in pair)
        for pair in files
    ]
    sizes = zip(*map(image_folder.sizes_of, zip(*files, strict=True)), strict=True)
    wrong = [
        f"{name} ({problem})"
        for name, pair in zip(names, sizes, strict=True)
        # An unreadable file has no size: it is skipped when decoding.
        if not any(isinstance(size, str) for size in pair) and (problem := _problem(*pair))
    ]
    _refuse(_SAME_SIZE_RULE if two_folders else _WIDE_RULE, wrong, spec)
    images = [pixels.allocate(len(files), resolution, c) for c in channels]

    def fill_row(i: int) -> str | None:
        pictures = [image_folder.picture(file) for file in files[i]]
        for picture in pictures:
            if isinstance(picture, str):
                return picture
        for array, image in zip(images, _halves(pictures)[:: -1 if reverse else 1], strict=True):
            array[i] = pixels.to_square(image, resolution, array.shape[-1])
        return None

    good, skipped = image_folder.fill(names, fill_row, spec)
    return [image_folder.close_gaps(array, good) for array in images], skipped


def _matched(folder: image_folder.Folder) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Files of source/ and target/ with the same name, sorted by name."""
    by_name: tuple[dict[str, pathlib.Path], dict[str, pathlib.Path]] = ({}, {})
    wrong = []
    for file in folder.whole:
        side, *rest = file.relative_to(folder.root).with_suffix("").parts
        if side not in SIDES:
            wrong.append(f"{folders.shown(file.relative_to(folder.root))} (in neither)")
            continue
        found = by_name[SIDES.index(side)]
        name = folders.composed("/".join(rest))
        if name in found:
            twice = f"{folders.shown(found[name].name)}, {folders.shown(file.name)}"
            wrong.append(f"{side}/{folders.shown(name)} (twice: {twice})")
        found[name] = file
    sources, targets = by_name
    for name in sorted(sources.keys() ^ targets.keys()):
        has, lacks = SIDES if name in sources else SIDES[::-1]
        wrong.append(f"{has}/{folders.shown(name)} (not in {lacks}/)")
    rule = "Every image of source/ must have one partner in target/ of its name"
    _refuse(rule, wrong, folder.spec)
    return [(sources[name], targets[name]) for name in sorted(sources)]


def _problem(*sizes: tuple[int, int]) -> str:
    """Why images of sizes (height, width) do not form a pair; empty if they do."""
    received = " and ".join(f"{width}x{height}" for height, width in sizes)
    if len(sizes) == 2:
        return received if sizes[0] != sizes[1] else ""
    ((height, width),) = sizes
    return "" if width % 2 == 0 and _WIDE[0] <= width / height <= _WIDE[1] else received


def _halves(pictures: Iterable[Image.Image]) -> list[Image.Image]:
    """(source, target), split if they are a single image."""
    pictures = list(pictures)
    if len(pictures) == 2:
        return pictures
    width, height = pictures[0].size
    middle = width // 2
    return [pictures[0].crop(box) for box in ((0, 0, middle, height), (middle, 0, width, height))]


def _refuse(rule: str, wrong: list[str], spec: str | os.PathLike) -> None:
    if wrong:
        raise DataError(
            f"{rule}. {len(wrong)} do not fit: {image_folder.named(wrong, 10)}. Received: '{spec}'."
        )
