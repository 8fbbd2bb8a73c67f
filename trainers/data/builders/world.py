"""Tiles of two aligned world maps."""

import abc
import pathlib
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from trainers.data.builders import cutting
from trainers.data.builders.base import Examples, PackagesBuilder, picture, share

SIZE = 64
# Below this, Antarctica: white on one map, shaded on the other.
_SOUTH = -60.0
# Minimum `cutting.contrast` of (source, target), in grey levels: Greenland's ice has less on the
# source, northern Siberia at night on the target.
_MIN_CONTRAST = (3.0, 1.0)
# Degrees east of a tile's centre: Scandinavia, the Balkans, Libya and Egypt, central and southern
# Africa.
TEST_LONGITUDES = (15.0, 35.0)


class WorldPairs(PackagesBuilder, skip_registration=True):
    """Pairs of tiles of two maps; `MIN_LAND` is the `min_land` of `pairs`."""

    MIN_LAND: ClassVar[float]

    def features(self) -> dict[str, Any]:
        return {
            "source": picture(SIZE),
            "target": picture(SIZE),
            "longitude": tfds.features.Scalar(np.float32),
            "latitude": tfds.features.Scalar(np.float32),
        }

    @abc.abstractmethod
    def maps(self, root: pathlib.Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns source, target and land for `pairs`, from the package unpacked in `root`."""

    def read(self, roots: list[pathlib.Path], folder: pathlib.Path) -> dict[str, Examples]:
        return pairs(*self.maps(roots[0]), self.MIN_LAND)


def rgb(file: pathlib.Path) -> np.ndarray:
    """Reads a map, uint8 [H, W, 3]."""
    return np.asarray(Image.open(file).convert("RGB"))


def pairs(
    source: np.ndarray, target: np.ndarray, land: np.ndarray, min_land: float
) -> dict[str, Examples]:
    """Cuts two aligned maps into pairs of tiles: `test` is a strip of longitudes, `train` the rest.

    Pairs come in a fixed shuffled order.

    Args:
        source: uint8 [H, 2 H, 3]: the whole world, north up, from 180 degrees west to 180 east.
        target: The same view.
        land: bool [h, 2 h]: the same view at any size.
        min_land: Tiles with this share of land or less are omitted.

    Returns:
        split -> examples with `source` and `target`, uint8 [64, 64, 3], and the `longitude` and
        `latitude` of their centre, in degrees.
    """
    height, width = source.shape[:2]
    splits: dict[str, Examples] = {"train": [], "test": []}
    for y, x in sorted(cutting.corners(height, width, SIZE), key=lambda corner: share(str(corner))):
        east, north = cutting.longitude(x, SIZE, width), cutting.latitude(y, SIZE, width)
        pair = [view[y : y + SIZE, x : x + SIZE] for view in (source, target)]
        if (
            north < _SOUTH
            or cutting.land_share(land, y, x, SIZE, width) <= min_land
            or any(cutting.contrast(t) < c for t, c in zip(pair, _MIN_CONTRAST, strict=True))
        ):
            continue
        west_end, east_end = TEST_LONGITUDES
        example = {"source": pair[0], "target": pair[1], "longitude": east, "latitude": north}
        splits["test" if west_end <= east < east_end else "train"].append(example)
    return splits
