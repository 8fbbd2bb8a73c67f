"""Known names that resemble a wrong one."""

import difflib
from collections.abc import Iterable


def near_misses(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'a' or 'b'?` of the known names that resemble `name`, or nothing."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(by_lower[c]) for c in close)}?" if close else ""
