"""`emoji_families`: emoji in two of four styles, unpaired; from Iconify's npm packages."""

import itertools
import json
import pathlib
from typing import Any

import tensorflow_datasets as tfds

from trainers.data.builders.base import Examples, png_of
from trainers.data.builders.code_points import SIZE, UnpairedEmoji, unpaired
from trainers.data.builders.packages import npm_package

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


class EmojiFamilies(UnpairedEmoji):
    """Emoji of two of the four families, with a config for each combination."""

    BUILDER_CONFIGS = [  # noqa: RUF012 (TFDS's own attribute)
        tfds.core.BuilderConfig(name=f"{a}_{b}", description=f"A: {a}, B: {b}")
        for a, b in itertools.combinations(FAMILIES, 2)
    ]
    DESCRIPTION = (
        "Emoji in two styles, 64 px on white. noto and noto-v1: Google's Noto Emoji (Apache-2.0), "
        "of today and of 2016; fluent-emoji and fluent-emoji-flat: Microsoft's Fluent Emoji (MIT). "
        "From Iconify's npm packages @iconify-json/*."
    )
    HOMEPAGE = "https://icon-sets.iconify.design"

    def packages(self) -> list[tuple]:
        return [
            (npm_package, f"@iconify-json/{family}", *FAMILIES[family])
            for family in self.builder_config.name.split("_")
        ]

    def read(self, roots: list[pathlib.Path], folder: pathlib.Path) -> dict[str, Examples]:
        return families(*roots)


def families(a: pathlib.Path, b: pathlib.Path) -> dict[str, Examples]:
    """Returns the examples of each split of two unpacked packages, in a fixed order.

    Skin tone variants are omitted, since they repeat a drawing.
    """
    sides = [json.loads((package / "icons.json").read_text("utf-8")) for package in (a, b)]
    codes = json.loads((a / "chars.json").read_text("utf-8"))  # noto-v1's is empty: never A
    shared = [
        (name, code)
        for code, name in codes.items()
        if all(name in side["icons"] for side in sides) and "skin-tone" not in name
    ]
    # A name may have several codes: use the first in sorted order.
    codes_of = {name: code for name, code in sorted(shared, reverse=True)}
    rows = [(name, code, *(_svg(side, name) for side in sides)) for name, code in codes_of.items()]
    return unpaired(rows, lambda svg: png_of(svg, SIZE))


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
