"""Which checkpoint is the best."""

import json
import pathlib

import pytest

from trainers.best import best_of


@pytest.mark.parametrize(
    ("unpaired", "metric", "step"), [(False, "perceptual", 10), (True, "kid", 20)]
)
def test_true_counterparts_decide_only_where_training_had_them(
    tmp_path: pathlib.Path, unpaired: bool, metric: str, step: int
) -> None:
    figures = {10: {"perceptual": 1.0, "kid": 0.4}, 20: {"perceptual": 2.0, "kid": 0.3}}
    with (tmp_path / "metrics.jsonl").open("w") as lines:
        for at, values in figures.items():
            values |= {"cycle_l1": 0.1} if unpaired else {}
            metrics = {name: {"name": name, "value": value} for name, value in values.items()}
            print(json.dumps({"step": at, "dataset": "d", "metrics": metrics}), file=lines)
    expected = {"step": step, "metric": metric, "value": figures[step][metric]}
    assert best_of(tmp_path, [10, 20]) == expected
    assert best_of(tmp_path, [30]) is None
