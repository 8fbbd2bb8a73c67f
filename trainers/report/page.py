"""The report as one HTML page. Whatever comes from a file is escaped."""

import base64
import datetime
import hashlib
import json
import statistics
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from trainers.report.charts import Chart, Series, figure, short
from trainers.report.diagnosis import ALIKE, Warning, better
from trainers.report.grids import Pictures, Still
from trainers.report.look import SCRIPT, STYLE
from trainers.report.reading import Left, Record, number

# Those that are known, in the order in which they are drawn.
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
SMALL = 400  # pixels of a grid that is shown enlarged, hard-edged
LAST_EVENTS = 30


def page(left: Left, pictures: Pictures, found: Sequence[Warning], workdir: str) -> str:
    """The whole document.

    Args:
        left: What the run has left.
        pictures: Of its sample grids.
        found: Warnings, the gravest first.
        workdir: Shown as the run's place.
    """
    # A run of an earlier version has no name, but a preset.
    name = str(left.about.get("name") or left.config.get("preset") or "A training run")
    main = "".join(
        [
            _header(left, name, workdir),
            _verdict(left, found),
            _tiles(left),
            _samples(pictures),
            _charts(left),
            _facts(left, pictures),
        ]
    )
    made = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(STYLE)}'; "
        f"script-src '{_hash(SCRIPT)}'; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(name)}: training report</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>{main}</main>\n"
        f"<footer><p>Written {made}. To write it anew: "
        f"<code>python -m trainers.report --run={escape(workdir)}</code></p></footer>\n"
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def last_step(left: Left) -> int:
    """The last step that any file tells of."""
    records = (left.history[-1:], left.samples[-1:], left.metrics[-1:])
    steps = [int(r["step"]) for some in records for r in some]
    steps += [int(number(e.get("step")) or 0) for e in left.events]
    return max([*steps, *(step for step, _ in left.grids[-1:]), 0])


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


# ---- the top


def _header(left: Left, name: str, workdir: str) -> str:
    dataset = left.config.get("dataset")
    on = f" on {escape(str(dataset))}" if dataset else ""
    state = {
        "finished": "finished",
        "interrupted": "interrupted",
        "diverged": "stopped: it diverged",
        "data_failed": "stopped: the data could not be read",
        "worker_lost": "stopped: a worker was lost",
        "checkpoint_failed": "stopped: a checkpoint could not be written",
    }.get(str(left.events[-1].get("event")) if left.events else "", "not finished")
    return (
        f"<header><h1>{escape(name)}{on}</h1>"
        f'<p class="soft">Training run in <code>{escape(workdir)}</code>, {state}. '
        "G is its generator, D its discriminator.</p></header>"
    )


def _verdict(left: Left, found: Sequence[Warning]) -> str:
    gaps = "".join(f'<p class="note">{escape(gap)}</p>' for gap in left.gaps)
    if not found:
        if not left.history:
            tone, title, seen = "", "Too early to say", "There are no losses to judge by yet."
        else:
            tone, title = " good", "No known illness"
            seen = (
                "No sign of collapse, of D or G winning outright, of divergence, of nothing being "
                f"learned, of ADA at its limit or of a score that got worse. {_young(left.samples)}"
            )
        return f'<section class="verdict{tone}"><h2>{title}</h2><p>{seen}</p>{gaps}</section>'
    count = "One warning" if len(found) == 1 else f"{len(found)} warnings"
    cards = "".join(
        f'<section class="card warning"><h3>{escape(w.title)}</h3><dl><dt>What was seen</dt>'
        f"<dd>{escape(w.evidence)}</dd><dt>What to try</dt><dd>{escape(w.try_this)}</dd></dl>"
        "</section>"
        for w in found
    )
    titles = escape("; ".join(w.title for w in found))
    return f'<section class="verdict bad"><h2>{count}</h2><p>{titles}.</p>{gaps}</section>{cards}'


def _young(samples: Sequence[Record]) -> str:
    """What a newcomer may wonder at in the first grids."""
    alike = samples[-1].get("duplicates") if samples else None
    if alike is None or alike < ALIKE:
        return ""
    return "The samples still look alike, as every network's do in its first thousands of images."


def _tiles(left: Left) -> str:
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
        tiles.append((_duration(seconds), "of training"))
    best = left.best or {}
    if number(best.get("value")) is not None:
        place = f" at step {best['step']:,}" if isinstance(best.get("step"), int) else ""
        score, name = best["value"], best.get("metric", "score")
        if name == "kid":
            score, name = 1000 * score, "KID x 1000"
        tiles.append((f"{score:.4g}", f"best {name}{place}"))
    cells = "".join(
        f'<div class="card"><b>{escape(value)}</b><span>{escape(label)}</span></div>'
        for value, label in tiles
    )
    return f'<section class="tiles" aria-label="The run in figures">{cells}</section>'


def _training_seconds(history: Sequence[Record]) -> float:
    """Time spent on steps, from images and images per second: pauses between runs do not count."""
    seconds, before = 0.0, 0.0
    for record in history:
        kimg, speed = record.get("kimg"), record.get("images_per_second")
        if kimg is not None:
            if speed:
                seconds += 1000 * (kimg - before) / speed
            before = kimg
    return seconds


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


# ---- the samples


def _samples(pictures: Pictures) -> str:
    stills = pictures.stills
    if not stills:
        return '<h2>Samples</h2><p class="none">No sample grid yet.</p>'
    last = stills[-1]
    view = (
        f'<figure class="card picture{_enlarged(last)}"><figcaption><h3>Step by step</h3>'
        f'<span class="step">step <span id="view-step">{last.step:,}</span></span></figcaption>'
        f'<img id="view" {_source(last)}>'
        '<div class="slider" hidden><input type="range" min="0" '
        f'max="{len(stills) - 1}" value="{len(stills) - 1}" aria-label="Which sample grid"></div>'
        "</figure>"
    )
    film = ""
    if pictures.animation:
        film = (
            f'<figure class="card picture{_enlarged(last)}"><figcaption><h3>As a film</h3>'
            f'<span class="step">step {stills[0].step:,} to {last.step:,}</span></figcaption>'
            '<picture><source media="(prefers-reduced-motion: reduce)" '
            f'srcset="{last.uri}"><img src="{pictures.animation}" width="{last.width}" '
            f'height="{last.height}" alt="Animation of {len(stills)} sample grids from step '
            f'{stills[0].step:,} to step {last.step:,}"></picture></figure>'
        )
    strip = "".join(
        f'<figure><img {_source(still)} data-step="{still.step:,}"><figcaption class="step">'
        f"step {still.step:,}</figcaption></figure>"
        for still in stills
    )
    of = f" ({len(stills)} of {pictures.total} grids)" if pictures.total > len(stills) else ""
    return (
        "<h2>Samples over time</h2>"
        '<p class="soft">The same 64 latents at every step, drawn by the averaged generator'
        f'{of}.</p><div class="two">{view}{film}</div>'
        f'<div class="strip" tabindex="0" role="group" aria-label="All sample grids">{strip}</div>'
    )


def _source(still: Still) -> str:
    return (
        f'src="{still.uri}" width="{still.width}" height="{still.height}" '
        f'alt="Grid of generated images at step {still.step:,}"'
    )


def _enlarged(still: Still) -> str:
    return " small" if max(still.width, still.height) <= SMALL else ""


# ---- the charts


def _charts(left: Left) -> str:
    end = last_step(left)
    marks = [
        (int(step), str(event["event"]).replace("_", " "))
        for event in left.events
        if (step := number(event.get("step"))) is not None
        and 0 <= step <= end
        and event.get("event") not in ("started", "finished", None)
    ]
    figures = [figure(chart, end, marks) for chart in _history_charts(left.history)]
    figures[3:3] = [figure(chart, end, marks) for chart in _sample_charts(left.samples)]
    scores = [figure(chart, end, marks) for chart in _metric_charts(left.metrics)]
    evaluated = ""
    if scores:
        evaluated = (
            f'<h2>Metrics</h2><p class="soft">{escape(_conditions(left.metrics[-1]))}</p>'
            f'<div class="charts">{"".join(scores)}</div>'
        )
    dashed = (
        '<p class="soft">Dashed lines mark where the run stopped or was resumed.</p>'
        if marks
        else ""
    )
    return (
        f'<h2>Training in figures</h2>{dashed}<div class="charts">{"".join(figures)}</div>'
        f"{evaluated}"
    )


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
            "What D judges rightly",
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
    for key in dict.fromkeys(k for r in metrics for k in _measured(r)):
        entries = [(r["step"], _measured(r).get(key) or {}) for r in metrics]
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


def _measured(record: Record) -> dict[str, Record]:
    metrics = record.get("metrics")
    if not isinstance(metrics, dict):
        return {}
    return {str(k): v for k, v in metrics.items() if isinstance(v, dict)}


def _conditions(record: Record) -> str:
    """A score says nothing without its conditions."""
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
    """Positive values over more than three powers of ten: a run that exploded."""
    values = [v for n in names for r in history if (v := r.get(n)) is not None]
    return bool(values) and min(values) > 0 and max(values) > 1000 * statistics.median(values)


# ---- the record


def _facts(left: Left, pictures: Pictures) -> str:
    about = left.about
    data = about.get("data") if isinstance(about.get("data"), dict) else {}
    versions = about.get("versions") if isinstance(about.get("versions"), dict) else {}
    machine = {k: v for k, v in about.items() if k not in ("name", "data", "versions")}
    unreadable = (
        f'<p class="note">Not readable as images: {escape(", ".join(pictures.unreadable))}.</p>'
        if pictures.unreadable
        else ""
    )
    return (
        '<h2>What it was made with</h2><div class="two"><div class="stack">'
        f"{_table('Configuration', left.config)}</div>"
        f'<div class="stack">{_table("Data", data)}{_table("Machine and networks", machine)}'
        f"{_table('Versions', versions)}</div></div>{_events(left.events)}{unreadable}"
    )


def _table(title: str, values: Record) -> str:
    rows = "".join(
        f"<tr><th>{escape(str(key).replace('_', ' '))}</th><td>{escape(_plain(value))}</td></tr>"
        for key, value in values.items()
    )
    body = f"<table>{rows}</table>" if rows else '<p class="none">Not recorded.</p>'
    return (
        f'<section class="card"><h3>{escape(title)}</h3><div class="table">{body}</div></section>'
    )


def _plain(value: Any) -> str:
    """A value of a file as a person writes it."""
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


def _events(events: Sequence[Record]) -> str:
    if not events:
        return ""
    rows = "".join(
        f"<tr><td>{escape(_plain(e.get('step')))}</td><td>{escape(_clock(e.get('time')))}</td>"
        f"<td>{escape(str(e.get('event', '')).replace('_', ' '))}</td>"
        f"<td>{escape(str(e.get('message') or ''))}</td></tr>"
        for e in events[-LAST_EVENTS:]
    )
    more = f" (the last {LAST_EVENTS} of {len(events)})" if len(events) > LAST_EVENTS else ""
    return (
        f'<h2>What happened{more}</h2><section class="card table"><table><tr><th>Step</th>'
        f"<th>Time</th><th>Event</th><th>Message</th></tr>{rows}</table></section>"
    )


def _clock(seconds: Any) -> str:
    try:
        moment = datetime.datetime.fromtimestamp(float(seconds), datetime.UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return ""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
