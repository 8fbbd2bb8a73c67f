"""A line now and then on stderr about images that take long."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

Batch = TypeVar("Batch", np.ndarray, tuple[np.ndarray, ...])


def with_progress(
    batches: Iterable[Batch], total: int, what: str, every_s: float = 5.0
) -> Iterator[Batch]:
    """Passes batches on, and says every few seconds how many came and how long the rest will take.

    What is through in less passes without a word. A batch is an array, or some of one length.
    """
    start = said = time.monotonic()
    done = 0
    for batch in batches:
        yield batch
        done += len(batch[0] if isinstance(batch, tuple) else batch)
        now = time.monotonic()
        if now - said >= every_s:
            left = (now - start) / done * (total - done)
            print(f"{what}: {done:,} of {total:,}, {left:.0f} s left", file=sys.stderr, flush=True)
            said = now
