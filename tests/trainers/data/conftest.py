"""Real images in small files, and a machine without a network."""

import socket

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from trainers import data
from trainers.data import bundled


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Every look-up of a host fails at once, as on a machine without a network."""

    def refuse(*args, **kwargs):
        raise socket.gaierror("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="session")
def sample() -> data.ImageSet:
    return data.load("sample:fashion_mnist", resolution=28, channels=1)


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """uint8 [10000, 28, 28, 1]: the bundled sample."""
    return bundled.read_arrays("fashion_mnist", "train")["images"]


@pytest.fixture(scope="session")
def tiny_tfds(tmp_path_factory, pictures):
    """A data_dir in which TFDS finds fashion_mnist prepared: 200 training and 100 test images."""
    data_dir = tmp_path_factory.mktemp("tfds")
    labels = bundled.read_arrays("fashion_mnist", "train")["labels"]
    builder = tfds.builder("fashion_mnist", data_dir=data_dir)
    tfds.dataset_builders.store_as_tfds_dataset(
        name="fashion_mnist",
        version=str(builder.version),
        features=builder.info.features,
        split_datasets={
            split: [(i, {"image": pictures[i], "label": labels[i]}) for i in rows]
            for split, rows in {"train": range(200), "test": range(200, 300)}.items()
        },
        data_dir=data_dir,
        disable_shuffling=True,
    )
    return data_dir


@pytest.fixture(scope="session")
def mosaics(pictures) -> list[Image.Image]:
    """20 colour pictures, 140x112: clothes side by side, others in each colour."""
    plates = pictures[: 20 * 60, :, :, 0].reshape(20, 3, 4, 5, 28, 28)
    plates = plates.transpose(0, 2, 4, 3, 5, 1).reshape(20, 112, 140, 3)
    return [Image.fromarray(np.ascontiguousarray(plate)) for plate in plates]


@pytest.fixture(scope="session")
def squares(mosaics) -> np.ndarray:
    """uint8 [20, 64, 64, 3]: a part of each mosaic."""
    return np.stack([np.asarray(mosaic.crop((9, 7, 73, 71))) for mosaic in mosaics])


def store_tfds(data_dir, name, features, splits) -> None:
    """Prepares a set of one's own: examples by split."""
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={split: list(enumerate(examples)) for split, examples in splits.items()},
        data_dir=data_dir,
        disable_shuffling=True,
    )
