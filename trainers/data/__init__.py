"""Real images for training and measuring: bundled samples, TFDS sets, folders of images.

    image_set = load("sample:fashion_mnist", resolution=28, channels=1)
    for images in image_set.batches(128, seed=0).take(10):  # float32 [128, 28, 28, 1] in [-1, 1]
        ...

Image-to-image networks have sets of other kinds: `load_pairs` ((source, target), read or made by a
task), `load_unpaired` ((a, b)) and `load_low_high` ((low, high)). `load_training` picks by kind.

`python -m trainers.data prepare NAME` downloads and prepares a TFDS set ahead of a run.
TensorFlow is imported when a function is first used, so that this command starts quickly.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainers.data.image_set import ImageSet, batches
    from trainers.data.kinds import load_for, load_training
    from trainers.data.loading import load
    from trainers.data.low_high import LowHighSet, load_low_high
    from trainers.data.pair_set import PairSet
    from trainers.data.pairs import load_pairs
    from trainers.data.unpaired import UnpairedSet, load_unpaired

# TensorFlow reads this once, when it is first imported; whoever wants its log sets it beforehand.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


class DataError(ValueError):
    """A data set that cannot be read as asked: one line naming what was received and what to do."""


__all__ = [
    "DataError",
    "ImageSet",
    "LowHighSet",
    "PairSet",
    "UnpairedSet",
    "batches",
    "load",
    "load_for",
    "load_low_high",
    "load_pairs",
    "load_training",
    "load_unpaired",
]

_MODULES = {
    "ImageSet": "image_set",
    "LowHighSet": "low_high",
    "PairSet": "pair_set",
    "UnpairedSet": "unpaired",
    "batches": "image_set",
    "load": "loading",
    "load_for": "kinds",
    "load_low_high": "low_high",
    "load_pairs": "pairs",
    "load_training": "kinds",
    "load_unpaired": "unpaired",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"trainers.data.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'trainers.data' has no attribute {name!r}")
