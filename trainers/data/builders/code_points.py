"""Which emoji show the same drawing, by their code points, and how a set of two styles is split."""

from trainers.data.builders.base import share

_TEST_SHARE = 0.15

# What makes another emoji of the same drawing: joiner, presentation, direction, gender and skin.
_VARIANTS = {"200D", "FE0F", "27A1", "2640", "2642", *(f"1F3F{tone}" for tone in "BCDEF")}
# Who is drawn: "man astronaut", "woman astronaut" and "astronaut" are nearly one drawing.
_PEOPLE = {"1F468", "1F469", "1F9D1", "1F466", "1F467", "1F9D2"}


def drawing(code: str) -> str:
    """Returns what emoji with nearly the same drawing have in common.

    Args:
        code: Code points in hex digits, joined by "-": "1F9D1-1F3FB-200D-1F680".
    """
    points = [point.upper().zfill(4) for point in code.split("-")]
    points = [point for point in points if point not in _VARIANTS] or points
    # Faces and families are made of people alone: they are one group.
    return "-".join(point for point in points if point not in _PEOPLE) or "PEOPLE"


def unpaired_splits(code: str) -> tuple[str, ...]:
    """Where an emoji belongs in a set of two styles: to both test splits or to one training half.

    Emoji of one drawing stay together, so the training halves share none.
    """
    place = share(drawing(code))
    if place < _TEST_SHARE:
        return ("testA", "testB")
    return ("trainA",) if place < (1 + _TEST_SHARE) / 2 else ("trainB",)
