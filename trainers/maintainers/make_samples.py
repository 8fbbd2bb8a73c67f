"""Writes a bundled sample from the prepared set that it is a part of.

    python -m trainers.maintainers.make_samples openmoji_pairs

The set must be prepared (`python -m trainers.data prepare NAME`). The sample is taken only from its
training splits and replaces `samples/<name>.npz`. Its licence, `samples/LICENSE.<name>.txt`, is
written by hand: check that it is still correct.
"""

import collections
import io
import os
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from trainers.data import DataError, bundled
from zoo.core.commands import Parser, quiet_tensorflow, run

# name -> array of the sample -> (split, feature), and the number of rows of each array.
_CONTENT = {
    "openmoji_pairs": ({"source": ("train", "source"), "target": ("train", "target")}, 400),
    "emoji_styles": ({"a": ("trainA", "image"), "b": ("trainB", "image")}, 250),
    "photo_tiles": ({"images": ("train", "image")}, 140),
    "satellite_maps": ({"source": ("train", "source"), "target": ("train", "target")}, 160),
    "earth_day_night": ({"source": ("train", "source"), "target": ("train", "target")}, 200),
    "peeps": ({"images": ("train", "image")}, 1000),
    "toons": ({"source": ("train", "source"), "target": ("train", "target")}, 400),
    "avatars": ({"images": ("train", "image")}, 1200),
    "landscapes": ({"images": ("train", "image")}, 599),
    "emoji_families": ({"a": ("trainA", "image"), "b": ("trainB", "image")}, 250),
}
# Configs that contain only what may be redistributed.
_SPECS = {"landscapes": "landscapes/64_public_domain"}
# Drawings are stored losslessly, photographs nearly so.
_PHOTOGRAPHS = ("photo_tiles", "satellite_maps", "earth_day_night", "landscapes")


def make(
    name: str, data_dir: str | os.PathLike | None = None, folder: pathlib.Path = bundled.FOLDER
) -> pathlib.Path:
    """Writes the sample `name` into `folder`; returns its file.

    Raises:
        DataError: for a name without a sample, or a set that is not prepared.
    """
    if name not in _CONTENT:
        raise DataError(f"Samples are made of: {', '.join(_CONTENT)}. Received: '{name}'.")
    content, count = _CONTENT[name]
    arrays = {}
    for key, (split, feature) in content.items():
        rows = _rows(name, split, data_dir)
        if name == "photo_tiles":
            rows = _evenly(rows, count)
        if name == "landscapes":
            rows = (row for row in rows if row[feature].std() > 1)  # not a square of night sky
        pictures = [_encode(row[feature], name) for row, _ in zip(rows, range(count), strict=False)]
        arrays |= bundled.pack(key, pictures)
    file = folder / f"{name}.npz"
    np.savez(file, **arrays)
    return file


def _rows(name: str, split: str, data_dir: str | os.PathLike | None) -> Iterator[dict]:
    from trainers.data import tfds_sets

    spec = _SPECS.get(name, name)
    builder = tfds_sets.builder(spec, data_dir)
    if not tfds_sets.is_prepared(builder):
        raise DataError(f"Run `python -m trainers.data prepare {spec}` first. Received: '{name}'.")
    return builder.as_dataset(split=split, shuffle_files=False).as_numpy_iterator()


def _evenly(rows: Iterator[dict], count: int) -> Iterator[dict]:
    """`count` tiles in total, equally many of each photograph that may be redistributed."""
    from trainers.data.builders.photo_tiles import BUNDLED_LICENCES, PHOTOGRAPHS

    free = {
        photograph["photo"]
        for photograph in PHOTOGRAPHS
        if photograph["split"] == "train" and photograph["licence"] in BUNDLED_LICENCES
    }
    taken = collections.Counter()
    for row in rows:
        photo = row["photo"].decode()
        if photo in free and taken[photo] < count // len(free):
            taken[photo] += 1
            yield row


def _encode(image: np.ndarray, name: str) -> bytes:
    picture, file = Image.fromarray(image), io.BytesIO()
    if name in _PHOTOGRAPHS:
        picture.save(file, "JPEG", quality=95, subsampling="4:4:4", optimize=True)
    else:
        picture.save(file, "WEBP", lossless=True)
    return file.getvalue()


def _make(name: str, data_dir: str | None) -> None:
    quiet_tensorflow()
    file = make(name, data_dir)
    print(f"{file}: {file.stat().st_size:,} bytes")


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point; `argv` is the command line's by default."""
    parser = Parser("python -m trainers.maintainers.make_samples", __doc__)
    parser.add_argument("name", metavar="NAME", choices=_CONTENT, help=", ".join(_CONTENT))
    parser.add_argument("--data_dir", metavar="DIR", help="where TFDS keeps its data sets")
    args = parser.parse_args(argv)
    run(lambda: _make(args.name, args.data_dir))


if __name__ == "__main__":
    main()
