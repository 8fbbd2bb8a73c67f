"""Progress of long work: a bar on stderr, with an estimate of the time left."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO, TypeVar

from tqdm import tqdm

T = TypeVar("T")

DELAY_S = 5.0  # shorter work shows no bar
LOG_EVERY_S = 10.0  # where stderr is a file or a pipe


def _writable(stream: TextIO) -> bool:
    """Whether what was written to a stream so far can leave it; a bar must not end the work."""
    try:
        stream.flush()
    except OSError:
        return False
    return True


def with_progress(
    items: Iterable[T], total: int, what: str = "images", size: Callable[[T], int] = lambda item: 1
) -> Iterator[T]:
    """Passes `items` on, and shows how many came.

    Args:
        items: What is worked on.
        total: The sum of their sizes.
        what: Their name, in the plural.
        size: Of an item; each counts as one by default.
    """
    terminal = sys.stderr.isatty()
    with tqdm(
        total=total,
        desc=what,
        delay=DELAY_S,
        mininterval=0.1 if terminal else LOG_EVERY_S,
        leave=not terminal,
        disable=not _writable(sys.stderr),
        bar_format=None if terminal else "{desc}: {n_fmt} of {total_fmt}, {remaining} left",
    ) as bar:
        for item in items:
            yield item
            bar.update(size(item))
