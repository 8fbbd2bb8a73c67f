"""`toons`: drawn faces and flat-colour maps of them, in the style Toon Head."""

import json
import pathlib
import random
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from trainers.data.builders import dicebear
from trainers.data.builders.base import (
    Examples,
    picture,
    png_of,
    rasterise,
    share,
    sizes,
)
from zoo.core.progress import with_progress

COUNTS = {"train": 10_000, "test": 1_000}
_STYLE = "toon-head"
_SEED = 0
_SUPERSAMPLING = 2

# The regions in the order of their numbers, and the options that set their colours.
REGIONS = ("background", "skin", "hair", "clothes", "features")
_OPTIONS = ("backgroundColor", "skinColor", "hairColor", "clothesColor")
# Key colours of the regions, and red + 2 green + 4 blue -> region. No option sets black and white:
# they are eyes and mouth or, further down, a collar. Yellow and cyan are blends at edges.
_KEYS = ["ff00ff", "ff0000", "00ff00", "0000ff"]
_REGION_OF = np.uint8([4, 1, 2, 1, 3, 0, 3, 4])
_CHIN = 0.7  # share of the height
FEATURES = (255, 0, 255)


class Toons(dicebear.DrawnBuilder):
    """Pairs: `source` is a map in flat colours, `target` the face.

    Maps are exact: the face is drawn a second time with the same options but with a key colour for
    each region, and each region is then filled with the face's own colour. Eyes and mouth are one
    region, magenta; brows and beards are hair. `regions` holds indices of `REGIONS`. No shape (the
    options other than colours) is in both splits.
    """

    STYLES = (_STYLE,)
    BUILDER_CONFIGS = sizes(64, 128)
    LICENCE = "CC-BY-4.0"
    DESCRIPTION = (
        "Faces (target) and their maps in flat colours (source): Toon Head by Johan Melin (CC "
        f"BY 4.0), drawn by @dicebear/core and @dicebear/toon-head {dicebear.VERSION}."
    )
    HOMEPAGE = "https://www.dicebear.com/styles/toon-head/"

    def features(self) -> dict[str, Any]:
        regions = tfds.features.Image(shape=(self.size, self.size, 1), encoding_format="png")
        return {"source": picture(self.size), "target": picture(self.size), "regions": regions}

    def draw(self, folder: pathlib.Path) -> dict[str, Examples]:
        chosen = choose(dicebear.schema(_STYLE, folder), COUNTS)
        return {split: draw(asked, self.size, folder) for split, asked in chosen.items()}


def choose(known: dict[str, Any], counts: dict[str, int]) -> dict[str, list[dict[str, Any]]]:
    """Samples DiceBear's options for each split's faces; `known` is the style's schema."""
    draw = random.Random(_SEED).random
    known = known | {"beardProbability": {"type": "integer", "default": 30}}
    chosen: dict[str, list[dict[str, Any]]] = {"train": [], "test": []}
    seen = set()
    while any(len(chosen[split]) < count for split, count in counts.items()):
        options = dicebear.draw_options(known, draw)
        drawn = {name: value for name, value in options.items() if name != "seed"}
        shape = json.dumps({name: v for name, v in drawn.items() if name not in _OPTIONS})
        split = "test" if share(shape) < 0.1 else "train"
        key = json.dumps(drawn)
        if key not in seen and len(chosen[split]) < counts[split]:
            seen.add(key)
            chosen[split].append(options)
    return chosen


def draw(chosen: list[dict[str, Any]], size: int, folder: pathlib.Path) -> Examples:
    """Returns the pairs, `size` x `size`; `target` as a PNG file."""
    keys = {name: [key] for name, key in zip(_OPTIONS, _KEYS, strict=True)}
    asked = [(_STYLE, options | more) for options in chosen for more in ({}, keys)]
    svgs = dicebear.drawings(asked, folder)
    examples = []
    for options in with_progress(chosen, len(chosen)):
        target, keyed = png_of(next(svgs), size), next(svgs)
        regions = regions_of(rasterise(keyed, _SUPERSAMPLING * size), size)
        colours = [bytes.fromhex(options[name][0]) for name in _OPTIONS]
        source = np.uint8([*map(list, colours), FEATURES])[regions]
        examples.append({"source": source, "target": target, "regions": regions[..., None]})
    return examples


def regions_of(keyed: np.ndarray, size: int) -> np.ndarray:
    """The regions of a face drawn in key colours, uint8 [size, size].

    Args:
        keyed: uint8 [k size, k size, 3].
        size: Side of the map. Each of its pixels gets the most frequent region of k x k pixels.
    """
    bits = keyed >> 7
    region = _REGION_OF[bits[..., 0] + 2 * bits[..., 1] + 4 * bits[..., 2]]
    below = region[int(_CHIN * len(region)) :]
    below[below == REGIONS.index("features")] = REGIONS.index("clothes")
    step = len(keyed) // size
    blocks = region.reshape(size, step, size, step)
    counts = [(blocks == number).sum((1, 3)) for number in range(len(REGIONS))]
    return np.argmax(counts, 0).astype(np.uint8)
