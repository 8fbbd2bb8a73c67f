"""Line charts as inline SVG.

matplotlib is not used: its SVG has style attributes, which the page's security policy forbids, and
fixed colours, while these follow the page's light or dark mode; six charts took 1.1 s of CPU.
"""

import dataclasses
import functools
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("trainers.report", "."),
    autoescape=True,  # for all content of files
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters["px"] = "{:.1f}".format

# Layout of the drawing, in its own pixels.
PLACES = {"width": 520, "height": 230, "left": 50, "right": 498, "top": 26, "bottom": 206}
# More points than this are averaged, with a band from the minimum to the maximum.
POINTS = 240
DOTS = 12  # up to this number of points, each has a dot


@dataclasses.dataclass(frozen=True)
class Series:
    """One line.

    Attributes:
        name: Name in the legend.
        steps: Steps, ascending.
        values: One value per step; None leaves a gap.
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
        title: Title of the chart.
        unit: Unit of the vertical axis.
        series: The lines, at most six.
        note: How to read the chart, in a sentence.
        percent: Whether values are shares in [0, 1]: the axis is 0 to 100 %.
        from_zero: Whether the axis includes 0.
        log: Whether the axis is logarithmic; values that are not positive are omitted.
        best: (step, value) of the point to mark.
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
    """A series prepared for drawing: its place in the legend, and arrays of equal length."""

    place: int
    name: str
    steps: np.ndarray
    values: np.ndarray  # NaN leaves a gap
    least: np.ndarray  # lower end of the band or the error bar
    most: np.ndarray
    thinned: bool

    @property
    def last(self) -> float:
        return float(self.values[np.isfinite(self.values)][-1])


def figure(chart: Chart, last_step: int, marks: Sequence[tuple[int, str]] = ()) -> Markup:
    """An HTML <figure> with the chart, or with the reason why there is none.

    Args:
        chart: The chart.
        last_step: End of the horizontal axis, which starts at 0.
        marks: (step, event) for vertical lines.
    """
    lines = [_prepare(i, series, chart.log) for i, series in enumerate(chart.series)]
    lines = [line for line in lines if np.isfinite(line.values).any()]
    last_step = max(last_step, 1)
    label = functools.partial(_label, percent=chart.percent)
    at_end = ", ".join(f"{line.name} {label(line.last)}" for line in lines)
    # What the page's script shows at the pointer: steps and labels of each line.
    points = [
        [
            [round(float(step)) for step in line.steps],
            [label(float(v)) if np.isfinite(v) else "-" for v in line.values],
        ]
        for line in lines
    ]
    drawn = TEMPLATES.get_template("chart.html").render(
        chart=chart,
        lines=lines,
        axes=_Axes(chart, lines, last_step) if lines else None,
        last_step=last_step,
        marks=marks,
        step_ticks=ticks(0, last_step),
        points=json.dumps(points, separators=(",", ":")),
        alt=f"{chart.title} over {last_step:,} steps. At the end: {at_end}.",
        label=label,
        short=short,
        **PLACES,
    )
    return Markup(drawn)


def ticks(low: float, high: float) -> list[float]:
    """About five round numbers (1, 2 or 5 times a power of ten) in [low, high], low < high."""
    rough = (high - low) / 4
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


def _label(value: float, percent: bool) -> str:
    return f"{100 * value:.0f} %" if percent else short(value)


class _Axes:
    """Maps steps and values to pixels."""

    def __init__(self, chart: Chart, lines: Sequence[_Line], last_step: int) -> None:
        low = min(float(np.nanmin(line.least)) for line in lines)
        high = max(float(np.nanmax(line.most)) for line in lines)
        self.log, self.percent, self.last_step = chart.log, chart.percent, last_step
        if chart.percent:
            low, high = 0.0, max(1.0, high)
        elif chart.log:
            low, high = math.log10(low), math.log10(high)
            if high - low < 1:  # at least a decade, so that noise does not look like a trend
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
        left, right = PLACES["left"], PLACES["right"]
        return left + steps / self.last_step * (right - left)

    def y(self, values: np.ndarray) -> np.ndarray:
        top, bottom = PLACES["top"], PLACES["bottom"]
        share = ((np.log10(values) if self.log else values) - self.low) / (self.high - self.low)
        return bottom - share * (bottom - top)

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

    def pieces(self, line: _Line) -> Iterator[dict[str, Any]]:
        """A line with its band or error bars, split at gaps; with dots if there are few points."""
        x, y = self.x(line.steps), self.y(line.values)
        least, most = self.y(line.least), self.y(line.most)
        whole = np.isfinite(y)
        for i in np.split(np.arange(len(x)), np.flatnonzero(np.diff(whole.astype(int))) + 1):
            if not whole[i].all():
                continue
            band = line.thinned and len(i) > 1
            there_and_back = np.r_[x[i], x[i][::-1]], np.r_[most[i], least[i][::-1]]
            yield {
                "band": _path(*there_and_back) if band else "",
                "path": _path(x[i], y[i]) if len(i) > 1 else "",
                "dots": zip(x[i], y[i], strict=True) if len(i) == 1 or len(x) <= DOTS else (),
                "errors": ()
                if line.thinned
                else [(x[j], least[j], most[j]) for j in i if least[j] != most[j]],
            }


def _path(x: np.ndarray, y: np.ndarray) -> str:
    return "L".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
