"""What a loaded set is, and the training batches drawn from it."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from trainers.data.errors import DataError

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


def make_reader(images: np.ndarray, labels: np.ndarray) -> Reader:
    """Returns a function that reads rows by index inside a tf.data pipeline.

    Args:
        images: uint8 [count, H, W, C]; an array, or a `np.memmap` for a set larger than memory.
        labels: int64 [count].
    """
    shape = images.shape[1:]
    with tf.device("CPU:0"):
        label_tensor = tf.constant(labels, tf.int64)
        image_tensor = None if isinstance(images, np.memmap) else tf.constant(images, tf.uint8)

    def read(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if image_tensor is not None:
            rows = tf.gather(image_tensor, index)
        else:
            rows = tf.numpy_function(lambda i: np.asarray(images[i]), [index], tf.uint8)
        return tf.ensure_shape(rows, (index.shape[0], *shape)), tf.gather(label_tensor, index)

    return read


def in_order(reader: Reader, count: int) -> tf.data.Dataset:
    """Returns all `count` rows of `reader` one by one, in order."""
    return tf.data.Dataset.range(count).batch(256).map(reader).unbatch().prefetch(256)


def batches(
    image_set: ImageSet,
    batch_size: int,
    *,
    seed: int,
    start_step: int = 0,
    labels: bool = False,
    share: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Returns training batches without end, a function of `seed` alone.

    Every pass over the set has a fresh order drawn from (seed, pass) and drops the last
    `count % batch_size` images of that order. Step k is the same batch whatever `start_step` the
    run began with, and beginning late costs nothing: the steps before it are never read.

    Args:
        image_set: What `load` returned.
        batch_size: Images a batch (N), over all replicas.
        seed: Decides the order.
        start_step: Number of batches to leave out at the beginning, for a run that resumes.
        labels: Whether to yield labels as well.
        share: (index, count): only the index-th of `count` equal parts of every batch, in order,
            for one of `count` workers. No other rows are read.

    Returns:
        Batches of images float32 [N / count, H, W, C] in [-1, 1]; with `labels=True` of (images,
        labels int64 [N / count]).

    Raises:
        DataError: if the set holds less than one batch, if `batch_size`, `start_step` or `share` is
            out of range, or if labels are asked of a set that has none.
    """
    if batch_size < 1 or start_step < 0:
        raise DataError(
            "batch_size must be at least 1 and start_step at least 0. "
            f"Received: batch_size={batch_size}, start_step={start_step}."
        )
    part, parts = share
    if not 0 <= part < parts or batch_size % parts:
        raise DataError(
            "A share is one of as many equal parts of a batch as there are workers. "
            f"Received: share={share}, batch_size={batch_size}."
        )
    if image_set.count < batch_size:
        raise DataError(
            f"'{image_set.spec}' (split '{image_set.split}') holds {image_set.count} images, less "
            f"than one batch: use a batch size of {image_set.count} or smaller, or a larger set. "
            f"Received: batch_size={batch_size}."
        )
    if labels and image_set.num_classes is None:
        raise DataError(
            f"'{image_set.spec}' has no labels: train a model without labels on it, or choose a "
            "labelled set such as 'fashion_mnist'. Received: labels=True."
        )
    reader = image_set.reader or _in_memory(image_set)
    rows_each = batch_size // parts
    steps_per_pass = image_set.count // batch_size
    first_pass, first_step = divmod(start_step, steps_per_pass)

    def indices(pass_: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(image_set.count, dtype=tf.int64), seed=[tf.cast(seed, tf.int64), pass_]
        )
        chunks = tf.data.Dataset.from_tensor_slices(order).batch(batch_size, drop_remainder=True)
        chunks = chunks.skip(tf.where(pass_ == first_pass, tf.cast(first_step, tf.int64), 0))
        return chunks.map(lambda rows: rows[part * rows_each : (part + 1) * rows_each])

    def read(index: tf.Tensor) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
        pixels, label = reader(index)
        images = tf.cast(pixels, tf.float32) / 127.5 - 1.0
        return (images, label) if labels else images

    passes = tf.data.Dataset.range(first_pass, np.iinfo(np.int64).max)
    dataset = passes.flat_map(indices).map(
        read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    return dataset.prefetch(tf.data.AUTOTUNE)


def _in_memory(image_set: ImageSet) -> Reader:
    pixels, labels = zip(*image_set.images.as_numpy_iterator(), strict=True)
    return make_reader(np.stack(pixels), np.asarray(labels, np.int64))
