"""The sample sets that ship with the package, in `samples/`."""

import io
import pathlib

import numpy as np
from PIL import Image

from trainers.data import DataError
from zoo.core.spelling import near_misses

FOLDER = pathlib.Path(__file__).parent / "samples"

# name -> licence. The pixels are `samples/<name>.npz`. In fashion_mnist's these are arrays: images
# uint8 [N, H, W, C] and labels uint8 [N]. In the others each array is two, as `pack` writes them.
SAMPLES = {
    "fashion_mnist": "MIT",
    "openmoji_pairs": "CC-BY-SA-4.0",
    "emoji_styles": "Apache-2.0 AND MIT",
    "photo_tiles": "CC-BY-4.0 AND CC0-1.0",
    "satellite_maps": "MIT",
    "earth_day_night": "MIT",
    "peeps": "CC0-1.0",
    "toons": "CC-BY-4.0",
    "avatars": "CC-BY-4.0 AND CC0-1.0",
    "landscapes": "LicenseRef-public-domain",
    "emoji_families": "Apache-2.0 AND MIT",
}

_BYTES, _ENDS = "_bytes", "_ends"


def check(name: str) -> None:
    """Raises DataError for an unknown sample."""
    if name not in SAMPLES:
        raise DataError(
            f"Unknown sample.{near_misses(name, SAMPLES)} The bundled samples are: "
            f"{', '.join(f'sample:{known}' for known in sorted(SAMPLES))}. "
            f"Received: 'sample:{name}'."
        )


def read(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns (images uint8 [N, H, W, C], labels int64 [N]) of a bundled sample of plain images.

    Labels are -1 where the sample has none.

    Raises:
        DataError: for an unknown sample, one of pairs or of two sides, or a split other than
            "train".
    """
    arrays = read_arrays(name, split)
    if "images" not in arrays:
        raise DataError(
            f"A sample of plain images holds 'images'; 'sample:{name}' holds "
            f"{' and '.join(repr(key) for key in arrays)}. Received: 'sample:{name}'."
        )
    images = arrays["images"]
    return images, arrays.get("labels", np.full(len(images), -1)).astype(np.int64)


def read_arrays(name: str, split: str) -> dict[str, np.ndarray]:
    """Returns the arrays of the bundled sample `name`, each uint8 [N, H, W, C].

    Their names are `source` and `target` for pairs (row i of one belongs to row i of the other),
    `a` and `b` for two sides without pairs, `images` for plain images; with those, `labels` uint8
    [N] where there are some.

    Raises:
        DataError: for an unknown sample, or a split other than "train".
    """
    check(name)
    if split != "train":
        raise DataError(
            f"A bundled sample is a part of the training images and has the split 'train' alone. "
            f"For others run `python -m trainers.data prepare {name}` and use '{name}'. "
            f"Received: 'sample:{name}', split='{split}'."
        )
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as arrays:
        return unpack(dict(arrays))


def pack(key: str, pictures: list[bytes]) -> dict[str, np.ndarray]:
    """Returns the two arrays that hold image files: their bytes end to end, and where each ends."""
    ends = np.cumsum([len(picture) for picture in pictures])
    return {f"{key}{_BYTES}": np.frombuffer(b"".join(pictures), np.uint8), f"{key}{_ENDS}": ends}


def unpack(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Decodes what `pack` wrote, as uint8 [N, H, W, 3]; other arrays are passed on."""
    unpacked = {}
    for name, array in arrays.items():
        if name.endswith(_BYTES):
            key = name.removesuffix(_BYTES)
            parts = np.split(array, arrays[f"{key}{_ENDS}"][:-1])
            unpacked[key] = np.stack([_decode(part.tobytes()) for part in parts])
        elif not name.endswith(_ENDS):
            unpacked[name] = array
    return unpacked


def _decode(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
