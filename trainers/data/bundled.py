"""The sample sets that ship with the package, in `samples/`."""

import dataclasses
import io
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from trainers.data import DataError
from zoo.core.spelling import near_misses

FOLDER = pathlib.Path(__file__).parent / "samples"

# name -> licence. The pixels are in `samples/<name>.npz`. fashion_mnist holds plain arrays: images
# uint8 [N, H, W, C] and labels uint8 [N]. In the others `pack` wrote each array as two.
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


@dataclasses.dataclass(frozen=True)
class Sample:
    """A bundled sample with the interface of `tfds_sets.Split`; `arrays` is from `read_arrays`."""

    spec: str
    arrays: dict[str, np.ndarray]
    count: int
    licence: str
    num_classes: int | None
    label_keys: list[str]

    def image_keys(self) -> list[str]:
        return [key for key, array in self.arrays.items() if array.ndim == 4]

    def image_key(self) -> str:
        return "images"

    def size(self, key: str) -> tuple[int, int]:
        return self.arrays[key].shape[1:3]

    def examples(self, keys: Sequence[str]) -> Iterator[tuple[np.ndarray, ...]]:
        return zip(*(self.arrays[key] for key in keys), strict=True)


def open_sample(spec: str, split: str, names: Sequence[str]) -> Sample:
    """Reads the sample "sample:NAME", which must contain arrays of these names.

    Raises:
        DataError: for an unknown sample or split, or a sample with other arrays.
    """
    name = spec.removeprefix("sample:")
    arrays = read_arrays(name, split)
    if not set(names) <= set(arrays):
        raise DataError(
            f"A sample read like this holds {' and '.join(names)}. "
            f"Received: '{spec}', which holds {' and '.join(arrays)}."
        )
    label_keys = [key for key in arrays if key == "labels"]
    num_classes = 10 if label_keys else None
    count = len(next(iter(arrays.values())))
    return Sample(spec, arrays, count, SAMPLES[name], num_classes, label_keys)


def read_arrays(name: str, split: str) -> dict[str, np.ndarray]:
    """Returns the arrays of the bundled sample `name`, each uint8 [N, H, W, C].

    Their names are `source` and `target` for pairs (row i of one belongs to row i of the other),
    `a` and `b` for two unpaired domains, and `images` for plain images, with `labels` uint8 [N] if
    there are any.

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
    """Returns two arrays for image files: their concatenated bytes, and where each file ends."""
    ends = np.cumsum([len(picture) for picture in pictures])
    return {f"{key}{_BYTES}": np.frombuffer(b"".join(pictures), np.uint8), f"{key}{_ENDS}": ends}


def unpack(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Decodes arrays that `pack` wrote to uint8 [N, H, W, 3]; returns other arrays unchanged."""
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
