"""What a loaded set is, and the training batches drawn from it.

A set is rows that are read by index, how they are augmented, and one way of drawing them
(`trainers.data.order.draw`); its kinds differ in what a row is.
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
    """What sets of every kind have.

    Attributes:
        spec: As it was asked for: "sample:fashion_mnist", "fashion_mnist", "/path/to/folder".
        source: What the pixels are: "fashion_mnist" (for the sample as well), a TFDS name, the
            absolute path of a folder.
        split: "train", "test", "train[:10000]"; "all" for a folder.
    """

    spec: str
    source: str
    split: str

    _fingerprinted: ClassVar[int] = 64  # rows at a time: what a fingerprint is made of

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

        Args:
            batch_size, seed, start_step, share: As in `trainers.data.order.draw`.
            augment: Whether rows are augmented as this kind of set is. By default those of a
                training split are.

        Returns:
            Batches of what this kind of set holds, float32 in [-1, 1].

        Raises:
            DataError: as `draw`.
        """
        read = self._drawing(is_training(self.split) if augment is None else augment)
        return draw(self, batch_size, read, seed=seed, start_step=start_step, share=share)

    @functools.cached_property
    def sketch(self) -> dict[str, Any]:
        """Hashes of its images, by which they are known again: `fingerprint.sketch`."""
        return fingerprint.sketch(self)

    def contents(self) -> Iterator[np.ndarray]:
        """All that the set holds, array after array, for its fingerprint."""
        for arrays in self.images.batch(self._fingerprinted).as_numpy_iterator():
            yield from arrays

    def _drawing(self, augment: bool) -> Callable[[tf.Tensor, tf.Tensor], Any]:
        """From (index, seeds) to what a batch holds, as `draw` takes it."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class ImageSet(_Set):
    """A set of images of one size, decoded and ready to be read.

    Attributes:
        images: Unbatched, in a fixed order: (image uint8 [resolution, resolution, channels],
            label int64 []). The label is -1 where the set has none.
        count: Number of images in `images`.
        num_classes: Number of classes; None where the set has no labels.
        licence: As far as it is known, else None.
        skipped: Files of a folder that could not be read, relative to it.
        reader: Reads images and labels by index; `batches` draws with it. A set built by hand may
            leave it out: `batches` then holds the whole of `images` in memory.
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
        """As of every set: images float32 [N / count, H, W, C] in [-1, 1], never augmented.

        Args:
            batch_size, seed, options: As in `trainers.data.order.draw`.
            labels: Whether to yield (images, labels int64 [N / count]).

        Raises:
            DataError: as `draw`, or if labels are asked of a set that has none.
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
    """Rows are two images, without labels."""

    num_classes: ClassVar[None] = None

    @property
    def images(self) -> tf.data.Dataset:
        """Unbatched, in a fixed order: rows as `reader` gives them, uint8."""
        return in_order(self.reader, self.count)


@dataclasses.dataclass(frozen=True)
class PairSet(_OfTwoImages):
    """A set of pairs: a source image and the target image that it is to become.

    Batches hold (source float32 [N / count, R, R, Cs], target float32 [N / count, R, R, Ct]). Pairs
    are jittered as in Pix2Pix, both images alike, or mirrored where targets must stay `sharp`. A
    task draws again in every pass over a training split, from the target as augmented.

    Attributes:
        count: Pairs.
        licence, skipped: As of an `ImageSet`.
        reader: int64 [N] -> (source uint8 [N, R, R, Cs], target uint8 [N, R, R, Ct]), without
            augmentation; what a task draws is fixed by the index.
        degrade: Makes sources from targets and seeds, where the pairs are those of a task.
        seed: Of what `reader` draws then.
        sharp: Whether targets must stay as sharp as they are: then pairs are mirrored alone.
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
    """Images of two domains, none of which has a partner.

    Batches hold (a, b), both float32 [N / count, R, R, C]. Each domain has an order of its own, and
    its own passes: the smaller one is seen through more often. Each image is jittered by itself as
    in CycleGAN, or mirrored where it must stay `sharp`.

    Attributes:
        a, b: The domains.
        counterparts: Whether image i of either domain shows the same thing, so that translations
            can be measured against the truth; training never uses it.
        sharp: Whether images must stay as sharp as they are: then they are mirrored alone.
    """

    a: ImageSet
    b: ImageSet
    counterparts: bool = False
    sharp: bool = False

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
        self, batch_size: int, *, seed: int, augment: bool | None = None, **options: Any
    ) -> tf.data.Dataset:
        """As of every set; `batch_size` is of each domain."""
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
        """All that the set holds, array after array, for its fingerprint."""
        yield from self.a.contents()
        yield from self.b.contents()


@dataclasses.dataclass(frozen=True)
class LowHighSet(_OfTwoImages):
    """Crops of pictures at a high resolution, and the same at a lower one.

    The low image is the high one shrunk: bicubic, antialiased, in 8 bits, exactly as Pillow does.
    Batches hold (low float32 [N / count, R / scale, R / scale, C], high float32 [N / count, R, R,
    C]). Augmented crops are taken anywhere, mirrored and turned by multiples of 90 degrees; others
    are of the centre.

    Attributes:
        licence, skipped: As of an `ImageSet`.
        photos: The pictures, whole.
        resolution: Height and width of the high crops (R).
        scale: The low ones are R / scale high and wide.
    """

    licence: str | None
    photos: Photos = dataclasses.field(repr=False)
    resolution: int
    scale: int
    skipped: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Pictures, each of which gives one crop a pass."""
        return len(self.photos)

    def reader(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """int64 [N] -> (low, high), uint8 both, of the centres."""
        centre = tf.fill([tf.shape(index)[0], 2], 0.5)
        return self._with_low(self.photos.crops(index, centre, self.resolution))

    def contents(self) -> Iterator[np.ndarray]:
        """All that the set holds, array after array, for its fingerprint."""
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
    """`image_set.batches(batch_size, ...)`; sets of every kind have that method."""
    return image_set.batches(batch_size, **kwargs)


def to_float(pixels: tf.Tensor) -> tf.Tensor:
    """From uint8 to float32 in [-1, 1]."""
    return tf.cast(pixels, tf.float32) / 127.5 - 1.0


def make_reader(*arrays: np.ndarray) -> Callable[[tf.Tensor], tuple[tf.Tensor, ...]]:
    """Returns a function that reads rows by index inside a tf.data pipeline.

    Args:
        arrays: As many rows in each: of an `ImageSet` images uint8 [count, H, W, C] and labels
            int64 [count]. An array may be a `np.memmap`, for a set larger than memory.
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
    """The seed of the second domain, or sets of one size would be in one order."""
    with tf.device("CPU:0"):
        return int(tf.random.stateless_uniform([], [seed, 1], None, None, tf.int64))
