"""Prints the scores of all bundled presets as Markdown tables, as in the README.

    python -m trainers.maintainers.scoreboard

The figures come from the cards, which `trainers.maintainers.publish` writes.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any

from zoo.core import presets
from zoo.core.commands import Parser, run

LEADING = ("l1", "perceptual")  # scores shown for image-to-image models; lower is better
_BASELINES = {
    "identity": "the source as it is",
    "bicubic": "bicubic enlargement",
    "mean_colour": "one colour",
    "nearest_neighbour": "the nearest training pair",
}


def cards() -> Iterator[dict[str, Any]]:
    """Yields the cards of all bundled presets."""
    for name in sorted(presets.list_presets()):
        file = presets.get_preset(name).folder / presets.CARD_FILE
        if file.is_file():
            yield json.loads(file.read_text("utf-8"))


def of_noise(bundled: Sequence[dict[str, Any]]) -> str:
    """The table of presets that generate images from noise, best KID first."""
    rows = []
    for card in bundled:
        for record in card["scores"]:
            if metrics := record.get("metrics"):
                kid = metrics["kid"]["value_x1000"]
                shares = (f"{metrics[name]['value']:.2f}"[1:] for name in ("recall", "coverage"))
                rows.append((kid, (f"`{card['name']}`", f"{kid:,.0f}", *shares)))
    head = ("preset", "KID x 1000", "recall", "coverage")
    return _table(head, [row for _, row in sorted(rows)])


def of_images(bundled: Sequence[dict[str, Any]]) -> str:
    """The table of image-to-image presets, each followed by its baselines."""
    rows = []
    for card in bundled:
        for record in card["scores"]:
            for name, values in record.get("scores", {}).items():
                shown = f"`{card['name']}`" if name == "model" else _BASELINES[name]
                rows.append((shown, f"{values['l1']:.3f}"[1:], f"{values['perceptual']:.2f}"))
    return _table(("preset, or instead of it", "L1", "perceptual"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point; `argv` is the command line's by default."""
    Parser("python -m trainers.maintainers.scoreboard", __doc__).parse_args(argv)

    def show(_: argparse.Namespace | None = None) -> None:
        bundled = list(cards())
        print(f"{of_noise(bundled)}\n\n{of_images(bundled)}")

    run(show)


if __name__ == "__main__":
    main()
