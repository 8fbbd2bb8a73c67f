"""`emoji_families`: the same emoji in two of four styles, unpaired; Iconify's npm packages."""

import itertools
import json
import os
import pathlib
from typing import Any

import tensorflow_datasets as tfds

from trainers.data.builders.base import Examples, PackagesBuilder, picture, png_of, share
from trainers.data.builders.code_points import unpaired_splits
from trainers.data.builders.packages import Package, npm_package, unpack_tar
from zoo.core.progress import with_progress

SIZE = 64
# Family -> version and sha256 of its npm package @iconify-json/<family>.
FAMILIES = {
    "noto": ("1.2.9", "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad"),
    "fluent-emoji": ("1.2.7", "8044210dbf11e016d4de85f15d01a243423bd832457e7e2491df1b751c0e272b"),
    "fluent-emoji-flat": (
        "1.2.6",
        "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
    ),
    "noto-v1": ("1.2.5", "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37"),
}


class EmojiFamilies(PackagesBuilder):
    """Emoji in two styles (A and B), on white; a config for each two of the four families.

    `trainA` and `trainB` share no drawing, so the set is truly unpaired. `testA` and `testB` hold
    the drawings that neither has, in the same order: row i of one is the counterpart of row i of
    the other.
    """

    BUILDER_CONFIGS = [  # noqa: RUF012 (TFDS's own attribute)
        tfds.core.BuilderConfig(name=f"{a}_{b}", description=f"A: {a}, B: {b}")
        for a, b in itertools.combinations(FAMILIES, 2)
    ]
    LICENCE = "Apache-2.0 AND MIT"
    DESCRIPTION = (
        "Emoji in two styles, 64 px on white. noto and noto-v1: Google's Noto Emoji (Apache-2.0), "
        "of today and of 2016; fluent-emoji and fluent-emoji-flat: Microsoft's Fluent Emoji (MIT). "
        "From Iconify's npm packages @iconify-json/*."
    )
    HOMEPAGE = "https://icon-sets.iconify.design"

    def features(self) -> dict[str, Any]:
        return {
            "image": picture(SIZE),
            "name": tfds.features.Text(),
            "code": tfds.features.Text(),
        }

    def fetch(self, folder: str | os.PathLike) -> list[Package]:
        return [
            npm_package(f"@iconify-json/{family}", *FAMILIES[family], folder)
            for family in self.builder_config.name.split("_")
        ]

    def read(self, packages: list[Package], folder: pathlib.Path) -> dict[str, Examples]:
        a, b = (unpack_tar(package, folder) for package in packages)
        return families(a, b)


def families(a: pathlib.Path, b: pathlib.Path) -> dict[str, Examples]:
    """Returns the examples of each split of two unpacked packages, in a fixed order.

    Variants by skin tone, which repeat a drawing, are left out.
    """
    sides = [json.loads((package / "icons.json").read_text("utf-8")) for package in (a, b)]
    codes = json.loads((a / "chars.json").read_text("utf-8"))  # that of noto-v1, never A, is empty
    shared = [
        (name, code)
        for code, name in codes.items()
        if all(name in side["icons"] for side in sides) and "skin-tone" not in name
    ]
    # A name may have several codes: the first in order is its own.
    shared = sorted({name: code for name, code in sorted(shared, reverse=True)}.items())
    shared.sort(key=lambda row: share(row[1]))
    splits: dict[str, Examples] = {"trainA": [], "trainB": [], "testA": [], "testB": []}
    for name, code in with_progress(shared, len(shared)):
        for split in unpaired_splits(code):
            image = png_of(_svg(sides["AB".index(split[-1])], name), SIZE)
            splits[split].append({"image": image, "name": name, "code": code})
    return splits


def _svg(icons: dict[str, Any], name: str) -> str:
    icon = icons["icons"][name]
    width, height = (
        icon.get(side, icons.get(side, 16)) for side in ("width", "height")
    )  # 16: Iconify's default
    side = max(width, height)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {side} {side}">{icon["body"]}</svg>'
    )
