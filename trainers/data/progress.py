"""A line now and then about decoding that takes long."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

_EVERY_S = 10.0


def with_progress(items: Iterable[T], count: int) -> Iterator[T]:
    """Yields `items`, telling on stderr every ten seconds how many came and what is left.

    Sets that are read in less than ten seconds pass without a word.
    """
    start = told = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - told >= _EVERY_S:
            told = now
            left = (now - start) / done * (count - done)
            print(f"decoded {done:,} of {count:,} images, {left:.0f} s left", file=sys.stderr)
