"""Names in messages: known ones that resemble a wrong one, and ones of unknown origin."""

import difflib
from collections.abc import Iterable, Sequence

SHORTEST = 3  # letters from which on a name counts as the beginning of another
MOST = 5  # names in a message


def near_misses(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'a', 'b' or 'c'?` of the known names that resemble `name`, or nothing.

    Names that begin with all of `name` come first, as dcgan_mnist for dcgan.
    """
    by_lower = {candidate.lower(): candidate for candidate in known}
    typed = name.lower()
    longer = [c for c in by_lower if c.startswith(typed) and len(typed.strip("-")) >= SHORTEST]
    close = difflib.get_close_matches(typed, by_lower, cutoff=0.6)
    found = [repr(by_lower[c]) for c in dict.fromkeys([*longer, *close])][:MOST]
    return f" Did you mean {either(found)}?" if found else ""


def either(names: Sequence[str]) -> str:
    """ "a, b or c", for a message."""
    return " or ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def escaped(text: str) -> str:
    """Text of unknown origin in one line: what cannot be printed as an escape, such as `\\n`."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
