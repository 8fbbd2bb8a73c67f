"""The sample grids of a run as data URIs: stills and an animation, small enough for a page."""

import base64
import dataclasses
import functools
import io
import math
import pathlib
from typing import Any

from PIL import Image

GRIDS = 24
STILL = 640  # maximum pixels on the long side
FRAME = 400
STILL_BYTES, FRAME_BYTES = 120_000, 50_000
AS_IT_IS = 48_000  # bytes up to which a small PNG is embedded unchanged
FRAME_MS, LAST_FRAME_MS = 350, 2000


@dataclasses.dataclass(frozen=True)
class Still:
    """One grid: its step, a data URI, and the size of that image in pixels."""

    step: int
    uri: str
    width: int
    height: int


@dataclasses.dataclass(frozen=True)
class Pictures:
    """The grids as shown in a report.

    Attributes:
        stills: Selected grids, ascending, including the first and the last.
        animation: Data URI of an animated WebP of the stills; None with fewer than two.
        total: Total number of grids.
        unreadable: Names of files that are not images.
    """

    stills: list[Still]
    animation: str | None
    total: int
    unreadable: list[str]


def pictures(grids: list[tuple[int, pathlib.Path]]) -> Pictures:
    """Reads at most `GRIDS` of the grids, (step, file) ascending."""
    stills, frames, unreadable = [], [], []
    for step, path in choose(grids):
        try:
            stat = path.stat()
            kind, data, frame = _load(path, stat.st_mtime_ns, stat.st_size)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            unreadable.append(path.name)
            continue
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
        stills.append(Still(step, _uri(kind, data), width, height))
        frames.append(frame)
    return Pictures(stills, _animation(frames), len(grids), unreadable)


def choose(grids: list[tuple[int, pathlib.Path]]) -> list[tuple[int, pathlib.Path]]:
    """Every 2^k-th grid and the last, `GRIDS` at most.

    The stride is a power of two, so that a longer run selects from grids that are already cached.
    """
    if len(grids) <= GRIDS:
        return grids
    stride = 2 ** math.ceil(math.log2((len(grids) - 1) / (GRIDS - 1)))
    chosen = grids[::stride]
    return chosen if chosen[-1] == grids[-1] else [*chosen, grids[-1]]


# A run writes its report at every checkpoint, mostly with grids from earlier reports.
@functools.lru_cache(maxsize=2 * GRIDS)
def _load(path: pathlib.Path, mtime_ns: int, size: int) -> tuple[str, bytes, Image.Image]:
    """File -> (type, encoded image, animation frame); cached by path, `mtime_ns` and `size`."""
    with Image.open(path) as image:
        image.load()
        small = max(image.size) <= STILL
        keep = small and size <= AS_IT_IS and image.format == "PNG"
        if image.mode != "L":
            image = image.convert("RGB")
    if keep:
        data = ("png", path.read_bytes())
    else:
        still = image.copy()
        still.thumbnail((STILL, STILL), Image.Resampling.LANCZOS)
        data = ("webp", _within(STILL_BYTES, [still]))
    image.thumbnail((FRAME, FRAME), Image.Resampling.LANCZOS)
    return *data, image


def _animation(frames: list[Image.Image]) -> str | None:
    """Frames -> data URI; frames are resized to the size of the last (growing networks)."""
    if len(frames) < 2:
        return None
    size = frames[-1].size
    frames = [f if f.size == size else f.resize(size, Image.Resampling.NEAREST) for f in frames]
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_FRAME_MS]
    return _uri("webp", _within(FRAME_BYTES * len(frames), frames, duration=durations, loop=0))


def _within(limit: int, frames: list[Image.Image], **animated: Any) -> bytes:
    """Frames as one WebP; at lower quality if it would take more than `limit` bytes."""
    xmp = frames[0].info.get("xmp", b"")  # the grid's mark
    for quality in (80, 40, 5):
        out = io.BytesIO()
        more = {"save_all": True, "append_images": frames[1:], **animated} if animated else {}
        # method=0: measured four times faster than the default for a tenth more bytes.
        frames[0].save(out, "WEBP", quality=quality, method=0, xmp=xmp, **more)
        if out.tell() <= limit:
            break
    return out.getvalue()


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
