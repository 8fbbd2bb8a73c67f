"""`load`: from a spec to an `ImageSet`."""

import os
import pathlib

import numpy as np

from trainers.data import DataError, bundled, image_folder, pixels, tfds_sets
from trainers.data.image_set import ImageSet, in_order, make_reader
from zoo.core.progress import with_progress


def load(
    spec: str,
    *,
    split: str = "train",
    resolution: int,
    channels: int,
    data_dir: str | os.PathLike | None = None,
) -> ImageSet:
    """Loads a set of images, decoded once, at one size.

    Pictures of other sizes have their shorter side resized to `resolution` (bilinear, antialiased)
    and their centre cropped; grey and colour are converted into each other.

    Args:
        spec: "sample:NAME", bundled with the package; a TFDS name, "name" or "name/config", which
            is downloaded and prepared first where that is still to do; or the path of a folder of
            images. A name that TFDS knows is the TFDS set: write "./cifar10" for a folder.
        split: "train", "test", "train[:10000]"...: what TFDS takes. A sample has "train" alone; a
            folder is always read whole, and its split reads "all".
        resolution: Height and width of the images.
        channels: 1 (grey) or 3 (RGB).
        data_dir: Where TFDS keeps prepared sets; by default TFDS's own place.

    Returns:
        An `ImageSet`. Up to 2 GiB of decoded pixels are held in memory; a larger set is decoded to
        a temporary file, anew in every run.

    Raises:
        DataError: for an unknown name, split or size, a set that can be neither found nor
            downloaded, or a folder with no images or too many that cannot be read.
    """
    check_sizes(resolution, channels=channels)
    if spec.startswith("sample:"):
        name = spec.removeprefix("sample:")
        images, labels = bundled.read(name, split)
        decoded = pixels.allocate(len(images), resolution, channels)
        for i, image in enumerate(with_progress(images, len(images))):
            decoded[i] = pixels.from_array(image, resolution, channels)
        num_classes = None if (labels < 0).all() else 10
        return image_set_of(spec, name, split, decoded, labels, num_classes, bundled.SAMPLES[name])
    if is_folder(spec):
        images, skipped = image_folder.read(spec, resolution, channels)
        return image_set_of(spec, folder_source(spec), "all", images, skipped=skipped)
    tfds_set = tfds_sets.read(spec, split, resolution, channels, data_dir)
    return image_set_of(spec, spec, split, *tfds_set)


def check_sizes(resolution: int, **channels: int) -> None:
    """Raises DataError unless channels, by argument, are 1 or 3 and resolution is 1 or more."""
    if resolution < 1 or not set(channels.values()) <= {1, 3}:
        raise DataError(
            f"{' and '.join(channels)} must be 1 (grey) or 3 (RGB) and resolution at least 1. "
            f"Received: {', '.join(f'{name}={n}' for name, n in channels.items())}, "
            f"resolution={resolution}."
        )


def is_folder(spec: str) -> bool:
    """Whether a spec is the path of a folder, there or not, rather than a name of TFDS."""
    if not spec or tfds_sets.is_known(spec):
        return False
    if pathlib.Path(spec).expanduser().is_dir():
        return True
    # "name/config" of TFDS has a separator too: there the config must be wrong, not the folder.
    looks_like_path = os.sep in spec or spec.startswith(("~", "."))
    return looks_like_path and not tfds_sets.is_known(spec.split("/")[0])


def folder_source(spec: str) -> str:
    """The absolute path of a folder, as the source of a set."""
    return str(pathlib.Path(spec).expanduser().resolve())


def read_sample(spec: str, split: str, names: tuple[str, ...]) -> tuple[list[np.ndarray], str]:
    """Reads arrays of a bundled sample, uint8 [N, H, W, C] each, and its licence.

    Raises:
        DataError: for an unknown sample or split, or a sample of another kind.
    """
    name = spec.removeprefix("sample:")
    arrays = bundled.read_arrays(name, split)
    if not set(names) <= set(arrays):
        raise DataError(
            f"A sample read like this holds {' and '.join(names)}. "
            f"Received: '{spec}', which holds {' and '.join(arrays)}."
        )
    return [arrays[name] for name in names], bundled.SAMPLES[name]


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
    """Returns decoded images, uint8 [count, H, W, C], as a set; labels are -1 where None."""
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
