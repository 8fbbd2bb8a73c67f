"""What a data set is, in one number."""

import hashlib
from collections.abc import Iterator
from typing import Protocol

import numpy as np


class Contents(Protocol):
    """Any set of `trainers.data`."""

    def contents(self) -> Iterator[np.ndarray]:
        """All that the set holds, array after array."""


def fingerprint(image_set: Contents) -> str:
    """sha256 of all decoded pixels and labels in their order, hex digits.

    Two runs with the same fingerprint have seen the same images, wherever they came from.
    """
    digest = hashlib.sha256()
    for array in image_set.contents():
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()
