"""What a loaded set of images is, and the training batches drawn from it."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from trainers.data import DataError
from trainers.data.order import draw

# Rows by index: int64 [N] -> (images uint8 [N, H, W, C], labels int64 [N]).
Reader = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """A set of images of one size, decoded and ready to be read.

    Attributes:
        spec: As it was asked for: "sample:fashion_mnist", "fashion_mnist", "/path/to/folder".
        source: What the pixels are: "fashion_mnist" (for the sample as well), a TFDS name, the
            absolute path of a folder.
        split: "train", "test", "train[:10000]"; "all" for a folder.
        images: Unbatched, in a fixed order: (image uint8 [resolution, resolution, channels],
            label int64 []). The label is -1 where the set has none.
        count: Number of images in `images`.
        num_classes: Number of classes; None where the set has no labels.
        licence: As far as it is known, else None.
        skipped: Files of a folder that could not be read, relative to it.
        reader: Reads images and labels by index; `batches` draws with it. A set built by hand may
            leave it out: `batches` then holds the whole of `images` in memory.
    """

    spec: str
    source: str
    split: str
    images: tf.data.Dataset
    count: int
    num_classes: int | None
    licence: str | None
    skipped: tuple[str, ...] = ()
    reader: Reader | None = dataclasses.field(default=None, repr=False, compare=False)

    def batches(
        self,
        batch_size: int,
        *,
        seed: int,
        start_step: int = 0,
        share: tuple[int, int] = (0, 1),
        labels: bool = False,
    ) -> tf.data.Dataset:
        """Returns training batches without end, a function of `seed` alone.

        Args:
            batch_size, seed, start_step, share: As in `trainers.data.order.draw`.
            labels: Whether to yield labels as well.

        Returns:
            Batches of images float32 [N / count, H, W, C] in [-1, 1]; with `labels=True` of
            (images, labels int64 [N / count]).

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

        return draw(self, batch_size, read, seed=seed, start_step=start_step, share=share)

    def contents(self) -> Iterator[np.ndarray]:
        """All that the set holds, array after array, for its fingerprint."""
        for images, labels in self.images.batch(512).as_numpy_iterator():
            yield images
            yield labels


def batches(image_set: ImageSet, batch_size: int, **kwargs) -> tf.data.Dataset:
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
