"""Images that are too large to go through a generator at once: in overlapping tiles.

If a pixel depends only on its neighbourhood (`ImageToImage.context`), tiles are cut in the middle
of their overlap, and the result is what it would have been in one piece. If the network uses
statistics of the image, tiles differ a little in tone, and their overlaps are blended.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from zoo.core.image_to_image import ImageToImage

# Height and width of the output that is made at once. Features take the memory: 64 of them at full
# size, as in the papers, are 256 MiB.
TILE = 1024


def translate_large(
    gan: "ImageToImage",
    image: np.ndarray,
    *,
    seed: int | None = None,
    direction: str | None = None,
    progress: Callable[[int, int], None] = lambda done, tiles: None,
) -> np.ndarray:
    """`gan.translate` of one image of any size.

    If the output has at most `TILE` x `TILE` pixels, the image goes through in one piece. For a
    larger one, memory holds the image, its translation, one tile and one row of tiles.

    Args:
        gan: The model.
        image: uint8 [H, W, C].
        seed: As in `translate`; every tile has the same noise.
        direction: As in `translate`.
        progress: Called after each tile with how many are done, and how many there are.

    Returns:
        uint8 [scale H, scale W, C'].

    Raises:
        ValueError: Not such an image, or an unknown direction.
    """
    direction = gan.check_direction(direction)
    image = gan.check_sources(np.asarray(image)[None], direction)[0]
    scale = gan.scale
    height, width = image.shape[:2]
    side = max(TILE // scale, gan.source_shape[0])
    if height * width <= side * side:
        made = gan.translated(image[None], seed, direction)[0]
        progress(1, 1)
        return made

    blended = gan.context is None
    overlap = side // 4 if gan.context is None else min(2 * gan.context, side - 1)
    tops, lefts = (starts(size, side, overlap) for size in (height, width))
    row_weights = weights(tops, min(side, height), height, scale, overlap, blended)
    column_weights = weights(lefts, min(side, width), width, scale, overlap, blended)
    _, channels = gan.channels_of(direction)
    out = np.empty([scale * height, scale * width, channels], np.uint8)
    unfinished = np.zeros([0, *out.shape[1:]], np.float32)
    for i, top in enumerate(tops):
        rows = row_weights[i]
        strip = np.zeros([len(rows), *out.shape[1:]], np.float32)
        strip[: len(unfinished)] = unfinished
        for j, left in enumerate(lefts):
            columns = column_weights[j]
            tile = image[None, top : top + side, left : left + side]
            made = gan.translated(tile, seed, direction)[0]
            at = slice(scale * left, scale * left + len(columns))
            strip[:, at] += made * rows[:, None, None] * columns[:, None]
            progress(i * len(lefts) + j + 1, len(tops) * len(lefts))
        # Rows that no later tile reaches are done.
        done = scale * (tops[i + 1] - top) if i + 1 < len(tops) else len(strip)
        out[scale * top : scale * top + done] = np.rint(strip[:done])
        unfinished = strip[done:]
    return out


def starts(size: int, side: int, overlap: int) -> list[int]:
    """Where tiles of `side` start along `size` pixels: evenly, sharing at least `overlap`."""
    if size <= side:
        return [0]
    steps = -(-(size - side) // (side - overlap))
    return [round(i * (size - side) / steps) for i in range(steps + 1)]


def weights(
    starts: list[int], side: int, size: int, scale: int, overlap: int, blended: bool
) -> np.ndarray:
    """The weight of each tile at each of its pixels: f32 [tiles, scale * side].

    Over all tiles they sum to 1 at each of the scale * size pixels. A tile's weight grows with the
    distance from its nearest edge that is not the image's: up to `overlap` pixels if it is
    `blended`; otherwise the tile with the largest distance has all the weight.
    """
    at = np.arange(scale * size)
    distance = np.zeros([len(starts), len(at)], np.float32)  # 0: not of this tile
    for i, start in enumerate(starts):
        first, end = scale * start, scale * (start + side)
        before = at - first + 1 if start > 0 else np.full_like(at, len(at))
        after = end - at if start + side < size else np.full_like(at, len(at))
        distance[i] = np.clip(np.minimum(before, after), 0, None)
    if blended:
        given = np.minimum(distance, scale * overlap)
        given /= given.sum(axis=0)
    else:
        given = (np.arange(len(starts))[:, None] == distance.argmax(axis=0)).astype(np.float32)
    spans = [slice(scale * start, scale * (start + side)) for start in starts]
    return np.stack([row[span] for row, span in zip(given, spans, strict=True)])
