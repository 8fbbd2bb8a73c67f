"""`load_low_high`: from a spec to a `LowHighSet`, for SRGAN."""

import os

import numpy as np
from PIL import Image

from trainers.data import DataError, bundled, image_folder, pixels, tfds_sets
from trainers.data.loading import check_sizes, open_stored
from trainers.data.naming import folder_source, is_folder
from trainers.data.ragged import Photos
from trainers.data.sets import LowHighSet
from zoo.core.progress import with_progress
from zoo.pictures import decoder

SCALES = (2, 4)


def load_low_high(
    spec: str,
    *,
    split: str = "train",
    resolution: int,
    scale: int = 4,
    channels: int = 3,
    data_dir: str | os.PathLike | None = None,
) -> LowHighSet:
    """Loads whole images, for crops at two resolutions.

    High-resolution images are crops and are never resized; an image of exactly `resolution` is used
    whole. Only the low-resolution images are shrunk.

    Args:
        spec, split, data_dir: As in `load`.
        resolution: Height and width of the high-resolution crops.
        scale: 2 or 4: how much smaller the low-resolution images are.
        channels: 1 (grey) or 3 (RGB).

    Returns:
        A `LowHighSet`, in memory or a temporary file as in `load`.

    Raises:
        DataError: as `load`; for another scale, a resolution that is not a multiple of it, or
            images smaller than a crop.
    """
    check_sizes(resolution, channels=channels)
    if scale not in SCALES or resolution % scale:
        raise DataError(
            f"scale must be {' or '.join(map(str, SCALES))} and resolution a multiple of it. "
            f"Received: scale={scale}, resolution={resolution}."
        )
    skipped: tuple[str, ...] = ()
    if is_folder(spec):
        folder = image_folder.open_folder(spec, split)
        source, split, licence = folder_source(spec), folder.split, None
        photos, skipped = _from_folder(folder, resolution, channels)
    else:
        stored = open_stored(spec, split, data_dir, "images")
        source, licence = spec.removeprefix("sample:"), stored.licence
        photos = _from_arrays(stored, resolution, channels)
    return LowHighSet(
        spec=spec,
        source=source,
        split=split,
        licence=licence,
        photos=photos,
        resolution=resolution,
        scale=scale,
        skipped=skipped,
    )


def _from_arrays(
    stored: bundled.Sample | tfds_sets.Split, resolution: int, channels: int
) -> Photos:
    key = stored.image_key()
    sizes = [stored.size(key)] * stored.count
    if None in stored.size(key):  # first pass: the sizes, to allocate memory once
        sizes = [image.shape[:2] for (image,) in stored.examples([key])]
    names = [f"image {i}" for i in range(len(sizes))]
    _check_large_enough(names, sizes, resolution, stored.spec)
    photos = Photos(sizes, channels)
    for i, (array,) in enumerate(with_progress(stored.examples([key]), len(sizes))):
        photos[i][:] = _as_array(pixels.to_picture(array), channels)
    return photos


def _from_folder(
    folder: image_folder.Folder, resolution: int, channels: int
) -> tuple[Photos, tuple[str, ...]]:
    spec, files, names = folder.spec, folder.files, folder.names()
    found = image_folder.sizes_of(files)
    # An unreadable file gets size 0 here and is skipped when decoding.
    sizes = [(0, 0) if isinstance(size, str) else size for size in found]
    _check_large_enough(names, sizes, resolution, spec)
    photos = Photos(sizes, channels)

    def fill_row(i: int) -> str | None:
        if isinstance(found[i], str):
            return found[i]
        picture = image_folder.picture(files[i])
        if isinstance(picture, str):
            return picture
        array = _as_array(picture, channels)
        if array.shape != photos[i].shape:
            return "its size is not what its head states"
        photos[i][:] = array
        return None

    good, skipped = image_folder.fill(names, fill_row, spec)
    photos.keep(good)
    return photos, skipped


def _as_array(picture: Image.Image, channels: int) -> np.ndarray:
    width, height = picture.size
    return np.asarray(decoder.on_white(picture, channels)).reshape(height, width, channels)


def _check_large_enough(
    names: list[str], sizes: list[tuple[int, int]], resolution: int, spec: str
) -> None:
    small = [
        f"{name} ({width}x{height})"
        for name, (height, width) in zip(names, sizes, strict=True)
        if 0 < min(height, width) < resolution
    ]
    if small:
        raise DataError(
            f"Pictures must be at least as large as a crop, {resolution}x{resolution}. "
            f"{len(small)} are smaller: {image_folder.named(small, 10)}. Received: '{spec}'."
        )
