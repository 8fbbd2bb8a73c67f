"""Line charts as inline SVG, drawn by hand: a report must cost training nothing.

(Importing matplotlib and drawing six charts was measured at 1.1 s of CPU; these take milliseconds,
and their colours follow the page's light or dark style.)
"""

import dataclasses
import html
import json
import math
from collections.abc import Sequence

import numpy as np

WIDTH, HEIGHT = 520, 230
LEFT, RIGHT, TOP, BOTTOM = 50, 22, 26, 24
# More points than this are drawn as their means, over a band from their least to their greatest.
POINTS = 240
DOTS = 12  # points up to which each has a dot


@dataclasses.dataclass(frozen=True)
class Series:
    """One line.

    Attributes:
        name: For the legend.
        steps: Ascending.
        values: As many; None leaves a gap.
        errors: Standard errors of the values, drawn as bars; None for none.
    """

    name: str
    steps: Sequence[int]
    values: Sequence[float | None]
    errors: Sequence[float | None] | None = None


@dataclasses.dataclass(frozen=True)
class Chart:
    """Lines over the steps of a run.

    Attributes:
        title: What is drawn.
        unit: Of the values, for the vertical axis.
        series: At most six lines.
        note: How to read it, in a sentence.
        percent: Values are shares in [0, 1]: the axis is 0 to 100 %.
        from_zero: The axis reaches down to 0.
        log: A logarithmic axis; values that are not positive are left out.
        best: (step, value) to be marked.
    """

    title: str
    unit: str
    series: Sequence[Series]
    note: str = ""
    percent: bool = False
    from_zero: bool = False
    log: bool = False
    best: tuple[int, float] | None = None


@dataclasses.dataclass(frozen=True)
class _Line:
    """A series as it is drawn: its place in the legend, and arrays of one length."""

    place: int
    name: str
    steps: np.ndarray
    values: np.ndarray  # NaN leaves a gap
    least: np.ndarray  # of the points, or of the standard error, that a value stands for
    most: np.ndarray
    thinned: bool


def figure(chart: Chart, last_step: int, marks: Sequence[tuple[int, str]] = ()) -> str:
    """An HTML <figure> with the chart, or with the reason why there is none.

    Args:
        chart: What to draw.
        last_step: Where the horizontal axis ends; it begins at 0.
        marks: (step, what happened): vertical lines.
    """
    lines = [_prepare(i, series, chart.log) for i, series in enumerate(chart.series)]
    lines = [line for line in lines if np.isfinite(line.values).any()]
    legend = "".join(
        f'<span class="key"><i class="swatch s{line.place}"></i>{html.escape(line.name)} '
        f"<b>{_label(_last(line), chart.percent)}</b></span>"
        for line in lines
    )
    body = '<p class="none">No figures yet.</p>'
    if lines:
        body = _svg(chart, lines, max(last_step, 1), marks)
    note = f'<p class="note">{html.escape(chart.note)}</p>' if chart.note else ""
    return (
        f'<figure class="chart"><figcaption><h3>{html.escape(chart.title)}</h3>'
        f'<div class="legend">{legend}</div></figcaption>{body}{note}</figure>'
    )


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten) in [low, high], low < high."""
    rough = (high - low) / max(count - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def short(value: float) -> str:
    """A number for an axis: "0.25", "1.5k", "2M", "3e-05"."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e9 or size < 1e-3:
        return f"{value:.3g}".replace("e+0", "e").replace("e-0", "e-")
    for unit, suffix in ((1e6, "M"), (1e3, "k")):
        if size >= unit:
            return f"{value / unit:.4g}{suffix}"
    return f"{value:.3g}"


def _prepare(place: int, series: Series, log: bool) -> _Line:
    steps = np.asarray(series.steps, np.float64)
    values = np.array([np.nan if v is None else v for v in series.values], np.float64)
    if log:
        values[~(values > 0)] = np.nan
    errors = np.zeros_like(values)
    if series.errors is not None and not log:
        errors = np.array([0.0 if e is None else e for e in series.errors], np.float64)
    least, most = values - errors, values + errors
    thinned = len(steps) > POINTS
    if thinned:
        shares = np.array_split(np.arange(len(steps)), POINTS)
        shares = [s[np.isfinite(values[s])] if np.isfinite(values[s]).any() else s for s in shares]
        least, most, steps, values = (
            np.array([reduce(array[s]) for s in shares])
            for reduce, array in (
                (np.min, least),
                (np.max, most),
                (np.mean, steps),
                (np.mean, values),
            )
        )
    return _Line(place, series.name, steps, values, least, most, thinned)


def _last(line: _Line) -> float:
    return float(line.values[np.isfinite(line.values)][-1])


def _label(value: float, percent: bool) -> str:
    return f"{100 * value:.0f} %" if percent else short(value)


class _Axes:
    """From steps and values to pixels."""

    def __init__(self, chart: Chart, low: float, high: float, last_step: int) -> None:
        self.log, self.percent, self.last_step = chart.log, chart.percent, last_step
        if chart.percent:
            low, high = 0.0, max(1.0, high)
        elif chart.log:
            low, high = math.log10(low), math.log10(high)
            if high - low < 1:  # at least a decade, or noise would look like news
                middle = (low + high) / 2
                low, high = middle - 0.5, middle + 0.5
        else:
            low = min(low, 0.0) if chart.from_zero else low
            flat = high - low <= 1e-6 * max(abs(low), abs(high))
            margin = (0.1 * abs(high) or 1.0) if flat else 0.06 * (high - low)
            high += margin
            low -= 0 if chart.from_zero and low == 0 else margin
        self.low, self.high = low, high

    def x(self, steps: np.ndarray) -> np.ndarray:
        return LEFT + steps / self.last_step * (WIDTH - LEFT - RIGHT)

    def y(self, values: np.ndarray) -> np.ndarray:
        place = (np.log10(values) if self.log else values) - self.low
        return HEIGHT - BOTTOM - place / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)

    def value_ticks(self) -> list[float]:
        if self.percent and self.high == 1:
            return [0.0, 0.25, 0.5, 0.75, 1.0]
        if not self.log:
            return ticks(self.low, self.high)
        every = max(1, math.ceil((self.high - self.low) / 5))
        powers = range(math.ceil(self.low), math.floor(self.high) + 1, every)
        if len(powers) > 2:
            return [10.0**p for p in powers]
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        values = [m * 10.0**p for p in decades for m in (1, 2, 5)]
        return [v for v in values if self.low <= math.log10(v) <= self.high]


def _svg(
    chart: Chart, lines: Sequence[_Line], last_step: int, marks: Sequence[tuple[int, str]]
) -> str:
    low = min(float(np.nanmin(line.least)) for line in lines)
    high = max(float(np.nanmax(line.most)) for line in lines)
    axes = _Axes(chart, low, high, last_step)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for value in axes.value_ticks():
        y = float(axes.y(np.float64(value)))
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">'
            f"{_label(value, chart.percent)}</text>"
        )
    for step in ticks(0, last_step):
        x = float(axes.x(np.float64(step)))
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">'
            f"{'' if step else 'step '}{short(step)}</text>"
        )
    parts.append(
        f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
        f'<text x="4" y="12">{html.escape(chart.unit)}</text>'
    )
    for step, what in marks:
        x = float(axes.x(np.float64(step)))
        parts.append(
            f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}">'
            f"<title>{html.escape(what)} at step {step:,}</title></line>"
        )
    parts.extend(_line(axes, line) for line in lines)
    if chart.best is not None:
        x, y = axes.x(np.float64(chart.best[0])), axes.y(np.float64(chart.best[1]))
        parts.append(
            f'<circle class="best" cx="{x:.1f}" cy="{y:.1f}" r="5">'
            f"<title>best, at step {chart.best[0]:,}</title></circle>"
        )
    at_end = ", ".join(f"{line.name} {_label(_last(line), chart.percent)}" for line in lines)
    alt = html.escape(f"{chart.title} over {last_step:,} steps. At the end: {at_end}.")
    # What the page's script shows under the pointer: of each line, steps and labels.
    points = json.dumps(
        [
            [
                [round(float(step)) for step in line.steps],
                [_label(float(v), chart.percent) if np.isfinite(v) else "-" for v in line.values],
            ]
            for line in lines
        ],
        separators=(",", ":"),
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{alt}" '
        f'data-x="{LEFT} {right} {last_step}" data-lines="{html.escape(points)}">'
        f"{''.join(parts)}"
        f'<g class="pointer" visibility="hidden"><line y1="{TOP}" y2="{bottom}"/>'
        f'<text y="12" x="{right}" text-anchor="end"></text></g></svg>'
    )


def _line(axes: _Axes, line: _Line) -> str:
    """A line with its band or error bars, cut at gaps; dots where points are few."""
    x, y = axes.x(line.steps), axes.y(line.values)
    least, most = axes.y(line.least), axes.y(line.most)
    parts = []
    whole = np.isfinite(y)
    for piece in np.split(np.arange(len(x)), np.flatnonzero(np.diff(whole.astype(int))) + 1):
        if not whole[piece].all():
            continue
        if line.thinned and len(piece) > 1:
            band = _path(
                np.concatenate([x[piece], x[piece][::-1]]),
                np.concatenate([most[piece], least[piece][::-1]]),
            )
            parts.append(f'<path class="band s{line.place}" d="M{band}Z"/>')
        if len(piece) > 1:
            parts.append(f'<path class="line s{line.place}" d="M{_path(x[piece], y[piece])}"/>')
        if len(piece) == 1 or len(x) <= DOTS:
            parts.extend(
                f'<circle class="dot s{line.place}" cx="{x[i]:.1f}" cy="{y[i]:.1f}" r="3"/>'
                for i in piece
            )
        if not line.thinned:
            parts.extend(
                f'<line class="error s{line.place}" x1="{x[i]:.1f}" x2="{x[i]:.1f}" '
                f'y1="{least[i]:.1f}" y2="{most[i]:.1f}"/>'
                for i in piece
                if least[i] != most[i]
            )
    return "".join(parts)


def _path(x: np.ndarray, y: np.ndarray) -> str:
    return "L".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
