"""The records that a run writes: JSON Lines."""

import json
import math
import pathlib
import sys
import time
from typing import Any

from zoo.core.commands import tell
from zoo.core.storage import whole_file

HISTORY = "history.jsonl"  # scalars
SAMPLES = "samples.jsonl"  # diversity of the sample grids
METRICS = "metrics.jsonl"  # evaluations
EVENTS = "events.jsonl"  # started, resumed, finished, ...
# Scores of evaluations are comparable only if these fields are equal.
PROTOCOL = ("dataset", "split", "num_real", "num_fake", "network", "resize")


class Journal:
    """Appends to the files above; each line holds its step.

    Args:
        workdir: The run's folder.
        start: Step at which this process starts. Lines and sample grids of later steps are dropped:
            they come from a killed run, and these steps are now repeated. Events are kept.
        writes: Whether this process writes; with several workers only the chief does.
    """

    def __init__(self, workdir: pathlib.Path, start: int, *, writes: bool = True) -> None:
        self.workdir = workdir
        self.writes = writes
        if writes:
            for name in (HISTORY, SAMPLES, METRICS):
                _drop_after(workdir / name, start)
            _drop_after(workdir / EVENTS, None)
            for grid in (workdir / "samples").glob("*.png"):
                if grid.stem.isdecimal() and int(grid.stem) > start:
                    grid.unlink()

    def write(self, name: str, step: int, **values: Any) -> None:
        """Adds one line to the file `name`; values that are not finite become null."""
        if not self.writes:
            return
        line = json.dumps({"step": step, **{key: _plain(value) for key, value in values.items()}})
        try:
            with open(self.workdir / name, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:  # a failed record must not end the run
            tell(f"\nwarning: {self.workdir / name}: {error.strerror}", file=sys.stderr)

    def event(self, step: int, event: str, message: str) -> None:
        """Adds an event with the current time."""
        self.write(EVENTS, step, time=time.time(), event=event, message=message)


def read_lines(path: pathlib.Path, bad: list[int] | None = None) -> list[dict[str, Any]]:
    """Reads the objects of a JSON Lines file; empty if there is no file.

    Lines that are not objects are skipped, such as a last line that was cut off in a killed run.

    Args:
        path: The file.
        bad: Receives the numbers of skipped lines, counted from 1.
    """
    if not path.is_file():
        return []
    records = []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict):
            records.append(record)
        elif line.strip() and bad is not None:
            bad.append(number)
    return records


def comparable(evaluations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those evaluations that were made like the last one; a resume may change how."""
    return [e for e in evaluations if all(e.get(k) == evaluations[-1].get(k) for k in PROTOCOL)]


def _drop_after(path: pathlib.Path, last: int | None) -> None:
    """Drops lines of later steps, and a truncated line."""
    if not path.is_file():
        return
    lines = [line for line in read_lines(path) if "step" in line]
    kept = [line for line in lines if last is None or line["step"] <= last]
    with whole_file(path) as fresh:
        fresh.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def readable(seconds: float) -> str:
    """A human-readable duration: "42 s", "12 min", "3 h 05 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
