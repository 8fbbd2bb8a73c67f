"""What `fit` is given: Keras's forms of data, and a look at the first batch before a long compile.

    form                                   a short last batch is dropped, where no step can take it
    numpy arrays and tensors               with the rest of the images, which are others every epoch
    tf.data.Dataset                        by a filter
    keras.utils.PyDataset                  by its length
    a generator, or another iterator       as it comes

Anything else (a distributed dataset, a DataLoader) is passed to Keras as it is.
"""

import contextlib
import itertools
import re
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from zoo.core.gan import GAN

KERAS_BATCH = 32  # `fit`'s, where no batch_size is given

_FAILED = re.compile(r"assertion failed: \[(.*?)\]\s*(?:\[\[|\[Op:|$)", re.DOTALL | re.MULTILINE)


def unpacked(batch: Any) -> Any:
    """A batch as a family knows it: one tensor, or a tuple of two.

    Keras wraps a lone tensor in a tuple, and adds None for targets and weights that are not given.
    """
    if not isinstance(batch, tuple | list):
        return batch
    batch = tuple(batch)
    while len(batch) > 1 and batch[-1] is None:
        batch = batch[:-1]
    return unpacked(batch[0]) if len(batch) == 1 else batch


def prepare(gan: "GAN", arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `fit`, with the first batch looked at and short batches dropped.

    Args:
        gan: Which is to be trained; it checks the batch.
        arguments: Those that were given, by name.

    Raises:
        ValueError: Data that the model cannot be trained on.
    """
    _refuse_weights(arguments)
    x = arguments.get("x")
    if x is None:
        raise ValueError(
            "fit takes images: an array, a tf.data.Dataset, a PyDataset or a generator of batches. "
            "Received: None."
        )
    if isinstance(x, tf.data.Dataset):
        return {"shuffle": False, **arguments, "x": _of_dataset(gan, x)}
    if isinstance(x, keras.utils.PyDataset):
        return {**arguments, "x": _of_py_dataset(gan, x)}
    if isinstance(x, Iterator):
        return {"shuffle": False, **arguments, "x": _of_iterator(gan, x)}
    if all(isinstance(leaf, np.ndarray | tf.Tensor) for leaf in tf.nest.flatten(x)):
        return _of_arrays(gan, arguments)
    return arguments


def one_batch(gan: "GAN", arguments: dict[str, Any]) -> Any:
    """The batch that `train_on_batch` is given, looked at.

    Raises:
        ValueError: One that the model cannot be trained on.
    """
    _refuse_weights(arguments)
    replicas = gan.distribute_strategy.num_replicas_in_sync
    if replicas > 1:
        raise ValueError(
            "train_on_batch would give each replica the whole batch: use fit. "
            f"Received: {replicas} replicas."
        )
    batch = _tensors(unpacked((arguments["x"], arguments["y"])))
    look(gan, batch)
    return batch


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Turns what a check of values says in a graph into a ValueError of one line."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        told = reason(error)
        if told is None:
            raise
        raise ValueError(told) from None


def look(gan: "GAN", batch: Any) -> int:
    """Checks a batch as `train_step` would, but at once; returns how many images it holds.

    Raises:
        ValueError: Another type, shape, structure or size, or values out of range.
    """
    with one_line():
        checked = gan.check_batch(_tensors(unpacked(batch)))
    leaves = tf.nest.flatten(checked)
    _warn_of_range([leaf for leaf in leaves if leaf.dtype.is_floating and leaf.shape.rank == 4])
    count = int(leaves[0].shape[0])
    replicas = gan.distribute_strategy.num_replicas_in_sync
    if count % replicas:
        raise ValueError(
            f"A batch must be a multiple of the {replicas} replicas. Received: a batch of {count}."
        )
    check_share(gan, count // replicas)
    gan.first_batch(checked)
    return count


def check_share(gan: "GAN", count: int) -> None:
    """Raises ValueError where a replica's batch of `count` images is none that a step can take."""
    if count == 0:
        raise ValueError("A batch must hold at least one image. Received: an empty batch.")
    if count % gan.accumulate:
        raise ValueError(
            f"A replica's batch must be a multiple of accumulate={gan.accumulate}. "
            f"Received: a batch of {count}."
        )
    gan.check_batch_size(count // gan.accumulate)


def reason(error: tf.errors.InvalidArgumentError) -> str | None:
    """What a check of values in a graph says, in one line; None of an error of another kind."""
    text = error.message
    if "Summarized data: " in text:  # eagerly: b'Images must ...' 0.0 b'to' 255.0
        text = text.partition("Summarized data: ")[2]
        text = re.sub(r"b'(.*?)'(?=\s|$)|b\"(.*?)\"(?=\s|$)", r"\1\2", text)
    else:
        found = _FAILED.search(text)
        if found is None:
            return None
        text = found[1].replace("] [", " ")
    text = " ".join(text.split())
    return f"{text}." if " Received: " in text else None


def _of_dataset(gan: "GAN", dataset: tf.data.Dataset) -> tf.data.Dataset:
    first = next(iter(dataset.take(1)), None)
    if first is None:
        raise ValueError("The dataset must hold a batch. Received: an empty dataset.")
    count = look(gan, first)
    shapes = [spec.shape for spec in tf.nest.flatten(dataset.element_spec)]
    whole = _only_whole(gan)
    if all(shape.rank is not None and shape[1:].is_fully_defined() for shape in shapes) and (
        not whole or shapes[0][0] is not None
    ):
        return dataset
    if whole and shapes[0][:1].as_list() != [count]:
        _warn(f"A batch of other than {count} images, such as a short last one, is dropped")
        dataset = dataset.filter(lambda *batch: tf.shape(tf.nest.flatten(batch)[0])[0] == count)
    sizes = [[count if whole else None, *leaf.shape[1:]] for leaf in tf.nest.flatten(first)]

    def sized(*batch: Any) -> Any:
        leaves = map(tf.ensure_shape, tf.nest.flatten(batch), sizes)
        return tf.nest.pack_sequence_as(first, list(leaves))

    return dataset.map(sized)


def _of_arrays(gan: "GAN", arguments: dict[str, Any]) -> dict[str, Any]:
    x, y = arguments["x"], arguments.get("y")
    arrays = x if y is None else (x, y)
    leaves = tf.nest.flatten(arrays)
    counts = [leaf.shape[0] if len(leaf.shape) else 0 for leaf in leaves]
    if not all(counts):
        raise ValueError(f"fit takes at least one image. Received: {_shapes(leaves)}.")
    if len(set(counts)) > 1:
        raise ValueError(f"Arrays must have the same number of rows. Received: {_shapes(leaves)}.")
    size = min(arguments.get("batch_size") or KERAS_BATCH, counts[0])
    look(gan, tf.nest.map_structure(lambda leaf: leaf[:size], arrays))
    rest = counts[0] % size
    if not rest or not _only_whole(gan):
        return arguments
    _warn(f"The last {rest} of {counts[0]} images (others in each epoch) are dropped")
    rows = tf.data.Dataset.range(counts[0])
    if arguments.get("shuffle", True):
        rows = rows.shuffle(counts[0])
    tensors = tf.nest.map_structure(tf.convert_to_tensor, arrays)
    batches = rows.batch(size, drop_remainder=True).map(
        lambda chosen: tf.nest.map_structure(lambda leaf: tf.gather(leaf, chosen), tensors)
    )
    return {**arguments, "x": batches, "y": None, "batch_size": None, "shuffle": False}


def _of_iterator(gan: "GAN", batches: Iterator[Any]) -> Iterator[Any]:
    first = next(batches, None)
    if first is None:
        raise ValueError("A generator must yield a batch. Received: an empty one.")
    count = look(gan, first)
    whole = _only_whole(gan)

    def generator() -> Iterator[Any]:
        for batch in itertools.chain([first], batches):
            batch = unpacked(batch)
            if whole and len(tf.nest.flatten(batch)[0]) != count:
                _warn(f"A batch of other than {count} images is dropped")
                continue
            yield batch if isinstance(batch, tuple) else (batch,)

    return generator()


def _of_py_dataset(gan: "GAN", dataset: keras.utils.PyDataset) -> keras.utils.PyDataset:
    total = dataset.num_batches
    if total == 0:
        raise ValueError("The PyDataset must hold a batch. Received: a length of 0.")
    count = look(gan, dataset[0])
    last = dataset[total - 1] if total is not None and total > 1 and _only_whole(gan) else None
    if last is not None and len(tf.nest.flatten(unpacked(last))[0]) != count:
        _warn(f"The last batch, of other than {count} images, is dropped")
        total -= 1
    return _Batches(dataset, total)


class _Batches(keras.utils.PyDataset):
    """The first batches of a `PyDataset`; all where `length` is None, as they come without end."""

    def __init__(self, dataset: keras.utils.PyDataset, length: int | None) -> None:
        super().__init__(
            workers=dataset.workers,
            use_multiprocessing=dataset.use_multiprocessing,
            max_queue_size=dataset.max_queue_size,
        )
        self.dataset = dataset
        self.length = length

    @property
    def num_batches(self) -> int | None:
        return self.length

    def __getitem__(self, index: int) -> Any:
        batch = unpacked(self.dataset[index])
        return batch if isinstance(batch, tuple) else (batch,)

    def on_epoch_begin(self) -> None:
        self.dataset.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self.dataset.on_epoch_end()


def _only_whole(gan: "GAN") -> bool:
    """Whether a step may fail on a batch that is shorter than the first."""
    return (
        gan.distribute_strategy.num_replicas_in_sync > 1 or gan.accumulate > 1 or gan.groups_batch
    )


def _refuse_weights(arguments: dict[str, Any]) -> None:
    for name in ("sample_weight", "class_weight"):
        if arguments.get(name) is not None:
            raise ValueError(f"A GAN takes no {name}: leave it out. Received: {name}.")


def _tensors(batch: Any) -> Any:
    """Arrays as tensors; float64, numpy's own default, as float32."""

    def tensor(leaf: Any) -> Any:
        if not isinstance(leaf, np.ndarray | np.generic):
            return leaf
        return tf.constant(leaf, tf.float32 if leaf.dtype == np.float64 else None)

    return tf.nest.map_structure(tensor, batch)


def _tell(message: str) -> None:
    """Warns, of the line that called `fit`."""
    frame, level = sys._getframe(), 1
    while frame.f_back and frame.f_globals["__name__"].partition(".")[0] in ("zoo", "keras"):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


def _warn_of_range(pictures: list[tf.Tensor]) -> None:
    for images in pictures:
        low, high = float(tf.reduce_min(images)), float(tf.reduce_max(images))
        cure = ""
        if 0.0 <= low < high:
            cure = "2 * x - 1 converts 0 to 1"
        elif -0.5 <= low < high <= 0.5:
            cure = "2 * x converts -0.5 to 0.5"
        if cure:
            _tell(
                f"Images should fill [-1, 1], as the networks' do: {cure}. "
                f"Received: a batch from {low:g} to {high:g}."
            )


def _warn(what: str) -> None:
    _tell(f"{what}: a step cannot take it (replicas, accumulate, or groups within a batch).")


def _shapes(arrays: list[Any]) -> str:
    return " and ".join(str(list(array.shape)) for array in arrays)
