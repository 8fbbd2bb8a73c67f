"""Tiles of two aligned maps of the world."""

from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from trainers.data.builders import cutting
from trainers.data.builders.base import Examples, picture, share

SIZE = 64
# Below this, Antarctica: white on one map, shaded on the other.
_SOUTH = -60.0
# In grey levels (`tiles.contrast`): the ice of Greenland has less on the source, the north of
# Siberia at night on the target.
_MIN_CONTRAST = (3.0, 1.0)
# Degrees east, by the centre of a tile: Scandinavia, the Balkans, Libya and Egypt, central and
# southern Africa.
TEST_LONGITUDES = (15.0, 35.0)


def features() -> dict[str, Any]:
    """Of an example of `pairs`."""
    return {
        "source": picture(SIZE),
        "target": picture(SIZE),
        "longitude": tfds.features.Scalar(np.float32),
        "latitude": tfds.features.Scalar(np.float32),
    }


def pairs(
    source: np.ndarray, target: np.ndarray, land: np.ndarray, min_land: float
) -> dict[str, Examples]:
    """Cuts two aligned maps into pairs of tiles, `test` a strip by longitude, `train` the rest.

    They come in a fixed order that mixes them.

    Args:
        source: uint8 [H, 2 H, 3]: the whole world, north up, from 180 degrees west to 180 east.
        target: The same view.
        land: bool [h, 2 h]: the same view, in any size.
        min_land: Tiles with this share of land or less are left out.

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
        splits["test" if west_end <= east < east_end else "train"].append(
            {
                "source": pair[0],
                "target": pair[1],
                "longitude": east,
                "latitude": north,
            }
        )
    return splits
