"""`peeps`: drawn faces with attributes, Open Peeps by DiceBear's npm packages."""

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

# Attribute -> its values, of a colour its name here -> DiceBear's. Left out are what does not have
# two eyes (cyclops, monster, the eyepatch), the bear's head, masks, and the moustache that is wider
# than the picture.
_VALUES = json.loads(pathlib.Path(__file__).with_suffix(".json").read_text("utf-8"))
_VALUES["background"] = dicebear.BACKGROUNDS
_NONE = "none"
_SHARES = {"beard": 0.15, "glasses": 0.2}  # the others have none

# What each attribute may be, in the order of the labels.
ATTRIBUTES = {
    name: [*([_NONE] if name in ("beard", "glasses", "hair") else []), *values]
    for name, values in _VALUES.items()
}
# The drawing is reduced and lowered so that no hair is cut.
_FRAME = {"scale": 90, "translateY": 5}


class Peeps(dicebear.DrawnBuilder):
    """Faces drawn from random attributes, on plain backgrounds.

    All values of an attribute are equally likely, except that 15 % have a beard and 20 % glasses.
    `hair` is the colour of what is not black, "none" where nothing shows it; 4 % of the training
    images differ from another in that alone, so they are the same. `test` holds whole combinations
    of head, face and skin, a tenth of them, none of which is in `train`.
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
    """Draws the attributes of each split's faces; a function of `counts` alone."""
    # Only `random()` itself is promised to draw the same in every release of Python.
    draw = random.Random(_SEED).random
    chosen: dict[str, Examples] = {"train": [], "test": []}
    seen = set()
    while any(len(chosen[split]) < count for split, count in counts.items()):
        row = {name: dicebear.pick(values, draw) for name, values in ATTRIBUTES.items()}
        # Whether it shows is known once it is drawn.
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
    """Draws chosen attributes; returns them with their images, as PNG files of `size` x `size`."""
    svgs = dicebear.drawings(((_STYLE, _options(row)) for row in chosen), folder)
    rows = zip(chosen, with_progress(svgs, len(chosen)), strict=True)
    return [row | {"image": png_of(svg, size), "hair": _seen_hair(row, svg)} for row, svg in rows]


def _held_out(row: dict[str, str]) -> bool:
    return share(f"{row['head']} {row['face']} {row['skin']}") < 0.1


def _options(row: dict[str, str]) -> dict[str, Any]:
    """What DiceBear draws a row of attributes from."""
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
