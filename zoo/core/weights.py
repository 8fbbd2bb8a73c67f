"""A preset's weights file, and counting parameters."""

import contextlib
import math
import pathlib
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import keras
import numpy as np

from zoo.core import presets
from zoo.core.readers import safetensors_files


def trainable_parameters(network: keras.Model) -> int:
    """Number of trainable parameters of `network`."""
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


# What a model may have besides the numbers of a file: D of a generator alone; pools of images.
# (SRGAN's D has the most arrays beside a small G: it needs 60. Each costs a hostile config 10 ms.)
FURTHER_VARIABLES = 64
FURTHER_NUMBERS = 1 << 25
POOLED_NUMBERS = 1 << 27

_loading = threading.RLock()


@contextlib.contextmanager
def limited_to(shapes: Sequence[tuple[int, ...]]) -> Iterator[None]:
    """Inside, a model is built that fits a weights file: a larger one fails before it is there.

    So a config that asks for a million layers, or for wide ones, costs no time and no memory.

    Args:
        shapes: Of the file's arrays; the average's come on top.

    Raises:
        ValueError: More variables, or larger ones, than the file can fill.
    """
    variables = 3 * len(shapes) + FURTHER_VARIABLES
    numbers = 3 * sum(map(math.prod, shapes)) + FURTHER_NUMBERS
    pooled = POOLED_NUMBERS
    largest = max(map(math.prod, shapes), default=0)

    add_weight = keras.layers.Layer.add_weight

    def counted(layer: keras.layers.Layer, shape: Any = None, *args: Any, **kwargs: Any) -> Any:
        nonlocal variables, numbers, pooled
        size = math.prod(shape or ())
        variables -= 1
        if getattr(layer, "is_pool", False):
            pooled -= size
        else:
            numbers -= size
        if min(variables, numbers, pooled) < 0:
            raise ValueError(
                "the networks must be those of the weights file, which holds "
                f"{len(shapes):,} arrays, the largest of {largest:,} numbers. "
                "Received: a config of larger ones."
            )
        return add_weight(layer, shape, *args, **kwargs)

    # Keras has no hook for what a layer is about to allocate.
    with _loading:
        keras.layers.Layer.add_weight = counted
        try:
            yield
        finally:
            keras.layers.Layer.add_weight = add_weight


class Pair(keras.Model):
    """What a weights file holds, under these names; of a generator alone no discriminator."""

    def __init__(self, generator: keras.Model, discriminator: keras.Model | None) -> None:
        super().__init__()
        self.generator = generator
        if discriminator is not None:
            self.discriminator = discriminator
        self.built = True


def check_place(pair: Pair, shapes: Sequence[tuple[int, ...]]) -> None:
    """Raises ValueError for a file with more arrays, or far larger ones, than a pair has.

    Args:
        pair: The networks.
        shapes: Of the file's arrays. (BigGAN's of earlier versions are a little larger.)
    """
    variables = pair.variables
    room = sum(math.prod(variable.shape) for variable in variables)
    numbers = sum(map(math.prod, shapes))
    if len(shapes) > len(variables) or numbers > 2 * room:
        raise ValueError(
            f"{len(shapes):,} arrays with {numbers:,} numbers, where the networks have "
            f"{len(variables):,} with {room:,}."
        )


def load(pair: Pair, path: pathlib.Path) -> None:
    """Fills `pair` from a weights file of either format, whose shapes have been checked.

    Raises:
        ValueError: Arrays that are not the pair's.
    """
    if path.name != presets.SAFETENSORS_FILE:
        pair.load_weights(path)
        return
    # Keras reads HDF5 alone, and its layers take their arrays from there as they need them.
    with tempfile.TemporaryDirectory() as scratch:
        copy = pathlib.Path(scratch) / presets.WEIGHTS_FILE
        with h5py.File(copy, "w") as file:
            for name, array in safetensors_files.read(path).items():
                file[name] = array
        pair.load_weights(copy)


def cast(path: pathlib.Path, dtype: str) -> pathlib.Path:
    """Rewrites the float32 arrays of a weights file in another type; returns the new file."""
    smaller = path.parent / dtype / path.name
    smaller.parent.mkdir()
    with h5py.File(path) as source, h5py.File(smaller, "w") as target:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                data = item[()]
                target.create_dataset(
                    name, data=data.astype(dtype) if data.dtype.kind == "f" else data
                )
            else:
                target.require_group(name)
            for key, value in item.attrs.items():
                target[name].attrs[key] = value

        source.visititems(copy)
        for key, value in source.attrs.items():
            target.attrs[key] = value
    return smaller
