"""A line now and then on stderr about images that take long."""

import sys
import time
from collections.abc import Iterable, Iterator

import numpy as np


def with_progress(
    batches: Iterable[np.ndarray], total: int, what: str, every_s: float = 5.0
) -> Iterator[np.ndarray]:
    """Passes batches on, and says every few seconds how many came and how long the rest will take.

    What is through in less passes without a word.
    """
    start = said = time.monotonic()
    done = 0
    for batch in batches:
        yield batch
        done += len(batch)
        now = time.monotonic()
        if now - said >= every_s:
            left = (now - start) / done * (total - done)
            print(f"{what}: {done:,} of {total:,}, {left:.0f} s left", file=sys.stderr, flush=True)
            said = now
