"""`photo_tiles`: tiles of real photographs, from Debian's packages of wallpapers."""

import hashlib
import json
import os
import pathlib
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from trainers.data import DataError
from trainers.data.builders import cutting
from trainers.data.builders.base import Examples, PackagesBuilder, picture, share
from trainers.data.builders.packages import Package, debian_package, unpack_deb
from zoo.core.progress import with_progress

SIZE = 96
# Mean difference between neighbouring pixels in grey levels: sky has less.
MIN_DETAIL = 3.0
# Of that difference at half size, as part of the one at a quarter: what is out of focus has less.
MIN_SHARPNESS = 0.65

# Each: package, file, photo (its name here), author, licence, sha256, split. The packages hold
# drawings and patterns as well, which are not listed. Licences are those of Debian's copyright
# files; of Plasma's photographs, GPL-2+ there, the wallpapers' own metadata say LGPLv3.
PHOTOGRAPHS = json.loads((pathlib.Path(__file__).parent / "photo_tiles.json").read_text("utf-8"))
# What may be passed on inside another package; the others may be trained on.
BUNDLED_LICENCES = ("CC0-1.0", "CC-BY-4.0")


class PhotoTiles(PackagesBuilder):
    """96 px tiles of photographs at half their size, for super-resolution and inpainting.

    A tile is kept if it has detail (neighbouring pixels differ by 3 grey levels of 256 or more on
    average) and is in focus (`tiles.sharpness` is 0.65 or more). Photographs are split, not tiles:
    each is in `train` or in `test` as a whole. `licence` is that of the photograph.
    """

    LICENCE = " AND ".join(sorted({photograph["licence"] for photograph in PHOTOGRAPHS}))
    DESCRIPTION = (
        f"Tiles of {len(PHOTOGRAPHS)} photographs from the Debian packages "
        f"{', '.join(sorted({photograph['package'] for photograph in PHOTOGRAPHS}))}, at half "
        "their size. Licences differ by photograph: see the feature 'licence'."
    )
    HOMEPAGE = "https://www.debian.org"

    def features(self) -> dict[str, Any]:
        return {
            "image": picture(SIZE),
            "photo": tfds.features.Text(),
            "licence": tfds.features.Text(),
        }

    def fetch(self, folder: str | os.PathLike) -> list[Package]:
        names = sorted({photograph["package"] for photograph in PHOTOGRAPHS})
        return [debian_package(name, folder) for name in names]

    def read(self, packages: list[Package], folder: pathlib.Path) -> dict[str, Examples]:
        roots = {package.name.split()[1]: unpack_deb(package.file, folder) for package in packages}
        return cut(PHOTOGRAPHS, roots)


def cut(photographs: list[dict[str, str]], roots: dict[str, pathlib.Path]) -> dict[str, Examples]:
    """Returns the tiles of each split, in a fixed order that mixes them.

    Args:
        photographs: As in `PHOTOGRAPHS`.
        roots: Package -> folder that stands for its "/".

    Raises:
        DataError: for a photograph that a package does not hold, or holds with other content.
    """
    cut_tiles = {"train": {}, "test": {}}
    for photograph in with_progress(photographs, len(photographs)):
        image = _read(photograph, roots[photograph["package"]])
        for y, x in cutting.corners(*image.shape[:2], SIZE):
            tile = image[y : y + SIZE, x : x + SIZE]
            if cutting.detail(tile) >= MIN_DETAIL and cutting.sharpness(tile) >= MIN_SHARPNESS:
                place = f"{photograph['photo']} {y} {x}"
                cut_tiles[photograph["split"]][place] = {
                    "image": tile,
                    "photo": photograph["photo"],
                    "licence": photograph["licence"],
                }
    return {
        split: [by_place[place] for place in sorted(by_place, key=share)]
        for split, by_place in cut_tiles.items()
    }


def _read(photograph: dict[str, str], root: pathlib.Path) -> np.ndarray:
    """Half the size of a photograph, each pixel the mean of four: uint8 [H / 2, W / 2, 3]."""
    file = root / photograph["file"]
    if not file.is_file():
        raise DataError(
            f"The package {photograph['package']} of this system does not hold "
            f"{photograph['file']}: take one of another release of Debian or Ubuntu"
        )
    received = hashlib.sha256(file.read_bytes()).hexdigest()
    if received != photograph["sha256"]:
        raise DataError(
            f"{photograph['file']} of the package {photograph['package']} must have the sha256 "
            f"{photograph['sha256']}. Received: {received}."
        )
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB").reduce(2))
