"""Real images in small files, and a machine without a network."""

import socket

import numpy as np
import pytest
import tensorflow_datasets as tfds

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
    return bundled.read("fashion_mnist", "train")[0]


@pytest.fixture(scope="session")
def tiny_tfds(tmp_path_factory, pictures):
    """A data_dir in which TFDS finds fashion_mnist prepared: 200 training and 100 test images."""
    data_dir = tmp_path_factory.mktemp("tfds")
    labels = bundled.read("fashion_mnist", "train")[1]
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
