"""Loaded data sets, and the training batches drawn from them.

A set reads rows by index, augments them, and draws them with `trainers.data.order.draw`. The kinds
of sets differ in what a row is.
"""

import abc
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from trainers.data import DataError, bicubic, fingerprint
from trainers.data.jitter import CROP, flip_and_turn, jitter, mirror, uniform
from trainers.data.order import FIXED, draw, is_training, row_seeds
from trainers.data.ragged import Photos
from trainers.data.tasks import Degrade

# Rows by index: int64 [N] -> a pair of tensors of N rows, such as (images uint8 [N, H, W, C],
# labels int64 [N]).
Reader = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


@dataclasses.dataclass(frozen=True)
class _Set(abc.ABC):
    """Base class of all sets.

    Attributes:
        spec: The spec as given: "sample:fashion_mnist", "fashion_mnist", "/path/to/folder".
        source: Where the pixels come from: "fashion_mnist" (for the sample too), a TFDS name, the
            absolute path of a folder.
        split: "train", "test", "train[:10000]"; "all" or "all[:100]" for a folder without splits.
    """

    spec: str
    source: str
    split: str

    _fingerprinted: ClassVar[int] = 64  # rows per array of `contents`; fingerprints depend on it

    def batches(
        self,
        batch_size: int,
        *,
        seed: int,
        start_step: int = 0,
        share: tuple[int, int] = (0, 1),
        augment: bool | None = None,
    ) -> tf.data.Dataset:
        """Returns an infinite stream of training batches that depends only on `seed`.

        Args:
            batch_size, seed, start_step, share: As in `trainers.data.order.draw`.
            augment: Whether to apply the augmentation of this kind of set; by default only to
                training splits.

        Returns:
            Batches of this kind of set, float32 in [-1, 1].

        Raises:
            DataError: as `draw`.
        """
        read = self._drawing(is_training(self.split) if augment is None else augment)
        return draw(self, batch_size, read, seed=seed, start_step=start_step, share=share)

    @functools.cached_property
    def sketch(self) -> dict[str, Any]:
        """Hashes that recognise its images: `fingerprint.sketch`."""
        return fingerprint.sketch(self)

    def contents(self) -> Iterator[np.ndarray]:
        """Yields all arrays of the set, for its fingerprint."""
        for arrays in self.images.batch(self._fingerprinted).as_numpy_iterator():
            yield from arrays

    def _drawing(self, augment: bool) -> Callable[[tf.Tensor, tf.Tensor], Any]:
        """The function `read` of `draw`: maps (index, seeds) to the content of a batch."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class ImageSet(_Set):
    """A set of decoded images of one size.

    Attributes:
        images: Unbatched, in a fixed order: (image uint8 [resolution, resolution, channels],
            label int64 []). The label is -1 if the set has no labels.
        count: Number of images in `images`.
        num_classes: Number of classes; None if the set has no labels.
        licence: The licence, or None if unknown.
        skipped: Files of a folder that could not be read, relative to it.
        reader: Reads images and labels by index; used by `batches`. It may be omitted in a set
            built by hand: `batches` then holds all `images` in memory.
    """

    images: tf.data.Dataset
    count: int
    num_classes: int | None
    licence: str | None
    skipped: tuple[str, ...] = ()
    reader: Reader | None = dataclasses.field(default=None, repr=False, compare=False)

    _fingerprinted: ClassVar[int] = 512

    def batches(
        self, batch_size: int, *, labels: bool = False, seed: int, **options: Any
    ) -> tf.data.Dataset:
        """As for every set: images float32 [N / count, H, W, C] in [-1, 1], never augmented.

        Args:
            batch_size, seed, options: As in `trainers.data.order.draw`.
            labels: Whether to yield (images, labels int64 [N / count]).

        Raises:
            DataError: as `draw`, or if labels are requested from a set that has none.
        """
        if labels and self.num_classes is None:
            raise DataError(
                f"'{self.spec}' has no labels: train a model without labels on it, or choose a "
                "labelled set such as 'fashion_mnist'. Received: labels=True."
            )
        reader = self.reader or _in_memory(self)

        def read(index: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
            pixels, label = reader(index)
            return (to_float(pixels), label) if labels else to_float(pixels)

        return draw(self, batch_size, read, seed=seed, **options)


class _OfTwoImages(_Set):
    """Base class of sets whose rows are two images, without labels."""

    num_classes: ClassVar[None] = None

    @property
    def images(self) -> tf.data.Dataset:
        """Unbatched, in a fixed order: uint8 rows from `reader`."""
        return in_order(self.reader, self.count)


@dataclasses.dataclass(frozen=True)
class PairSet(_OfTwoImages):
    """A set of pairs: a source image and its target image.

    Batches hold (source float32 [N / count, R, R, Cs], target float32 [N / count, R, R, Ct]). Pairs
    are jittered as in Pix2Pix, both images alike, or only mirrored if targets must stay `sharp`. In
    every pass over a training split, a task makes new sources from the augmented targets.

    Attributes:
        count: Number of pairs.
        licence, skipped: As in `ImageSet`.
        reader: int64 [N] -> (source uint8 [N, R, R, Cs], target uint8 [N, R, R, Ct]), without
            augmentation; a task's draws are fixed per index.
        degrade: Makes sources from targets and seeds, if a task makes the pairs.
        seed: Seed of a task's draws in `reader`.
        sharp: Whether targets must keep their sharpness: then pairs are only mirrored.
    """

    count: int
    licence: str | None
    reader: Reader = dataclasses.field(repr=False)
    skipped: tuple[str, ...] = ()
    degrade: Degrade | None = dataclasses.field(default=None, repr=False)
    seed: int = 0
    sharp: bool = False

    def _drawing(self, augment: bool) -> Callable[[tf.Tensor, tf.Tensor], Any]:
        def read(index: tf.Tensor, seeds: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            source, target = self.reader(index)
            if augment:
                source, target = (mirror if self.sharp else jitter)(seeds, source, target)
            if self.degrade is not None:
                fixed = row_seeds(self.seed, FIXED, index)
                source = self.degrade(target, seeds if is_training(self.split) else fixed)
            return to_float(source), to_float(target)

        return read


@dataclasses.dataclass(frozen=True)
class UnpairedSet(_OfTwoImages):
    """Unpaired images of two domains.

    Batches hold (a, b), both float32 [N / count, R, R, C]. Each domain has its own order and its
    own passes, so the smaller one is repeated more often. Each image is jittered on its own as in
    CycleGAN, or only mirrored if it must stay `sharp`.

    Attributes:
        a, b: The domains.
        counterparts: Whether image i shows the same thing in both domains, so that translations can
            be compared with the ground truth; training never uses it.
        sharp: Whether images must keep their sharpness: then they are only mirrored.
    """

    a: ImageSet
    b: ImageSet
    counterparts: bool = False
    sharp: bool = False

    @property
    def count(self) -> int:
        """Number of images in both domains together."""
        return self.a.count + self.b.count

    @property
    def licence(self) -> str | None:
        """The licence, as far as it is known."""
        return self.a.licence

    @property
    def skipped(self) -> tuple[str, ...]:
        """Files of a folder that could not be read, relative to it."""
        return self.a.skipped + self.b.skipped

    @property
    def images(self) -> tf.data.Dataset:
        """Unbatched, in a fixed order, up to the size of the smaller domain: (a, b), both uint8."""
        domains = tf.data.Dataset.zip((self.a.images, self.b.images))
        return domains.map(lambda a, b: (a[0], b[0]))

    def batches(
        self, batch_size: int, *, seed: int, augment: bool | None = None, **options: Any
    ) -> tf.data.Dataset:
        """As for every set; `batch_size` is per domain."""
        augment = is_training(self.split) if augment is None else augment

        def domain(image_set: ImageSet, seed: int) -> tf.data.Dataset:
            def read(index: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
                images, _ = image_set.reader(index)
                if augment:
                    (images,) = (mirror if self.sharp else jitter)(seeds, images)
                return to_float(images)

            return draw(image_set, batch_size, read, seed=seed, **options)

        return tf.data.Dataset.zip((domain(self.a, seed), domain(self.b, _other(seed))))

    def contents(self) -> Iterator[np.ndarray]:
        """Yields all arrays of the set, for its fingerprint."""
        yield from self.a.contents()
        yield from self.b.contents()


@dataclasses.dataclass(frozen=True)
class LowHighSet(_OfTwoImages):
    """Crops of images at high resolution, with the same crops at low resolution.

    The low image is the high one shrunk: bicubic, antialiased, in 8 bits, exactly as Pillow does.
    Batches hold (low float32 [N / count, R / scale, R / scale, C], high float32 [N / count, R, R,
    C]). Augmented crops have random positions and are mirrored and rotated by multiples of 90
    degrees; other crops are centred.

    Attributes:
        licence, skipped: As in `ImageSet`.
        photos: The whole images.
        resolution: Height and width of the high-resolution crops (R).
        scale: The low-resolution crops have height and width R / scale.
    """

    licence: str | None
    photos: Photos = dataclasses.field(repr=False)
    resolution: int
    scale: int
    skipped: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of images; each gives one crop per pass."""
        return len(self.photos)

    def reader(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """int64 [N] -> (low, high) of the centre crops, both uint8."""
        centre = tf.fill([tf.shape(index)[0], 2], 0.5)
        return self._with_low(self.photos.crops(index, centre, self.resolution))

    def contents(self) -> Iterator[np.ndarray]:
        """Yields all arrays of the set, for its fingerprint."""
        yield self.photos.sizes
        yield from self.photos

    def _drawing(self, augment: bool) -> Callable[[tf.Tensor, tf.Tensor], Any]:
        def read(index: tf.Tensor, seeds: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            if augment:
                high = self.photos.crops(index, uniform(seeds, CROP, 2), self.resolution)
                low, high = self._with_low(flip_and_turn(seeds, high))
            else:
                low, high = self.reader(index)
            return to_float(low), to_float(high)

        return read

    def _with_low(self, high: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        size = self.resolution // self.scale
        return bicubic.resize(high, size, size), high


def batches(image_set: _Set, batch_size: int, **kwargs) -> tf.data.Dataset:
    """`image_set.batches(batch_size, ...)`, which sets of every kind have."""
    return image_set.batches(batch_size, **kwargs)


def to_float(pixels: tf.Tensor) -> tf.Tensor:
    """Converts uint8 to float32 in [-1, 1]."""
    return tf.cast(pixels, tf.float32) / 127.5 - 1.0


def make_reader(*arrays: np.ndarray) -> Callable[[tf.Tensor], tuple[tf.Tensor, ...]]:
    """Returns a function that reads rows by index inside a tf.data pipeline.

    Args:
        arrays: Arrays with the same number of rows; for an `ImageSet`, images uint8
            [count, H, W, C] and labels int64 [count]. May be `np.memmap`s, for sets larger than
            memory.
    """
    readers = [_row_reader(array) for array in arrays]
    return lambda index: tuple(read(index) for read in readers)


def _row_reader(array: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
    if isinstance(array, np.memmap):

        def rows(index: tf.Tensor) -> tf.Tensor:
            return tf.numpy_function(lambda i: np.asarray(array[i]), [index], array.dtype)
    else:
        with tf.device("CPU:0"):
            tensor = tf.constant(array)

        def rows(index: tf.Tensor) -> tf.Tensor:
            return tf.gather(tensor, index)

    return lambda index: tf.ensure_shape(rows(index), (index.shape[0], *array.shape[1:]))


def in_order(reader: Callable, count: int) -> tf.data.Dataset:
    """Returns all `count` rows of `reader` one by one, in order."""
    return tf.data.Dataset.range(count).batch(256).map(reader).unbatch().prefetch(256)


def _in_memory(image_set: ImageSet) -> Reader:
    pixels, labels = zip(*image_set.images.as_numpy_iterator(), strict=True)
    return make_reader(np.stack(pixels), np.asarray(labels, np.int64))


def _other(seed: int) -> int:
    """Seed of the second domain, so that domains of equal size do not get the same order."""
    with tf.device("CPU:0"):
        return int(tf.random.stateless_uniform([], [seed, 1], None, None, tf.int64))
