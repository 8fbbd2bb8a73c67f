"""Unpaired sets: images of two domains, for CycleGAN."""

import dataclasses
import os
import pathlib
import re
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import tensorflow as tf

from trainers.data import DataError, image_folder, pixels, tfds_sets
from trainers.data.image_set import ImageSet, to_float
from trainers.data.jitter import jitter, mirror
from trainers.data.loading import (
    check_sizes,
    image_set_of,
    load,
    read_sample,
)
from trainers.data.order import draw, is_training
from trainers.data.specs import folder_source, is_folder


@dataclasses.dataclass(frozen=True)
class UnpairedSet:
    """Images of two domains, none of which has a partner.

    Attributes:
        spec, source, split: As of an `ImageSet`.
        a, b: The domains.
        counterparts: Whether image i of either domain shows the same thing, so that translations
            can be measured against the truth; training never uses it.
        sharp: Whether images must stay as sharp as they are: then they are mirrored alone.
    """

    spec: str
    source: str
    split: str
    a: ImageSet
    b: ImageSet
    counterparts: bool = False
    sharp: bool = False

    num_classes: ClassVar[None] = None

    @property
    def count(self) -> int:
        """Images of both domains together."""
        return self.a.count + self.b.count

    @property
    def licence(self) -> str | None:
        """As far as it is known."""
        return self.a.licence

    @property
    def skipped(self) -> tuple[str, ...]:
        """Files of a folder that could not be read, relative to it."""
        return self.a.skipped + self.b.skipped

    @property
    def images(self) -> tf.data.Dataset:
        """Unbatched, in a fixed order, as far as the smaller domain goes: (a, b), both uint8."""
        domains = tf.data.Dataset.zip((self.a.images, self.b.images))
        return domains.map(lambda a, b: (a[0], b[0]))

    def batches(
        self,
        batch_size: int,
        *,
        seed: int,
        start_step: int = 0,
        share: tuple[int, int] = (0, 1),
        augment: bool | None = None,
    ) -> tf.data.Dataset:
        """Returns training batches without end, a function of `seed` alone.

        Each domain has an order of its own, and its own passes: the smaller one is seen through
        more often.

        Args:
            batch_size: Images of each domain in a batch (N), over all replicas.
            seed, start_step, share: As in `trainers.data.order.draw`.
            augment: Whether each image is jittered by itself as in CycleGAN, or mirrored where it
                must stay `sharp`. By default those of a training split are.

        Returns:
            Batches of (a, b), both float32 [N / count, R, R, C] in [-1, 1].

        Raises:
            DataError: as `draw`, of either domain.
        """
        augment = is_training(self.split) if augment is None else augment

        def domain(image_set: ImageSet, seed: int) -> tf.data.Dataset:
            def read(index: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
                images, _ = image_set.reader(index)
                if augment:
                    (images,) = (mirror if self.sharp else jitter)(seeds, images)
                return to_float(images)

            return draw(image_set, batch_size, read, seed=seed, start_step=start_step, share=share)

        return tf.data.Dataset.zip((domain(self.a, seed), domain(self.b, _other(seed))))

    def contents(self) -> Iterator[np.ndarray]:
        """All that the set holds, array after array, for its fingerprint."""
        yield from self.a.contents()
        yield from self.b.contents()


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
        split: "train" or "test"; of a TFDS set also "train[:100]", the first 100 of each domain.
        resolution: Height and width of the images.
        channels: 1 (grey) or 3 (RGB).
        data_dir: Where TFDS keeps prepared sets; by default TFDS's own place.

    Images of the two domains are `counterparts` where they have the same names in the same order:
    those of the files of a folder, unless they are mere numbers, or those that a TFDS set tells as
    the feature "name".

    Raises:
        DataError: as `load`, or for a domain that has no images.
    """
    check_sizes(resolution, channels=channels)
    counterparts = False
    if spec.startswith("sample:"):
        source = spec.removeprefix("sample:")
        arrays, licence = read_sample(spec, split, ("a", "b"))
        domains = []
        for letter, array in zip("AB", arrays, strict=True):
            if not len(array):
                raise DataError(
                    "Both domains must have images. "
                    f"Received: '{spec}', split='{split}', whose {letter} is empty."
                )
            images = np.stack([pixels.from_array(image, resolution, channels) for image in array])
            domains.append(image_set_of(spec, source, split + letter, images, licence=licence))
    elif is_folder(spec):
        source = folder_source(spec)
        domains = [
            _of_folder(spec, source, split + letter, resolution, channels) for letter in "AB"
        ]
        a, b = (_names(spec, domain) for domain in domains)
        counterparts = a == b and not all(pathlib.Path(name).stem.isdigit() for name in a)
    else:
        source = spec
        name, part = re.fullmatch(r"([^\[]*)(.*)", split, re.DOTALL).groups()
        splits = [f"{name}{letter}{part}" for letter in "AB"]
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


def _of_folder(spec: str, source: str, name: str, resolution: int, channels: int) -> ImageSet:
    path = pathlib.Path(spec).expanduser() / name
    if not path.is_dir():
        raise DataError(
            "A folder of two domains has the subfolders trainA and trainB, testA and testB: "
            f"'{name}' is missing. Received: '{spec}'."
        )
    images, _, skipped = image_folder.read(path, resolution, channels)
    return image_set_of(
        spec, source, name, images, skipped=tuple(f"{name}/{file}" for file in skipped)
    )


def _names(spec: str, domain: ImageSet) -> list[str]:
    """The files of a domain of a folder, without what could not be read."""
    path = pathlib.Path(spec).expanduser() / domain.split
    names = image_folder.relative(image_folder.find(path), path)
    return [name for name in names if f"{domain.split}/{name}" not in domain.skipped]


def _other(seed: int) -> int:
    """The seed of the second domain, or sets of one size would be in one order."""
    with tf.device("CPU:0"):
        return int(tf.random.stateless_uniform([], [seed, 1], None, None, tf.int64))
