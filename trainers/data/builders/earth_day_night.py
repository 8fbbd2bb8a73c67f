"""`earth_day_night`: the Earth by day and by night, from the npm package three-globe."""

import pathlib

import numpy as np
from PIL import Image

from trainers.data.builders import world
from trainers.data.builders.packages import npm_package

_VERSION = "2.45.2"
_SHA256 = "f6deff6848980a4bda13b0993e5ebc929b27e791e063a5517c87115ff7e669cb"


class EarthDayNight(world.WorldPairs):
    """Pairs of tiles of the Earth: `source` by day, `target` by night.

    A tile is 64 px or 5.6 degrees wide. More than a quarter of it is land, according to the
    package's image of water. It lies north of 60 degrees south, and neither image is nearly uniform
    (see `world`). `test` is the strip from 15 to 35 degrees east.
    """

    LICENCE = "MIT"
    DESCRIPTION = (
        "The land and coasts of the Earth by day (source) and by night (target), 64 px tiles "
        "of the images earth-blue-marble.jpg and earth-night.jpg of the npm package three-globe "
        f"{_VERSION}."
    )
    HOMEPAGE = "https://github.com/vasturiano/three-globe"

    MIN_LAND = 0.25

    def packages(self) -> list[tuple]:
        return [(npm_package, "three-globe", _VERSION, _SHA256)]

    def maps(self, root: pathlib.Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        images = root / "example" / "img"
        day, night = (world.rgb(images / f"earth-{name}.jpg") for name in ("blue-marble", "night"))
        land = np.asarray(Image.open(images / "earth-water.png").convert("L")) < 128  # water: white
        return day, night, land
