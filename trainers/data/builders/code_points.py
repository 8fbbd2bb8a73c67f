"""Groups emoji with the same drawing by code points, and splits sets of two styles."""

from collections.abc import Callable, Iterable
from typing import Any

import tensorflow_datasets as tfds

from trainers.data.builders.base import Examples, PackagesBuilder, picture, share
from zoo.core.progress import with_progress

SIZE = 64

_TEST_SHARE = 0.15

# Code points that only vary a drawing: joiner, presentation, direction, gender and skin tone.
_VARIANTS = {"200D", "FE0F", "27A1", "2640", "2642", *(f"1F3F{tone}" for tone in "BCDEF")}
# People: "man astronaut", "woman astronaut" and "astronaut" are nearly the same drawing.
_PEOPLE = {"1F468", "1F469", "1F9D1", "1F466", "1F467", "1F9D2"}


def drawing(code: str) -> str:
    """Returns a key that emoji with nearly the same drawing share.

    Args:
        code: Code points in hex digits, joined by "-": "1F9D1-1F3FB-200D-1F680".
    """
    points = [point.upper().zfill(4) for point in code.split("-")]
    points = [point for point in points if point not in _VARIANTS] or points
    # Faces of people and families consist only of people: they form one group.
    return "-".join(point for point in points if point not in _PEOPLE) or "PEOPLE"


def unpaired_splits(code: str) -> tuple[str, ...]:
    """Splits of an emoji in a set of two styles: both test splits or one of the training splits.

    Emoji with the same drawing stay together, so the training splits share no drawing.
    """
    place = share(drawing(code))
    if place < _TEST_SHARE:
        return ("testA", "testB")
    return ("trainA",) if place < (1 + _TEST_SHARE) / 2 else ("trainB",)


class UnpairedEmoji(PackagesBuilder, skip_registration=True):
    """Emoji in two styles (A and B), on white.

    `trainA` and `trainB` share no drawing, so the set is truly unpaired. `testA` and `testB` hold
    drawings that are in neither, in the same order: row i of one is the counterpart of row i of
    the other.
    """

    LICENCE = "Apache-2.0 AND MIT"

    def features(self) -> dict[str, Any]:
        return {
            "image": picture(SIZE),
            "name": tfds.features.Text(),
            "code": tfds.features.Text(),
        }


def unpaired(
    emoji: Iterable[tuple[str, str, Any, Any]], draw: Callable[[Any], Any]
) -> dict[str, Examples]:
    """Returns the examples of each split, in a fixed order.

    Args:
        emoji: (name, code points, input of `draw` for A, input of `draw` for B).
        draw: Makes an image from such an input.
    """
    emoji = sorted(emoji, key=lambda row: share(row[1]))
    splits: dict[str, Examples] = {"trainA": [], "trainB": [], "testA": [], "testB": []}
    for name, code, a, b in with_progress(emoji, len(emoji)):
        for split in unpaired_splits(code):
            image = draw(a if split.endswith("A") else b)
            splits[split].append({"image": image, "name": name, "code": code})
    return splits
