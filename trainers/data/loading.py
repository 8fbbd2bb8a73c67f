"""`load`: from a spec to an `ImageSet`."""

import os

import numpy as np

from trainers.data import DataError, bundled, image_folder, pixels, tfds_sets
from trainers.data.naming import folder_source, is_folder
from trainers.data.sets import ImageSet, in_order, make_reader
from zoo.core.progress import with_progress


def load(
    spec: str,
    *,
    split: str = "train",
    resolution: int,
    channels: int,
    labels: bool = False,
    data_dir: str | os.PathLike | None = None,
) -> ImageSet:
    """Loads a set of images, decoded once, at one size.

    For images of other sizes, the shorter side is resized to `resolution` (bilinear, antialiased)
    and the centre is cropped. Grey and colour are converted into each other.

    Args:
        spec: "sample:NAME", bundled with the package; a TFDS name, "name" or "name/config", which
            is downloaded and prepared first if necessary; or the path of a folder of images. A name
            that TFDS knows means the TFDS set: write "./cifar10" for a folder.
        split: A TFDS split such as "train", "test" or "train[:10000]". A sample only has "train". A
            folder has the splits of its subfolders `train` and `test`; without them it is read as a
            whole and its split is "all". "train[:100]" or "train[10%:]" is then a part of its
            images, in the order of their paths ("all[:100]" of a whole folder).
        resolution: Height and width of the images.
        channels: 1 (grey) or 3 (RGB).
        labels: Whether the subfolders of a folder are classes. Other sets have labels or do not.
        data_dir: Where TFDS keeps prepared sets; by default TFDS's own folder.

    Returns:
        An `ImageSet`. Up to 2 GiB of decoded pixels are held in memory; a larger set is decoded to
        a temporary file, which every run writes again.

    Raises:
        DataError: for an unknown name or split, an invalid size, a set that can be neither found
            nor downloaded, or a folder without images, with too many unreadable ones, or without
            subfolders if labels are requested.
    """
    check_sizes(resolution, channels=channels)
    if is_folder(spec):
        folder = image_folder.open_folder(spec, split)
        classes, class_of = folder.classes() if labels else ((), None)
        if labels and not classes:
            raise no_classes(spec)
        images, read, skipped = image_folder.read(folder, resolution, channels)
        return image_set_of(
            spec,
            folder_source(spec),
            folder.split,
            images,
            None if class_of is None else class_of[read],
            len(classes) or None,
            skipped=skipped,
        )
    stored = open_stored(spec, split, data_dir, "images")
    num_classes = stored.num_classes
    images = pixels.allocate(stored.count, resolution, channels)
    label_of = np.full(stored.count, -1, np.int64)
    examples = stored.examples([stored.image_key(), *stored.label_keys])
    for i, (image, *label) in enumerate(with_progress(examples, stored.count)):
        images[i] = pixels.from_array(image, resolution, channels)
        if label:
            label_of[i] = label[0]
    if labels and num_classes:
        wrong = np.flatnonzero((label_of < 0) | (label_of >= num_classes))
        if len(wrong):
            raise DataError(
                f"Labels must be classes from 0 to {num_classes - 1}, one for every image. "
                f"Received: {label_of[wrong[0]]} for image {wrong[0]} of '{spec}', split "
                f"'{split}', and {len(wrong)} such labels in all."
            )
    source = spec.removeprefix("sample:")
    return image_set_of(spec, source, split, images, label_of, num_classes, stored.licence)


def no_classes(spec: str) -> DataError:
    """The error for a model or a metric that needs labels, and a folder that has none."""
    return DataError(
        "Classes are learnt and measured by labels: put the images of each class in a subfolder of "
        "its own, and none beside the subfolders, or choose a labelled data set. "
        f"Received: '{spec}'."
    )


def check_sizes(resolution: int, **channels: int) -> None:
    """Raises DataError unless all channel arguments are 1 or 3 and resolution is at least 1."""
    if resolution < 1 or not set(channels.values()) <= {1, 3}:
        raise DataError(
            f"{' and '.join(channels)} must be 1 (grey) or 3 (RGB) and resolution at least 1. "
            f"Received: {', '.join(f'{name}={n}' for name, n in channels.items())}, "
            f"resolution={resolution}."
        )


def open_stored(
    spec: str, split: str, data_dir: str | os.PathLike | None, *names: str
) -> bundled.Sample | tfds_sets.Split:
    """Opens a bundled sample, which must contain arrays of these names, or a split of a TFDS set.

    Raises:
        DataError: as `bundled.open_sample` or `tfds_sets.open_split`.
    """
    if spec.startswith("sample:"):
        return bundled.open_sample(spec, split, names)
    return tfds_sets.open_split(spec, split, data_dir)


def image_set_of(
    spec: str,
    source: str,
    split: str,
    images: np.ndarray,
    labels: np.ndarray | None = None,
    num_classes: int | None = None,
    licence: str | None = None,
    skipped: tuple[str, ...] = (),
) -> ImageSet:
    """Wraps decoded images, uint8 [count, H, W, C], in a set; labels are -1 if None is given."""
    reader = make_reader(images, np.full(len(images), -1, np.int64) if labels is None else labels)
    return ImageSet(
        spec=spec,
        source=source,
        split=split,
        images=in_order(reader, len(images)),
        count=len(images),
        num_classes=num_classes,
        licence=licence,
        skipped=skipped,
        reader=reader,
    )
