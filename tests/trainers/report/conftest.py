"""Records of real runs, and a workdir like the one a run leaves."""

import json
import pathlib
from typing import Any

import numpy as np
import pytest

from zoo.pictures import images as image_io
from zoo.pictures.marks import Mark

RUNS = json.loads(pathlib.Path(__file__).with_name("runs.json").read_text(encoding="utf-8"))


def rows(columns: dict[str, list]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def records(run: str) -> tuple[list, list, list]:
    """History, samples and events of a run of make_runs.py."""
    return rows(RUNS[run]["history"]), rows(RUNS[run]["samples"]), RUNS[run]["events"]


def write_lines(path: pathlib.Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


@pytest.fixture
def clothes(fashion: np.ndarray) -> np.ndarray:
    """512 real images, uint8 [512, 28, 28, 1]."""
    return np.round((fashion + 1) * 127.5).astype(np.uint8)


@pytest.fixture
def workdir(tmp_path: pathlib.Path, clothes: np.ndarray) -> pathlib.Path:
    """What the healthy run of runs.json would have left; its grids show real images."""
    folder = tmp_path / "W"
    history, samples, events = records("healthy")
    for i, step in enumerate((0, 100, 200, 300)):
        grid = image_io.grid(clothes[i * 64 : i * 64 + 64])
        image_io.write_png(folder / "samples" / f"{step:08d}.png", grid, Mark("mine", "1"))
    for record in history:
        record |= {"time": 1_700_000_000 + record["step"], "images_per_second": 64.0}
    write_lines(folder / "history.jsonl", history)
    write_lines(folder / "samples.jsonl", samples)
    write_lines(folder / "events.jsonl", [{"time": 1_700_000_000.0, **e} for e in events])
    write_lines(
        folder / "metrics.jsonl",
        [
            {
                "step": step,
                "metrics": {
                    "kid": {
                        "name": "KID (MobileNetV2)",
                        "value": kid / 1000,
                        "value_x1000": kid,
                        "standard_error_x1000": 4.0,
                    },
                    "recall": {"name": "Recall (MobileNetV2)", "value": recall},
                },
                "num_real": 1000,
                "num_fake": 999,
                "network": "MobileNetV2 1.0",
                "resize": 64,
                "dataset": "fashion_mnist",
                "split": "test",
                "seed": 0,
            }
            for step, kid, recall in ((100, 310.5, 0.02), (200, 201.25, 0.11), (300, 180.75, 0.19))
        ],
    )
    config = {"preset": "dcgan_fashion_mnist", "dataset": "sample:fashion_mnist", "steps": 300}
    about = {
        "versions": {"python": "3.11.9", "tensorflow": "2.21.7"},
        "devices": ["CPU"],
        "replicas": 1,
        "data": {"count": 10000, "skipped": [], "fingerprint": "0f1e2d3c" * 8},
        "parameters": {"generator": 1_234_567, "discriminator": 7_654_321},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "about.json").write_text(json.dumps(about))
    (folder / "checkpoints").mkdir()
    best = {"step": 300, "metric": "kid", "value": 0.18075}
    (folder / "checkpoints" / "best.json").write_text(json.dumps(best))
    return folder
