"""The one error that this package raises, and the hint that goes with an unknown name."""

import difflib
from collections.abc import Iterable


class DataError(ValueError):
    """A data set that cannot be read as asked: one line naming what was received and what to do."""


def near_misses(name: str, known: Iterable[str]) -> str:
    """Returns "Did you mean: a, b? " for the names in `known` that resemble `name`, or ""."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    matches = [
        by_lower[match] for match in difflib.get_close_matches(name.lower(), by_lower, cutoff=0.7)
    ]
    return f"Did you mean {' or '.join(repr(match) for match in matches)}? " if matches else ""
