"""A preset's weights file, and counting parameters."""

import pathlib

import h5py
import keras
import numpy as np


def trainable_parameters(network: keras.Model) -> int:
    """Number of trainable parameters of `network`."""
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


class Pair(keras.Model):
    """What a weights file holds, under these names; of a generator alone no discriminator."""

    def __init__(self, generator: keras.Model, discriminator: keras.Model | None) -> None:
        super().__init__()
        self.generator = generator
        if discriminator is not None:
            self.discriminator = discriminator
        self.built = True


def cast(path: pathlib.Path, dtype: str) -> pathlib.Path:
    """Rewrites the float32 arrays of a weights file in another type; returns the new file."""
    smaller = path.with_name(f"{dtype}.{path.name}")
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
