"""Reads the files of a run's workdir, complete or not."""

import dataclasses
import json
import pathlib
from typing import Any

from trainers.journal import comparable, read_lines
from zoo.core.storage import described

Record = dict[str, Any]

HUGE = 1e30  # larger than any value of a working run


@dataclasses.dataclass(frozen=True)
class Left:
    """The files of a run so far; fields of missing files are empty.

    Attributes:
        config: The fields of the run.
        about: Versions, devices, data, parameters.
        history, samples: Records of numbers or None, with an integer "step" each, ascending.
        metrics: Records with "step" and "metrics", {name: {"value", ...}}, ascending; only those
            whose scores are comparable with the last.
        events: Records with "event" and "message", in the order they happened.
        best: {"step", "metric", "value"} of the best evaluation, or None.
        grids: (step, file) of each sample grid, ascending.
        gaps: Sentences about what is missing or unreadable.
    """

    config: Record
    about: Record
    history: list[Record]
    samples: list[Record]
    metrics: list[Record]
    events: list[Record]
    best: Record | None
    grids: list[tuple[int, pathlib.Path]]
    gaps: list[str]


def read(workdir: pathlib.Path) -> Left:
    """Reads a workdir. Unreadable content is omitted and named in `gaps`.

    Raises:
        ValueError: It is not a folder, or contains no files of a run.
    """
    if not workdir.is_dir():
        raise ValueError(f"A report needs the folder of a run. Received: {described(workdir)}.")
    gaps: list[str] = []
    config = _object(workdir / "config.json", gaps, "the configuration")
    about = _object(workdir / "about.json", gaps, "versions and data")
    history = _numbers(_lines(workdir / "history.jsonl", gaps, "losses, accuracies and speed"))
    samples = _numbers(_lines(workdir / "samples.jsonl", gaps, "the variety of the samples"))
    evaluations = [
        {**r, "metrics": {k: v for k, v in r["metrics"].items() if isinstance(v, dict)}}
        for r in _by_step(_lines(workdir / "metrics.jsonl", gaps, "metrics"))
        if isinstance(r.get("metrics"), dict)
    ]
    metrics = comparable(evaluations)
    if len(metrics) < len(evaluations):
        gaps.append(
            f"Evaluations left out: {len(evaluations) - len(metrics)} of {len(evaluations)}, which "
            "were made on other images or in another way than the last."
        )
    events = _lines(workdir / "events.jsonl", gaps, "starts, stops and failures")
    grids = sorted(
        (int(path.stem), path)
        for path in (workdir / "samples").glob("*.png")
        if path.stem.isdecimal()
    )
    if not grids:
        gaps.append("No sample grid in samples/.")
    if not (config or history or grids):
        raise ValueError(
            "A run's folder holds config.json, history.jsonl or samples/. "
            f"Received: {workdir}, with none of them."
        )
    # Missing before the first evaluation, which is not a gap.
    best = _object(workdir / "checkpoints" / "best.json", [], "") or None
    return Left(config, about, history, samples, metrics, events, best, grids, gaps)


def number(value: Any) -> float | None:
    """The value as a float that can be drawn; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < HUGE:
        return None
    return float(value)


def _object(path: pathlib.Path, gaps: list[str], holds: str) -> Record:
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        gaps.append(f"No {path.name}, so nothing about {holds}.")
    except ValueError:
        gaps.append(f"{path.name} cannot be read as JSON, so nothing about {holds}.")
    else:
        if isinstance(value, dict):
            return value
        gaps.append(f"{path.name} holds no JSON object, so nothing about {holds}.")
    return {}


def _lines(path: pathlib.Path, gaps: list[str], holds: str) -> list[Record]:
    """The objects of a JSON Lines file; a killed run may leave its last line incomplete."""
    if not path.is_file():
        gaps.append(f"No {path.name}, so nothing about {holds}.")
    bad: list[int] = []
    records = read_lines(path, bad)
    if bad:
        where = f"line {bad[0]}" if len(bad) == 1 else f"{len(bad)} lines, the first {bad[0]}"
        gaps.append(f"{path.name}: {where} cannot be read and is skipped.")
    return records


def _by_step(records: list[Record]) -> list[Record]:
    """Records that have a step, ascending; for equal steps the later line is used."""
    steps = {int(r["step"]): r for r in records if number(r.get("step")) is not None}
    return [{**steps[step], "step": step} for step in sorted(steps)]


def _numbers(records: list[Record]) -> list[Record]:
    """`_by_step`, with only those values of each record that are numbers or null."""
    return [
        {key: number(v) if key != "step" else v for key, v in record.items() if _numeric(v)}
        for record in _by_step(records)
    ]


def _numeric(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
