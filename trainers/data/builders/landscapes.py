"""`landscapes`: photographs of landscapes, from the Debian package endless-sky-data."""

import json
import pathlib
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from trainers.data.builders.base import Examples, PackagesBuilder, photograph, picture, share
from trainers.data.builders.packages import debian_package
from zoo.core.progress import with_progress

PACKAGE = "endless-sky-data"
_FOLDER = pathlib.PurePath("usr/share/games/endless-sky/images/land")
PUBLIC = "public-domain"
_SIZES = (64, 96, 128)

# File -> author, licence, sha256, from the package's copyright file. If a photograph's file name
# gives another author than a pattern in that file, the file name wins.
PHOTOGRAPHS = json.loads(pathlib.Path(__file__).with_suffix(".json").read_text("utf-8"))
_TEST_SHARE = 0.15
# Squares cut from a photograph of 720x360: (side, stride) in pixels.
_SQUARES = ((360, 180), (180, 180), (120, 120))

# Prefixes of the file names; other names start with the photographer's name.
_KINDS = (
    "badlands beach canyon city desert dune earthrise fields fog forest hills industrial lava "
    "mountain sea sky snow space station valley water"
)
KINDS = (*_KINDS.split(), "other")


class Landscapes(PackagesBuilder):
    """Squares of photographs of 720x360, resized: of the full height, a half or a third of it.

    The split is by photograph: all squares of one are in `train`, or all in `test`. `label` comes
    from the file name, such as mountain or sea. The configs that end in `_public_domain` contain
    only photographs in the public domain; the others are CC BY-SA. Squares are shrunk, never
    enlarged: at 128 px those of a third of the height are omitted.
    """

    BUILDER_CONFIGS = [  # noqa: RUF012 (TFDS's own attribute)
        tfds.core.BuilderConfig(name=f"{size}{suffix}", description=f"{size} px{text}")
        for suffix, text in (("", ""), ("_public_domain", ", those in the public domain"))
        for size in _SIZES
    ]
    LICENCE = "CC-BY-SA-3.0 AND CC-BY-SA-4.0 AND LicenseRef-public-domain"
    DESCRIPTION = (
        f"Squares of {len(PHOTOGRAPHS)} photographs of landscapes, cities and space in the Debian "
        f"package {PACKAGE}. Authors and licences differ by photograph: see the features."
    )
    HOMEPAGE = "https://endless-sky.github.io"

    def features(self) -> dict[str, Any]:
        size, _ = self._asked()
        return {
            "image": picture(size),
            "label": tfds.features.ClassLabel(names=list(KINDS)),
            "photo": tfds.features.Text(),
            "author": tfds.features.Text(),
            "licence": tfds.features.Text(),
        }

    def packages(self) -> list[tuple]:
        return [(debian_package, PACKAGE)]

    def read(self, roots: list[pathlib.Path], folder: pathlib.Path) -> dict[str, Examples]:
        size, public_alone = self._asked()
        chosen = {
            file: about
            for file, about in PHOTOGRAPHS.items()
            if not public_alone or about["licence"] == PUBLIC
        }
        return cut(chosen, roots[0] / _FOLDER, size)

    def _asked(self) -> tuple[int, bool]:
        size, _, rest = self.builder_config.name.partition("_")
        return int(size), bool(rest)


def cut(
    photographs: dict[str, dict[str, str]], folder: pathlib.Path, size: int
) -> dict[str, Examples]:
    """Returns the squares of each split, `size` x `size`, in a fixed order that mixes them.

    Args:
        photographs: As `PHOTOGRAPHS`.
        folder: Folder of the files.
        size: Side of the resized squares in pixels.

    Raises:
        DataError: if the package lacks a photograph, or contains it with other content.
    """
    splits: dict[str, Examples] = {"train": [], "test": []}
    for file, about in with_progress(photographs.items(), len(photographs), what="photographs"):
        image = photograph(folder / file, file, PACKAGE, about["sha256"])
        photo = pathlib.Path(file).stem
        kind = next((kind for kind in KINDS if photo.startswith(kind)), "other")
        squares = [
            {
                "image": np.asarray(square.resize((size, size), Image.Resampling.LANCZOS)),
                "label": kind,
                "photo": photo,
                "author": about["author"],
                "licence": about["licence"],
            }
            for square in _squares(image, size)
        ]
        splits["test" if share(photo) < _TEST_SHARE else "train"] += squares
    for rows in splits.values():
        places = [share(f"{row['photo']} {i}") for i, row in enumerate(rows)]
        rows[:] = [rows[i] for i in np.argsort(places)]
    return splits


def _squares(image: Image.Image, least: int) -> list[Image.Image]:
    width, height = image.size
    return [
        image.crop((x, y, x + side, y + side))
        for side, apart in _SQUARES
        if side >= least
        for y in range(0, height - side + 1, apart)
        for x in range(0, width - side + 1, apart)
    ]
