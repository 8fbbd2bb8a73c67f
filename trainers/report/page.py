"""The report as one HTML page: fills in `page.html`."""

import base64
import datetime
import hashlib
import json
import pathlib
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import Markup

from trainers.journal import readable
from trainers.report.charts import TEMPLATES, Chart, Series, figure, short
from trainers.report.diagnosis import Warning, better, not_judged, too_early
from trainers.report.grids import Pictures
from trainers.report.reading import Left, Record, number

# Known scalars, in the order of their charts.
FAMILIAR = {
    "d_loss": "D",
    "g_loss": "G",
    "real_accuracy": "real images",
    "fake_accuracy": "generated images",
    "d_gradient_norm": "D",
    "g_gradient_norm": "G",
    "ada_p": "ADA: strength p of the augmentations",
    "alpha": "Fade-in of the newest block",
    "resolution": "Resolution while growing",
}
NOT_DRAWN = {"step", "kimg", "time", "images_per_second"}
STATES = {
    "finished": "finished",
    "interrupted": "interrupted",
    "diverged": "stopped: it diverged",
    "data_failed": "stopped: the data could not be read",
    "worker_lost": "stopped: a worker was lost",
    "not_saved": "stopped: the last checkpoint could not be written",
}
RECORDS = ("data", "versions")  # parts of about.json with their own tables
SMALL = 400  # pixels; smaller grids are shown enlarged without smoothing
LAST_EVENTS = 30


def page(left: Left, pictures: Pictures, found: Sequence[Warning], workdir: str) -> str:
    """The whole document.

    Args:
        left: The files of the run.
        pictures: Its sample grids.
        found: Warnings, most serious first.
        workdir: Path of the run, to show.
    """
    folder = pathlib.Path(__file__).parent
    style, script = ((folder / f"report.{kind}").read_text("utf-8") for kind in ("css", "js"))
    about = left.about
    data, versions = (about[k] if isinstance(about.get(k), dict) else {} for k in RECORDS)
    return TEMPLATES.get_template("page.html").render(
        # Runs of earlier versions have no name, only a preset.
        name=str(left.about.get("name") or left.config.get("preset") or "A training run"),
        left=left,
        pictures=pictures,
        enlarged=SMALL,
        found=found,
        early=too_early(left.history, left.samples),
        unknown=not_judged(left.history, left.samples, left.metrics) if left.history else [],
        workdir=workdir,
        state=_state(left.events),
        tiles=_tiles(left),
        data=data,
        versions=versions,
        machine={k: v for k, v in about.items() if k not in ("name", *RECORDS)},
        last_events=LAST_EVENTS,
        made=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        style=Markup(style),
        script=Markup(script),
        policy=f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'",
        **_charts(left),
    )


def _state(events: Sequence[Record]) -> str:
    """How the run stands, by its last event; training goes on after a checkpoint that failed."""
    names = [str(e.get("event")) for e in events if e.get("event") != "checkpoint_failed"]
    return STATES.get(names[-1] if names else "", "not finished")


def last_step(left: Left) -> int:
    """The last step in any file.

    Of the events only the last counts: earlier ones may be of steps that a resume repeats.
    """
    records = (left.history[-1:], left.samples[-1:], left.metrics[-1:])
    steps = [int(r["step"]) for some in records for r in some]
    steps += [int(number(e.get("step")) or 0) for e in left.events[-1:]]
    return max([*steps, *(step for step, _ in left.grids[-1:]), 0])


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


# ---- the run in figures


def _tiles(left: Left) -> list[tuple[str, str]]:
    """(value, label) of each tile."""
    tiles = []
    steps, total = last_step(left), number(left.config.get("steps"))
    tiles.append((f"{steps:,}", f"of {total:,.0f} steps" if total else "steps"))
    shown = [k for r in left.history if (k := r.get("kimg")) is not None]
    if shown:
        tiles.append((f"{shown[-1]:,.4g}k", "real images shown"))
    speeds = [s for r in left.history if (s := r.get("images_per_second"))]
    if speeds:
        tiles.append((short(statistics.median(speeds)), "images/s, median"))
    seconds = _training_seconds(left.history)
    if seconds:
        tiles.append((readable(seconds), "of training"))
    best = left.best or {}
    if number(best.get("value")) is not None:
        place = f" at step {best['step']:,}" if isinstance(best.get("step"), int) else ""
        score, name = best["value"], best.get("metric", "score")
        if name == "kid":
            score, name = 1000 * score, "KID x 1000"
        tiles.append((f"{score:.4g}", f"best {name}{place}"))
    return tiles


def _training_seconds(history: Sequence[Record]) -> float:
    """Training time, from images and images per second; excludes pauses between runs."""
    seconds, before = 0.0, 0.0
    for record in history:
        kimg, speed = record.get("kimg"), record.get("images_per_second")
        if kimg is not None:
            if speed:
                seconds += 1000 * (kimg - before) / speed
            before = kimg
    return seconds


# ---- the charts


def _charts(left: Left) -> dict[str, Any]:
    end = last_step(left)
    marks = [
        (int(step), str(event["event"]).replace("_", " "))
        for event in left.events
        if (step := number(event.get("step"))) is not None
        and 0 <= step <= end
        and event.get("event") not in ("started", "finished", None)
    ]
    charts = _history_charts(left.history)
    charts[3:3] = _sample_charts(left.samples)
    return {
        "figures": [figure(chart, end, marks) for chart in charts],
        "scores": [figure(chart, end, marks) for chart in _metric_charts(left.metrics)],
        "conditions": _conditions(left.metrics[-1]) if left.metrics else "",
        "marked": bool(marks),
    }


def _history_charts(history: Sequence[Record]) -> list[Chart]:
    present = dict.fromkeys(k for r in history for k in r if k not in NOT_DRAWN)
    names = sorted(present, key=lambda n: (list(FAMILIAR) + list(present)).index(n))
    losses = [n for n in names if n.endswith("loss")]
    accuracies = [n for n in names if n.endswith("_accuracy")]
    norms = [n for n in names if n.endswith("_gradient_norm")]
    charts = [
        Chart(
            "Losses",
            "loss",
            [_series(history, n) for n in losses[:6]],
            "A balanced game wobbles without a trend; neither loss measures image quality.",
            log=_wide(history, losses),
        ),
        Chart(
            "What D judges correctly",
            "share of the images",
            [_series(history, n) for n in accuracies[:6]],
            "Both lines at 100 % leave G nothing to learn from.",
            percent=True,
        ),
        Chart(
            "Gradient norms",
            "norm, logarithmic",
            [_series(history, n) for n in norms[:6]],
            "Steady is good. Growth by powers of ten precedes divergence.",
            log=True,
        ),
    ]
    for name in names:
        if name not in {*losses[:6], *accuracies[:6], *norms[:6]}:
            series = _series(history, name)
            if any(value is not None for value in series.values):
                charts.append(Chart(series.name.capitalize(), "", [series], from_zero=True))
    speed = _series(history, "images_per_second")
    charts.append(Chart("Speed", "images per second", [speed], from_zero=True))
    return charts


def _sample_charts(samples: Sequence[Record]) -> list[Chart]:
    return [
        Chart(
            "How varied the samples are",
            "",
            [
                Series(name, [s["step"] for s in samples], [s.get(key) for s in samples])
                for key, name in (
                    ("spread", "distance, of that between real images"),
                    ("duplicates", "share with a near-duplicate"),
                    ("copies", "share that copies a training image"),
                )
            ],
            "Good samples differ as much as real images do, and hardly any has a near-duplicate. A "
            "young network draws near-duplicates only.",
            percent=True,
        )
    ]


def _metric_charts(metrics: Sequence[Record]) -> list[Chart]:
    """A chart for each metric that any evaluation holds, with its best point marked."""
    charts = []
    for key in dict.fromkeys(k for r in metrics for k in r["metrics"]):
        entries = [(r["step"], r["metrics"].get(key) or {}) for r in metrics]
        scaled = any(number(e.get("value_x1000")) is not None for _, e in entries)
        field = "value_x1000" if scaled else "value"
        values = [number(e.get(field)) for _, e in entries]
        title = next((str(e["name"]) for _, e in entries if e.get("name")), str(key))
        good = better(key)
        known = [(v, step) for v, (step, _) in zip(values, entries, strict=True) if v is not None]
        best = None
        if known and good:
            best = (min if good == "lower" else max)(known)
        errors = [number(e.get(f"standard_error{'_x1000' if scaled else ''}")) for _, e in entries]
        notes = [f"{good.capitalize()} is better."] if good else []
        if best:
            notes.append(f"Best {best[0]:.4g} at step {best[1]:,} (ringed).")
        charts.append(
            Chart(
                title + (" x 1000" if scaled else ""),
                "mean and standard error" if any(errors) else "",
                [Series("last", [step for step, _ in entries], values, errors)],
                " ".join(notes),
                best=(best[1], best[0]) if best else None,
            )
        )
    return charts


def _conditions(record: Record) -> str:
    """How the scores were computed: a score means nothing without this."""
    facts = []
    if record.get("num_fake") is not None and record.get("num_real") is not None:
        facts.append(f"{record['num_fake']} generated against {record['num_real']} real images")
    if record.get("dataset"):
        facts.append(f"{record['dataset']}, split {record.get('split', 'unknown')}")
    if record.get("network"):
        facts.append(f"features of {record['network']}")
    if record.get("resize") is not None:
        facts.append(f"images at {record['resize']} px")
    return f"Last evaluation: {'; '.join(facts)}." if facts else ""


def _series(history: Sequence[Record], name: str) -> Series:
    label = FAMILIAR.get(name, name.removesuffix("_loss").replace("_", " "))
    return Series(
        "images per second" if name == "images_per_second" else label,
        [r["step"] for r in history],
        [r.get(name) for r in history],
    )


def _wide(history: Sequence[Record], names: Iterable[str]) -> bool:
    """Whether positive values span more than three powers of ten, as in a run that exploded."""
    values = [v for n in names for r in history if (v := r.get(n)) is not None]
    return bool(values) and min(values) > 0 and max(values) > 1000 * statistics.median(values)


# ---- the record


def _plain(value: Any) -> str:
    """A value of a file in readable form."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        shown = ", ".join(_plain(v) for v in value[:8]) or "none"
        return shown + (f" and {len(value) - 8} more" if len(value) > 8 else "")
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(v)}" for key, v in value.items())
    return json.dumps(value)


def _clock(seconds: Any) -> str:
    try:
        moment = datetime.datetime.fromtimestamp(float(seconds), datetime.UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return ""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


TEMPLATES.filters |= {"plain": _plain, "clock": _clock}
