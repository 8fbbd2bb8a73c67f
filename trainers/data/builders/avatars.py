"""`avatars`: people drawn in twelve styles, which are the classes; from DiceBear's npm packages."""

import json
import pathlib
import random
from typing import Any

import tensorflow_datasets as tfds

from trainers.data.builders import dicebear
from trainers.data.builders.base import Examples, picture, png_of, sizes
from zoo.core.progress import with_progress

# The styles under CC0 and CC BY that can be told apart at 32 px and show a whole head.
STYLES = (
    "adventurer",
    "big-ears",
    "big-smile",
    "dylan",
    "lorelei",
    "micah",
    "miniavs",
    "open-peeps",
    "personas",
    "pixel-art",
    "thumbs",
    "toon-head",
)
COUNTS = {"train": 5_000, "test": 500}  # per style
_SEED = 0
# For styles that fill the image: (scale in percent, downward shift in percent of the image).
_FRAMES = {"big-smile": (85, 0), "open-peeps": (90, 5)}


class Avatars(dicebear.DrawnBuilder):
    """Avatars in twelve styles, equally many of each, on plain backgrounds, from random options.

    No set of options is drawn twice, so no avatar of `test` is in `train`.
    """

    STYLES = STYLES
    BUILDER_CONFIGS = sizes(32, 64)
    LICENCE = "CC-BY-4.0 AND CC0-1.0"
    DESCRIPTION = (
        f"Avatars in the styles {', '.join(STYLES)} of the npm packages @dicebear/* "
        f"{dicebear.VERSION}. Of these lorelei, open-peeps, pixel-art and thumbs are CC0 1.0, the "
        "others CC BY 4.0: adventurer, Lisa Wischofsky; big-ears, The Visual Team; big-smile, "
        "Ashley Seo; dylan, Natalia Spivak; micah, Micah Lanier; miniavs, Webpixels; personas, "
        "Draftbit; toon-head, Johan Melin."
    )
    HOMEPAGE = "https://www.dicebear.com"

    def features(self) -> dict[str, Any]:
        return {
            "image": picture(self.size),
            "label": tfds.features.ClassLabel(names=list(STYLES)),
        }

    def draw(self, folder: pathlib.Path) -> dict[str, Examples]:
        known = {style: dicebear.schema(style, folder) for style in STYLES}
        chosen = choose(known, COUNTS)
        return {split: draw(asked, self.size, folder) for split, asked in chosen.items()}


def choose(
    known: dict[str, dict[str, Any]], counts: dict[str, int]
) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Draws (style, options) for each split, cycling through the styles; `known`: their schemas."""
    draw = random.Random(_SEED).random
    seen = set()
    chosen = {}
    for split, count in counts.items():
        chosen[split] = []
        for style in [*known] * count:
            options, key = {}, None
            while key is None or key in seen:
                options = dicebear.draw_options(known[style], draw)
                key = style + json.dumps({k: v for k, v in options.items() if k != "seed"})
            seen.add(key)
            if style in _FRAMES:
                options["scale"], options["translateY"] = _FRAMES[style]
            chosen[split].append((style, options))
    return chosen


def draw(asked: list[tuple[str, dict[str, Any]]], size: int, folder: pathlib.Path) -> Examples:
    """Returns the images, as PNG files of `size` x `size`, and their styles."""
    svgs = with_progress(dicebear.drawings(asked, folder), len(asked))
    return [
        {"image": png_of(svg, size), "label": style}
        for (style, _), svg in zip(asked, svgs, strict=True)
    ]
