"""`emoji_styles`: emoji in two styles, unpaired, from two npm packages."""

import json
import pathlib

import numpy as np
from PIL import Image

from trainers.data import pixels
from trainers.data.builders.base import Examples
from trainers.data.builders.code_points import SIZE, UnpairedEmoji, unpaired
from trainers.data.builders.packages import npm_package

_GOOGLE = ("emoji-datasource-google", "16.0.0")
_GOOGLE_SHA256 = "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438"
_FLUENT = ("@lobehub/fluent-emoji-3d", "1.1.0")
_FLUENT_SHA256 = "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58"


class EmojiStyles(UnpairedEmoji):
    """Google's flat emoji (A) and Microsoft's Fluent 3D emoji (B), without flags."""

    DESCRIPTION = (
        "Emoji in two styles, 64 px on white: A, Google's Noto Emoji (Apache-2.0), from the npm "
        f"package {' '.join(_GOOGLE)}; B, Microsoft's Fluent Emoji 3D (MIT), from the npm package "
        f"{' '.join(_FLUENT)}."
    )
    HOMEPAGE = "https://github.com/iamcal/emoji-data"

    def packages(self) -> list[tuple]:
        return [(npm_package, *_GOOGLE, _GOOGLE_SHA256), (npm_package, *_FLUENT, _FLUENT_SHA256)]

    def read(self, roots: list[pathlib.Path], folder: pathlib.Path) -> dict[str, Examples]:
        return styles(*roots)


def styles(google: pathlib.Path, fluent: pathlib.Path) -> dict[str, Examples]:
    """Returns the examples of each split of the two unpacked packages, in a fixed order."""
    entries = json.loads((google / "emoji.json").read_text("utf-8"))
    flat, solid = google / "img" / "google" / "64", fluent / "assets"
    shared = [
        (entry["name"].lower(), entry["unified"], file, solid / f"{file.stem}.webp")
        for entry in entries
        if entry["category"] != "Flags" and (file := flat / entry["image"]).is_file()
    ]
    return unpaired([row for row in shared if row[3].is_file()], _read)


def _read(file: pathlib.Path) -> np.ndarray:
    with Image.open(file) as image:
        return pixels.to_square(image, SIZE, 3)
