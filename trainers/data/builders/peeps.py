"""`peeps`: drawn faces with attributes: Open Peeps, from DiceBear's npm packages."""

import json
import pathlib
import random
from typing import Any

import tensorflow_datasets as tfds

from trainers.data.builders import dicebear
from trainers.data.builders.base import (
    Examples,
    picture,
    png_of,
    share,
    sizes,
)
from zoo.core.progress import with_progress

COUNTS = {"train": 50_000, "test": 5_000}
_STYLE = "open-peeps"
_SEED = 0

# Attribute -> its values; for colours: our name -> DiceBear's. Omitted: faces without two eyes
# (cyclops, monster, the eyepatch), the bear's head, masks, and a moustache wider than the image.
_VALUES = json.loads(pathlib.Path(__file__).with_suffix(".json").read_text("utf-8"))
_VALUES["background"] = dicebear.BACKGROUNDS
_NONE = "none"
_SHARES = {"beard": 0.15, "glasses": 0.2}  # share of faces that have one

# The values of each attribute, in the order of the labels.
ATTRIBUTES = {
    name: [*([_NONE] if name in ("beard", "glasses", "hair") else []), *values]
    for name, values in _VALUES.items()
}
# The drawing is shrunk and moved down so that no hair is cut off.
_FRAME = {"scale": 90, "translateY": 5}


class Peeps(dicebear.DrawnBuilder):
    """Faces drawn from random attributes, on plain backgrounds.

    All values of an attribute are equally likely, except that 15 % have a beard and 20 % glasses.
    `hair` is the colour of the parts that are not black, or "none" if it is not visible; 4 % of the
    training images differ from another only in that invisible colour, so they are duplicates.
    `test` holds a tenth of all combinations of head, face and skin, none of which is in `train`.
    """

    STYLES = (_STYLE,)
    BUILDER_CONFIGS = sizes(64, 128)
    LICENCE = "CC0-1.0"
    DESCRIPTION = (
        "Faces with attributes, on plain backgrounds: Open Peeps by Pablo Stanley (CC0 1.0), drawn "
        f"by the npm packages @dicebear/core and @dicebear/open-peeps {dicebear.VERSION}."
    )
    HOMEPAGE = "https://www.openpeeps.com"

    def features(self) -> dict[str, Any]:
        labels = {
            name: tfds.features.ClassLabel(names=values) for name, values in ATTRIBUTES.items()
        }
        return {"image": picture(self.size), **labels}

    def draw(self, folder: pathlib.Path) -> dict[str, Examples]:
        return {split: draw(rows, self.size, folder) for split, rows in choose(COUNTS).items()}


def choose(counts: dict[str, int]) -> dict[str, Examples]:
    """Samples the attributes of each split's faces; deterministic given `counts`."""
    # Only `random()` itself is guaranteed to give the same numbers in every Python release.
    draw = random.Random(_SEED).random
    chosen: dict[str, Examples] = {"train": [], "test": []}
    seen = set()
    while any(len(chosen[split]) < count for split, count in counts.items()):
        row = {name: dicebear.pick(values, draw) for name, values in ATTRIBUTES.items()}
        # Whether the colour is visible is known only after drawing.
        row["hair"] = dicebear.pick(ATTRIBUTES["hair"][1:], draw)
        for name, part in _SHARES.items():
            row[name] = dicebear.pick(ATTRIBUTES[name][1:], draw) if draw() < part else _NONE
        split = "test" if _held_out(row) else "train"
        values = tuple(row.values())
        if values not in seen and len(chosen[split]) < counts[split]:
            seen.add(values)
            chosen[split].append(row)
    return chosen


def draw(chosen: Examples, size: int, folder: pathlib.Path) -> Examples:
    """Draws the chosen faces; returns attributes with images, as PNG files of `size` x `size`."""
    svgs = dicebear.drawings(((_STYLE, _options(row)) for row in chosen), folder)
    rows = zip(chosen, with_progress(svgs, len(chosen)), strict=True)
    return [row | {"image": png_of(svg, size), "hair": _seen_hair(row, svg)} for row, svg in rows]


def _held_out(row: dict[str, str]) -> bool:
    return share(f"{row['head']} {row['face']} {row['skin']}") < 0.1


def _options(row: dict[str, str]) -> dict[str, Any]:
    """DiceBear's options for a row of attributes."""
    return _FRAME | {
        "head": [row["head"]],
        "face": [row["face"]],
        "facialHair": [row["beard"]],
        "facialHairProbability": 0 if row["beard"] == _NONE else 100,
        "accessories": [row["glasses"]],
        "accessoriesProbability": 0 if row["glasses"] == _NONE else 100,
        "maskProbability": 0,
        "skinColor": [_VALUES["skin"][row["skin"]]],
        "clothingColor": [_VALUES["clothes"][row["clothes"]]],
        "headContrastColor": [_VALUES["hair"][row["hair"]]],
        "backgroundColor": [_VALUES["background"][row["background"]]],
    }


def _seen_hair(row: dict[str, str], svg: str) -> str:
    return row["hair"] if f"#{_VALUES['hair'][row['hair']]}" in svg else _NONE
