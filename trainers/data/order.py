"""Which rows a training step sees: a permutation that depends only on (seed, pass)."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from trainers.data import DataError

# In place of a pass, for draws that stay the same in every pass.
FIXED = -1


class Countable(Protocol):
    """A source of rows: their count, and a name for messages."""

    @property
    def spec(self) -> str: ...

    @property
    def split(self) -> str: ...

    @property
    def count(self) -> int: ...


def is_training(split: str) -> bool:
    """Whether a split is a training split ("train..." or "all"), whose images are augmented."""
    return split.startswith("train") or split.partition("[")[0] == "all"


def row_seeds(seed: Any, pass_: Any, index: tf.Tensor) -> tf.Tensor:
    """Seeds of stateless draws from (seed, pass, index): int64 [N] -> int64 [N, 2], one per row."""
    pair = tf.stack([tf.cast(seed, tf.int64), tf.cast(pass_, tf.int64)])
    key = tf.random.stateless_uniform([], pair, minval=None, maxval=None, dtype=tf.int64)
    return tf.stack([tf.fill(tf.shape(index), key), tf.cast(index, tf.int64)], axis=1)


def draw(
    rows: Countable,
    batch_size: int,
    read: Callable[[tf.Tensor, tf.Tensor], Any],
    *,
    seed: int,
    start_step: int = 0,
    share: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Returns an infinite stream of training batches that depends only on `seed`.

    Every pass over the rows has a new order drawn from (seed, pass) and drops the last
    `count % batch_size` rows of that order. Step k gets the same batch whatever `start_step` is.
    Starting late costs nothing: earlier steps are never read.

    Args:
        rows: The source of rows.
        batch_size: Rows per batch (N), over all replicas.
        read: Maps (index int64 [N / count], seeds int64 [N / count, 2]) to the content of a batch.
            The seeds are `row_seeds` of (seed, pass, index), so a row's draws depend neither on the
            batch size nor on its share.
        seed: Determines the order.
        start_step: Number of batches to skip at the start, for a resumed run.
        share: (index, count): returns only the index-th of `count` equal parts of every batch, for
            one of `count` workers. Other rows are not read.

    Raises:
        DataError: if there is less than one batch, or `batch_size`, `start_step` or `share` is out
            of range.
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
    if rows.count < batch_size:
        raise DataError(
            f"'{rows.spec}' (split '{rows.split}') holds {rows.count} images, less than one "
            f"batch: use a batch size of {rows.count} or smaller, or a larger set. "
            f"Received: batch_size={batch_size}."
        )
    rows_each = batch_size // parts
    steps_per_pass = rows.count // batch_size
    first_pass, first_step = divmod(start_step, steps_per_pass)
    count = rows.count

    def steps_of(pass_: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(count, dtype=tf.int64), seed=[tf.cast(seed, tf.int64), pass_]
        )
        chunks = tf.data.Dataset.from_tensor_slices(order).batch(batch_size, drop_remainder=True)
        chunks = chunks.skip(tf.where(pass_ == first_pass, tf.cast(first_step, tf.int64), 0))
        return chunks.map(lambda index: (pass_, index[part * rows_each : (part + 1) * rows_each]))

    @tf.autograph.experimental.do_not_convert  # nothing to convert, and that takes half a second
    def read_step(pass_: tf.Tensor, index: tf.Tensor) -> Any:
        return read(index, row_seeds(seed, pass_, index))

    passes = tf.data.Dataset.range(first_pass, np.iinfo(np.int64).max)
    dataset = passes.flat_map(steps_of).map(
        read_step, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    return dataset.prefetch(tf.data.AUTOTUNE)
