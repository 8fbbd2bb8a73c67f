"""`openmoji_pairs`: emoji as black outlines and in colour, from the npm package openmoji."""

import json
import pathlib
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from trainers.data.builders.base import Examples, PackagesBuilder, picture, rasterise, share
from trainers.data.builders.code_points import drawing
from trainers.data.builders.packages import npm_package
from zoo.core.progress import with_progress

SIZE = 64
_VERSION = "17.0.0"
_SHA256 = "55ee7d13485dec86e9f38c1f3a645a13382d33ff97c0cd845ee824b0aef45e68"
_TEST_SHARE = 0.1


class OpenmojiPairs(PackagesBuilder):
    """OpenMoji pairs on white: `source` is the black outline, `target` the coloured emoji.

    Flags, other emoji whose outline is just an empty flag, and skin tone variants, which repeat a
    drawing, are omitted. `test` holds a tenth of the drawings; no drawing and no outline is in both
    splits.
    """

    LICENCE = "CC-BY-SA-4.0"
    DESCRIPTION = (
        f"Emoji as black outlines (source) and in colour (target), 64 px on white, drawn from the "
        f"SVG files of the npm package openmoji {_VERSION}. All emojis designed by OpenMoji, the "
        "open-source emoji and icon project. License: CC BY-SA 4.0."
    )
    HOMEPAGE = "https://openmoji.org"

    def features(self) -> dict[str, Any]:
        return {
            "source": picture(SIZE),
            "target": picture(SIZE),
            "name": tfds.features.Text(),
            "code": tfds.features.Text(),
        }

    def packages(self) -> list[tuple]:
        return [(npm_package, "openmoji", _VERSION, _SHA256)]

    def read(self, roots: list[pathlib.Path], folder: pathlib.Path) -> dict[str, Examples]:
        return pairs(roots[0])


def pairs(package: pathlib.Path) -> dict[str, Examples]:
    """Returns the pairs of each split of the unpacked package, in a fixed order.

    A test drawing moves to training if its outline also occurs there (hearts of several colours).

    Raises:
        DataError: if resvg-py is missing.
    """
    entries = json.loads((package / "data" / "openmoji.json").read_text("utf-8"))
    chosen = [entry for entry in entries if not entry["skintone"]]
    chosen.sort(key=lambda entry: share(entry["hexcode"]))
    outlines = {
        entry["hexcode"]: _draw(package / "black" / "svg" / f"{entry['hexcode']}.svg")
        for entry in with_progress(chosen, len(chosen))
    }
    blank = {np.full((SIZE, SIZE, 3), 255, np.uint8).tobytes()}
    blank |= {outlines[entry["hexcode"]].tobytes() for entry in chosen if _is_flag(entry)}
    splits: dict[str, Examples] = {"train": [], "test": []}
    for entry in with_progress(chosen, len(chosen)):
        code = entry["hexcode"]
        source = outlines[code]
        if source.tobytes() in blank:
            continue
        target = _draw(package / "color" / "svg" / f"{code}.svg")
        split = "test" if share(drawing(code)) < _TEST_SHARE else "train"
        splits[split].append(
            {"source": source, "target": target, "name": entry["annotation"], "code": code}
        )
    seen = {example["source"].tobytes() for example in splits["train"]}
    repeats = {drawing(row["code"]) for row in splits["test"] if row["source"].tobytes() in seen}
    moved = [row for row in splits["test"] if drawing(row["code"]) in repeats]
    kept = [row for row in splits["test"] if drawing(row["code"]) not in repeats]
    return {"train": splits["train"] + moved, "test": kept}


def _is_flag(entry: dict[str, Any]) -> bool:
    return entry["group"] == "flags" or "flag" in entry["subgroups"]


def _draw(file: pathlib.Path) -> np.ndarray:
    return rasterise(file.read_text("utf-8"), SIZE)
