"""The table of all bundled presets, and the rule that each beats its baselines."""

import pathlib
from typing import Any

import pytest

from trainers.maintainers import scoreboard

README = pathlib.Path(__file__).parents[3] / "README.md"
CARDS = list(scoreboard.cards())


def test_the_tables_are_sorted_and_name_baselines() -> None:
    def noise(name: str, kid: float) -> dict[str, Any]:
        kept = {"recall": {"value": 0.25}, "coverage": {"value": 0.5}}
        return {"name": name, "scores": [{"metrics": {"kid": {"value_x1000": kid}, **kept}}]}

    values = {
        "model": {"l1": 0.0123, "perceptual": 1.5},
        "identity": {"l1": 0.02, "perceptual": 2.0},
    }
    bundled = [noise("b", 1234.5), noise("a", 20.0), {"name": "c", "scores": [{"scores": values}]}]
    assert scoreboard.of_noise(bundled).splitlines()[2:] == [
        "| `a` | 20 | .25 | .50 |",
        "| `b` | 1,234 | .25 | .50 |",
    ]
    assert scoreboard.of_images(bundled).splitlines()[2:] == [
        "| `c` | .012 | 1.50 |",
        "| the source as it is | .020 | 2.00 |",
    ]


def test_the_readme_shows_what_the_command_prints(capsys: pytest.CaptureFixture) -> None:
    scoreboard.main([])
    readme = README.read_text("utf-8")
    for table in capsys.readouterr().out.strip().split("\n\n"):
        assert table in readme, "run python -m trainers.maintainers.scoreboard"


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card["name"])
def test_a_bundled_preset_is_measured_and_beats_its_baselines(card: dict[str, Any]) -> None:
    for record in card["scores"]:
        assert record.get("metrics") or record.get("scores")
        for name, baseline in record.get("scores", {}).items():
            if name != "model":
                for score in scoreboard.LEADING:
                    assert record["scores"]["model"][score] < baseline[score], (name, score)
