"""`photo_tiles`: tiles of real photographs, from Debian's wallpaper packages."""

import json
import pathlib
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from trainers.data.builders import cutting
from trainers.data.builders.base import Examples, PackagesBuilder, photograph, picture, share
from trainers.data.builders.packages import debian_package
from zoo.core.progress import with_progress

SIZE = 96
# Minimum mean difference between neighbouring pixels, in grey levels: sky has less.
MIN_DETAIL = 3.0
# Minimum ratio of that difference at half and at quarter size: out-of-focus tiles have less.
MIN_SHARPNESS = 0.65

# Fields: package, file, photo (its name here), author, licence, sha256, split. Drawings and
# patterns in the packages are not listed. Licences are those of Debian's copyright files; for
# Plasma's photographs these say GPL-2+, but the wallpapers' own metadata say LGPLv3.
PHOTOGRAPHS = json.loads((pathlib.Path(__file__).parent / "photo_tiles.json").read_text("utf-8"))
PACKAGES = sorted({about["package"] for about in PHOTOGRAPHS})
# Photographs under these licences may be redistributed in another package; the others may only be
# used for training.
BUNDLED_LICENCES = ("CC0-1.0", "CC-BY-4.0")


class PhotoTiles(PackagesBuilder):
    """96 px tiles of photographs at half their size, for super-resolution and inpainting.

    A tile is kept if it has detail (neighbouring pixels differ by 3 grey levels of 256 or more on
    average) and is in focus (`cutting.sharpness` is 0.65 or more). The split is by photograph: all
    tiles of one are in `train`, or all in `test`. `licence` is the photograph's licence.
    """

    LICENCE = " AND ".join(sorted({about["licence"] for about in PHOTOGRAPHS}))
    DESCRIPTION = (
        f"Tiles of {len(PHOTOGRAPHS)} photographs from the Debian packages "
        f"{', '.join(PACKAGES)}, at half their size. Licences differ by photograph: "
        "see the feature 'licence'."
    )
    HOMEPAGE = "https://www.debian.org"

    def features(self) -> dict[str, Any]:
        return {
            "image": picture(SIZE),
            "photo": tfds.features.Text(),
            "licence": tfds.features.Text(),
        }

    def packages(self) -> list[tuple]:
        return [(debian_package, name) for name in PACKAGES]

    def read(self, roots: list[pathlib.Path], folder: pathlib.Path) -> dict[str, Examples]:
        return cut(PHOTOGRAPHS, dict(zip(PACKAGES, roots, strict=True)))


def cut(photographs: list[dict[str, str]], roots: dict[str, pathlib.Path]) -> dict[str, Examples]:
    """Returns the tiles of each split, in a fixed shuffled order.

    Args:
        photographs: As in `PHOTOGRAPHS`.
        roots: Package -> folder that it is unpacked in, its "/".

    Raises:
        DataError: if a package lacks a photograph, or contains it with other content.
    """
    cut_tiles = {"train": {}, "test": {}}
    for about in with_progress(photographs, len(photographs)):
        package, file = about["package"], about["file"]
        whole = photograph(roots[package] / file, file, package, about["sha256"])
        image = np.asarray(whole.reduce(2))  # each pixel is the mean of four
        for y, x in cutting.corners(*image.shape[:2], SIZE):
            tile = image[y : y + SIZE, x : x + SIZE]
            if cutting.detail(tile) >= MIN_DETAIL and cutting.sharpness(tile) >= MIN_SHARPNESS:
                place = f"{about['photo']} {y} {x}"
                cut_tiles[about["split"]][place] = {
                    "image": tile,
                    "photo": about["photo"],
                    "licence": about["licence"],
                }
    return {
        split: [by_place[place] for place in sorted(by_place, key=share)]
        for split, by_place in cut_tiles.items()
    }
