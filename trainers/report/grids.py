"""The sample grids of a run as data URIs: stills and one animation, small enough for a page."""

import base64
import dataclasses
import functools
import io
import math
import pathlib
from typing import Any

from PIL import Image

GRIDS = 24
STILL = 640  # pixels at most on the long side
FRAME = 400
STILL_BYTES, FRAME_BYTES = 120_000, 50_000
AS_IT_IS = 48_000  # bytes up to which a small PNG is embedded unchanged
FRAME_MS, LAST_FRAME_MS = 350, 2000


@dataclasses.dataclass(frozen=True)
class Still:
    """One grid: its step, a data URI and its size in pixels as shown in it."""

    step: int
    uri: str
    width: int
    height: int


@dataclasses.dataclass(frozen=True)
class Pictures:
    """What a report shows of the grids.

    Attributes:
        stills: Ascending, the first and the last grid among them.
        animation: Data URI of an animated WebP of the same; None with fewer than two.
        total: How many grids there are.
        unreadable: File names that are no images.
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

    A power of two, so that a longer run chooses among those that are prepared already.
    """
    if len(grids) <= GRIDS:
        return grids
    stride = 2 ** math.ceil(math.log2((len(grids) - 1) / (GRIDS - 1)))
    chosen = grids[::stride]
    return chosen if chosen[-1] == grids[-1] else [*chosen, grids[-1]]


# A training run writes its report at every checkpoint, mostly of grids that it has seen.
@functools.lru_cache(maxsize=2 * GRIDS)
def _load(path: pathlib.Path, mtime_ns: int, size: int) -> tuple[str, bytes, Image.Image]:
    """A file -> (type, encoded image, frame of the animation); `mtime_ns` and `size` key it."""
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
    """Frames -> data URI; those of another size than the last (a growing network's) are resized."""
    if len(frames) < 2:
        return None
    size = frames[-1].size
    frames = [f if f.size == size else f.resize(size, Image.Resampling.NEAREST) for f in frames]
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_FRAME_MS]
    return _uri("webp", _within(FRAME_BYTES * len(frames), frames, duration=durations, loop=0))


def _within(limit: int, frames: list[Image.Image], **animated: Any) -> bytes:
    """Frames as one WebP, coarser where they are noise and would take more bytes than `limit`."""
    xmp = frames[0].info.get("xmp", b"")  # the mark of the grid
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
