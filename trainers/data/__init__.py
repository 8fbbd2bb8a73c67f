"""Real images for training and measuring: bundled samples, TFDS sets, folders of images.

    image_set = load("sample:fashion_mnist", resolution=28, channels=1)
    for images in batches(image_set, 128, seed=0).take(10):  # float32 [128, 28, 28, 1] in [-1, 1]
        ...

`python -m trainers.data prepare NAME` downloads and prepares a TFDS set ahead of a run.
"""

import os

# TensorFlow reads this once, when it is first imported; whoever wants its log sets it beforehand.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from trainers.data.errors import DataError
from trainers.data.image_set import ImageSet, batches
from trainers.data.loading import load

__all__ = ["DataError", "ImageSet", "batches", "load"]
