"""Cuts images into square tiles."""

from collections.abc import Iterator

import numpy as np

# To grey: luma of Rec. 601.
_LUMA = np.float32([0.299, 0.587, 0.114])


def corners(height: int, width: int, size: int) -> Iterator[tuple[int, int]]:
    """Yields (y, x) of the top left corner of each whole tile, row by row."""
    for y in range(0, height - size + 1, size):
        for x in range(0, width - size + 1, size):
            yield y, x


def contrast(tile: np.ndarray) -> float:
    """Mean absolute deviation of the luma of uint8 [H, W, 3] from its median, in grey levels."""
    luma = tile @ _LUMA
    return float(np.abs(luma - np.median(luma)).mean())


def detail(tile: np.ndarray) -> float:
    """Mean difference in luma between neighbouring pixels of uint8 [H, W, 3], in grey levels."""
    return _difference(tile @ _LUMA)


def sharpness(tile: np.ndarray) -> float:
    """Ratio of `detail` at half and at a quarter of the size of uint8 [H, W, 3].

    It is 0.5 where the image is out of focus, as on any smooth gradient, and 0.7 or more for
    texture. The full size is not used because of noise. H and W are multiples of 4.
    """
    luma = tile @ _LUMA
    return _difference(_shrink(luma, 2)) / max(_difference(_shrink(luma, 4)), 1e-6)


def _difference(luma: np.ndarray) -> float:
    return float(np.abs(np.diff(luma, axis=0)).mean() + np.abs(np.diff(luma, axis=1)).mean()) / 2


def _shrink(luma: np.ndarray, factor: int) -> np.ndarray:
    height, width = luma.shape
    return luma.reshape(height // factor, factor, width // factor, factor).mean((1, 3))


def land_share(land: np.ndarray, y: int, x: int, size: int, width: int) -> float:
    """Returns the share of land in a tile of a world map.

    Args:
        land: bool [h, 2 h], a world map of any size.
        y, x, size: The tile, in pixels of a map that is `width` pixels wide.
    """
    scale = land.shape[1] / width
    rows, columns = (slice(round(v * scale), round((v + size) * scale)) for v in (y, x))
    return float(land[rows, columns].mean())


def longitude(x: int, size: int, width: int) -> float:
    """Longitude of a tile's centre in degrees east, in [-180, 180); a world map starts at -180."""
    return (x + size / 2) / width * 360 - 180


def latitude(y: int, size: int, width: int) -> float:
    """Latitude of a tile's centre in degrees north; a world map starts at 90."""
    return 90 - (y + size / 2) / width * 360
