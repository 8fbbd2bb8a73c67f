"""`load_unpaired`: from a spec to an `UnpairedSet`, for CycleGAN."""

import dataclasses
import os
import pathlib

import numpy as np

from trainers.data import DataError, bundled, image_folder, pixels, tfds_sets
from trainers.data.loading import check_sizes, image_set_of, load
from trainers.data.naming import folder_source, is_folder
from trainers.data.sets import ImageSet, UnpairedSet
from zoo.pictures import folders


def load_unpaired(
    spec: str,
    *,
    split: str = "train",
    resolution: int,
    channels: int,
    data_dir: str | os.PathLike | None = None,
) -> UnpairedSet:
    """Loads images of two domains, decoded once, at one size, as `load` does.

    Args:
        spec: "sample:NAME"; a TFDS name such as "cycle_gan/horse2zebra", with the splits trainA,
            trainB, testA and testB; or the path of a folder with subfolders of those names.
        split: "train" or "test"; of a TFDS set or a folder also "train[:100]", the first 100 of
            each domain.
        resolution: Height and width of the images.
        channels: 1 (grey) or 3 (RGB).
        data_dir: Where TFDS keeps prepared sets; by default TFDS's own folder.

    Images of the two domains are `counterparts` if they have the same names in the same order. The
    names are the file names of a folder, unless these are just numbers, or a TFDS set's feature
    "name".

    Raises:
        DataError: as `load`, or for a domain without images.
    """
    check_sizes(resolution, channels=channels)
    counterparts = False
    name, bracket, part = split.partition("[")
    splits = [f"{name}{letter}{bracket}{part}" for letter in "AB"]
    if spec.startswith("sample:"):
        sample = bundled.open_sample(spec, split, ("a", "b"))
        source = spec.removeprefix("sample:")
        domains = []
        for letter in "AB":
            array = sample.arrays[letter.lower()]
            if not len(array):
                raise DataError(
                    "Both domains must have images. "
                    f"Received: '{spec}', split='{split}', whose {letter} is empty."
                )
            images = np.stack([pixels.from_array(image, resolution, channels) for image in array])
            domains.append(
                image_set_of(spec, source, split + letter, images, licence=sample.licence)
            )
    elif is_folder(spec):
        source = folder_source(spec)
        read = [_of_folder(spec, source, one, resolution, channels) for one in splits]
        domains, (a, b) = zip(*read, strict=True)
        counterparts = a == b and not all(pathlib.Path(name).stem.isdigit() for name in a)
    else:
        source = spec
        domains = [
            load(spec, split=one, resolution=resolution, channels=channels, data_dir=data_dir)
            for one in splits
        ]
        domains = [dataclasses.replace(domain, num_classes=None) for domain in domains]
        a, b = (tfds_sets.open_split(spec, one, data_dir) for one in splits)
        counterparts = "name" in a.features and (
            list(a.examples(["name"])) == list(b.examples(["name"]))
        )
    return UnpairedSet(spec, source, split, *domains, counterparts)


def _of_folder(
    spec: str, source: str, split: str, resolution: int, channels: int
) -> tuple[ImageSet, list[str]]:
    """Reads one domain, "trainA" or "trainA[:100]"; returns it with the names of its images."""
    name, bracket, part = split.partition("[")
    path = pathlib.Path(spec).expanduser() / name
    if not path.is_dir():
        raise DataError(
            "A folder of two domains has the subfolders trainA and trainB, testA and testB: "
            f"'{name}' is missing. Received: '{spec}'."
        )
    folder = image_folder.open_folder(path, f"train{bracket}{part}")
    images, good, skipped = image_folder.read(folder, resolution, channels)
    names = folder.names()
    domain = image_set_of(
        spec, source, split, images, skipped=tuple(f"{name}/{file}" for file in skipped)
    )
    return domain, [folders.composed(names[i]) for i in good]
