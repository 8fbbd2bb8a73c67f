"""Real images for training and measuring: bundled samples, TFDS sets, folders of images.

    image_set = load("sample:fashion_mnist", resolution=28, channels=1)
    for images in image_set.batches(128, seed=0).take(10):  # float32 [128, 28, 28, 1] in [-1, 1]
        ...

Image-to-image networks use other kinds of sets: `load_pairs` ((source, target), stored or made by a
task), `load_unpaired` ((a, b)) and `load_low_high` ((low, high)). `load_training` picks by kind.

`python -m trainers.data prepare NAME` downloads and prepares a TFDS set before a run.
TensorFlow is imported on first use of a function, to keep that command's startup fast.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainers.data.kinds import load_for, load_training
    from trainers.data.loading import load
    from trainers.data.low_high import load_low_high
    from trainers.data.pairs import load_pairs
    from trainers.data.sets import ImageSet, LowHighSet, PairSet, UnpairedSet, batches
    from trainers.data.unpaired import load_unpaired

# TensorFlow reads this once, on import. To see its log, set the variable beforehand.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_MODULES = {
    "sets": ("ImageSet", "LowHighSet", "PairSet", "UnpairedSet", "batches"),
    "loading": ("load",),
    "kinds": ("load_for", "load_training"),
    "low_high": ("load_low_high",),
    "pairs": ("load_pairs",),
    "unpaired": ("load_unpaired",),
}
_NAMES = {name: module for module, names in _MODULES.items() for name in names}

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


class DataError(ValueError):
    """A data set cannot be read as requested. One line: what was received and what to do."""


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"trainers.data.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'trainers.data' has no attribute {name!r}")
