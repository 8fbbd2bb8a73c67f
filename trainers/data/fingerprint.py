"""What a data set is, in one number."""

import hashlib

import numpy as np

from trainers.data.image_set import ImageSet


def fingerprint(image_set: ImageSet) -> str:
    """sha256 of all decoded pixels and labels in their order, hex digits.

    Two runs with the same fingerprint have seen the same images, wherever they came from.
    """
    digest = hashlib.sha256()
    for images, labels in image_set.images.batch(512).as_numpy_iterator():
        digest.update(np.ascontiguousarray(images))
        digest.update(np.ascontiguousarray(labels, np.int64))
    return digest.hexdigest()
