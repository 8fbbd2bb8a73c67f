"""Real images for training and measuring: bundled samples, TFDS sets, folders of images.

    image_set = load("sample:fashion_mnist", resolution=28, channels=1)
    for images in batches(image_set, 128, seed=0).take(10):  # float32 [128, 28, 28, 1] in [-1, 1]
        ...

`python -m trainers.data prepare NAME` downloads and prepares a TFDS set ahead of a run.
TensorFlow is imported when a function is first used, so that this command starts quickly.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

from trainers.data.errors import DataError

if TYPE_CHECKING:
    from trainers.data.image_set import ImageSet, batches
    from trainers.data.loading import load

# TensorFlow reads this once, when it is first imported; whoever wants its log sets it beforehand.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

__all__ = ["DataError", "ImageSet", "batches", "load"]

_MODULES = {"ImageSet": "image_set", "batches": "image_set", "load": "loading"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"trainers.data.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'trainers.data' has no attribute {name!r}")
