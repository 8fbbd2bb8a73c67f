"""report.html: what stands in it, what it survives, and that it needs no network."""

import base64
import hashlib
import html.parser
import io
import itertools
import json
import os
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

from tests.commands import end_of
from tests.trainers.report.conftest import records, write_lines
from trainers.journal import Journal, read_lines
from trainers.report import reading, write_report
from trainers.report.__main__ import main
from trainers.report.charts import Chart, Series, figure, short, ticks
from trainers.report.grids import choose


class Page(html.parser.HTMLParser):
    """Elements, attributes, and the text outside style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.raw: dict[str, list[str]] = {"style": [], "script": []}
        self.words: list[str] = []
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        self.raw[self._in].append(data) if self._in in self.raw else self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str, kind: str = "") -> list[dict[str, str]]:
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and (not kind or kind in attributes.get("class", "").split())
        ]


def report(workdir: pathlib.Path) -> Page:
    return Page(write_report(workdir).read_text(encoding="utf-8"))


def decode(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


# ---- what stands in it


def test_it_says_what_the_run_left(workdir: pathlib.Path) -> None:
    page = report(workdir)
    for fact in (
        "dcgan_fashion_mnist on sample:fashion_mnist",
        "finished",
        "300 of 300 steps",
        "19.2k real images shown",
        "64 images/s, median",
        "5 min of training",  # 19,200 images at 64 a second
        "180.8 best KID x 1000 at step 300",
        "Too early to say",  # the healthy run has seen 19,200 images, and draws blobs
        "At step 300 the sample sheet is nearly one image: 100 % of the samples have",
        "KID (MobileNetV2) x 1000 last 181",
        "Lower is better. Best 180.8 at step 300 (ringed).",
        "Recall (MobileNetV2) last 0.19",
        "999 generated against 1000 real images; fashion_mnist, split test; features of "
        "MobileNetV2 1.0; images at 64 px.",
        "2.21.7",
        "generator 1,234,567, discriminator 7,654,321",
        "0f1e2d3c" * 8,
        "step 0 to 300",
    ):
        assert fact in page.text, fact
    history, _, _ = records("healthy")
    for name, label in (("d_loss", "D"), ("g_loss", "G")):
        assert f"{label} {history[-1][name]:.3g} " in page.text
    assert f"real images {100 * history[-1]['real_accuracy']:.0f} %" in page.text
    assert len(page.all("figure", "chart")) == 5 + 2
    assert len(page.all("path", "line")) == 2 + 2 + 2 + 2 + 1 + 2


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        (["checkpoint_failed"], "not finished"),
        (["checkpoint_failed", "finished"], "finished"),
        (["interrupted", "checkpoint_failed"], "interrupted"),
        (["checkpoint_failed", "not_saved"], "stopped: the last checkpoint could not be written"),
    ],
)
def test_a_checkpoint_that_failed_on_the_way_is_no_end(
    workdir: pathlib.Path, ends: list[str], state: str
) -> None:
    names = ["started", *ends]
    events = [{"step": 300, "event": name, "message": "m"} for name in names]
    write_lines(workdir / "events.jsonl", events)
    assert f", {state}. G is its generator" in report(workdir).text


def test_a_resume_at_an_earlier_step_leaves_nothing_of_the_later_ones(
    workdir: pathlib.Path,
) -> None:
    """The run finished at step 300; its last checkpoint is damaged."""
    (workdir / "samples" / "notes.png").write_bytes(b"of the user")
    Journal(workdir, 200, writes=False)  # another worker
    assert (workdir / "samples" / "00000300.png").exists()
    Journal(workdir, 200).event(200, "resumed", "step 200 to 300")
    page = report(workdir)
    strip = [image["data-step"] for image in page.all("img") if "data-step" in image]
    assert strip == ["0", "100", "200"]
    assert "200 of 300 steps" in page.text
    assert (workdir / "samples" / "notes.png").exists()


def test_scores_on_other_images_are_not_compared(workdir: pathlib.Path) -> None:
    """KID x 1000 of 31, 90, 60 and 50; the first is on another test set."""
    (one, *_) = read_lines(workdir / "metrics.jsonl")
    lines = []
    for step, value in ((50, 31.0), (100, 90.0), (200, 60.0), (300, 50.0)):
        kid = {"name": "KID", "value": value / 1000, "value_x1000": value}
        lines.append({**one, "step": step, "metrics": {"kid": kid}})
    lines[0]["dataset"] = "mnist"
    write_lines(workdir / "metrics.jsonl", lines)
    text = report(workdir).text
    assert "Best 50 at step 300 (ringed)." in text
    assert "Evaluations left out: 1 of 4" in text
    assert "The best score is long past" not in text
    lines[0]["dataset"] = one["dataset"]
    write_lines(workdir / "metrics.jsonl", lines)
    text = report(workdir).text
    assert "Best 31 at step 50 (ringed)." in text
    assert "Evaluations left out" not in text
    assert "The best score is long past" in text


def test_a_run_of_which_all_is_judged(workdir: pathlib.Path) -> None:
    _, samples, _ = records("healthy")
    lines = [json.dumps({**sample, "duplicates": 0.0}) for sample in samples]
    (workdir / "samples.jsonl").write_text("\n".join(lines) + "\n")
    assert "No known failure mode" in report(workdir).text
    (workdir / "metrics.jsonl").unlink()
    text = report(workdir).text
    assert "No known failure mode" in text
    assert "No metric has been computed, so nothing is said about how good the images are" in text


def test_scalars_of_a_family_are_drawn_too(workdir: pathlib.Path) -> None:
    history, _, _ = records("healthy")
    write_lines(
        workdir / "history.jsonl",
        [{**r, "ada_p": 0.25, "cycle_loss": 1.5, "path_length": 7.0} for r in history],
    )
    page = report(workdir)
    assert "cycle 1.5" in page.text
    assert "strength p of the augmentations 0.25" in page.text
    assert "Path length path length 7" in page.text


def test_warnings_stand_first(workdir: pathlib.Path) -> None:
    history, samples, _ = records("both 250 times too high")
    write_lines(workdir / "history.jsonl", history)
    write_lines(workdir / "samples.jsonl", samples)
    text = report(workdir).text
    assert "2 warnings The losses run away; D wins outright: G has nothing to learn from." in text
    assert text.index("What to try") < text.index("Samples over time")


def test_the_grids_and_the_film_are_in_it(workdir: pathlib.Path) -> None:
    page = report(workdir)
    grids = sorted((workdir / "samples").iterdir())
    strip = [image for image in page.all("img") if "data-step" in image]
    assert [image["data-step"] for image in strip] == ["0", "100", "200", "300"]
    for image, file in zip(strip, grids, strict=True):
        assert image["alt"] == f"Grid of generated images at step {image['data-step']}"
        np.testing.assert_array_equal(
            np.asarray(decode(image["src"])), np.asarray(Image.open(file))
        )
    (film,) = (image for image in page.all("img") if "Animation" in image["alt"])
    frames = decode(film["src"])
    assert (frames.format, frames.n_frames, frames.info["loop"]) == ("WEBP", 4, 0)
    assert b"trainedAlgorithmicMedia" in frames.info["xmp"]
    for i, file in enumerate(grids):
        frames.seek(i)
        difference = np.asarray(frames.convert("L"), float) - np.asarray(Image.open(file), float)
        assert np.abs(difference).mean() < 8, file  # lossy, but of this grid
    (still,) = page.all("source")
    assert still["media"] == "(prefers-reduced-motion: reduce)"
    assert still["srcset"] == strip[-1]["src"]


def test_a_new_report_sees_what_changed(workdir: pathlib.Path, clothes: np.ndarray) -> None:
    report(workdir)
    file = workdir / "samples" / "00000300.png"
    Image.fromarray(255 - np.asarray(Image.open(file))).save(file)  # a resumed run drew it anew
    os.utime(file, ns=(1, 1))
    (image,) = (i for i in report(workdir).all("img") if i.get("data-step") == "300")
    np.testing.assert_array_equal(np.asarray(decode(image["src"])), np.asarray(Image.open(file)))


def test_every_image_and_chart_has_a_text(workdir: pathlib.Path) -> None:
    page = report(workdir)
    assert all(image["alt"] for image in page.all("img"))
    charts = page.all("svg")
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in charts)
    assert any(
        "What D judges correctly over 300 steps. At the end" in c["aria-label"] for c in charts
    )


# ---- no network, no foreign code


def test_nothing_is_fetched(workdir: pathlib.Path) -> None:
    text = write_report(workdir).read_text(encoding="utf-8")
    page = Page(text)
    assert not re.search(r"https?:|//[a-z]", re.sub(r"base64,[\w+/=]+", "", text))
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset", "data", "poster", "action"):
            assert attributes.get(name, "data:").startswith("data:")
    assert "url(" not in "".join(page.raw["style"])
    assert "@import" not in "".join(page.raw["style"])


def test_the_policy_allows_this_style_and_script_and_nothing_else(workdir: pathlib.Path) -> None:
    page = report(workdir)
    (policy,) = (
        m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"
    )
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert allowed["default-src"] == "'none'"
    assert allowed["img-src"] == "data:"
    for kind in ("style", "script"):
        (content,) = page.raw[kind]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert allowed[f"{kind}-src"] == f"'sha256-{digest}'"
    assert not any("style" in attributes for _, attributes in page.elements)


EVIL = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


def test_strings_of_files_are_escaped(workdir: pathlib.Path) -> None:
    clean = report(workdir)
    config = {"preset": EVIL, "dataset": EVIL, EVIL: [EVIL, {EVIL: EVIL}]}
    (workdir / "config.json").write_text(json.dumps(config))
    (workdir / "about.json").write_text(json.dumps({"data": {EVIL: EVIL}, "versions": {"x": EVIL}}))
    history, _, _ = records("healthy")
    write_lines(workdir / "history.jsonl", [{**r, EVIL: 1.0} for r in history])
    write_lines(workdir / "events.jsonl", [{"step": 3, "event": "diverged", "message": EVIL}])
    measured = {"step": 9, "dataset": EVIL, "metrics": {EVIL: {"name": EVIL, "value": 1.0}}}
    write_lines(workdir / "metrics.jsonl", [measured])
    best = {"step": 9, "metric": EVIL, "value": 1.0}
    (workdir / "checkpoints" / "best.json").write_text(json.dumps(best))
    page = report(workdir)
    assert page.text.count(EVIL) >= 10
    assert page.raw["script"] == clean.raw["script"]
    assert {t for t, _ in page.elements} - {t for t, _ in clean.elements} <= {"dl", "dt", "dd"}
    assert not any(name.startswith("on") for _, a in page.elements for name in a)
    assert not any(a.get("src") == "x" for _, a in page.elements)


# ---- what is missing or broken


@pytest.mark.parametrize(
    ("file", "gap"),
    [
        ("config.json", "No config.json, so nothing about the configuration."),
        ("about.json", "No about.json, so nothing about versions and data."),
        ("history.jsonl", "No history.jsonl, so nothing about losses, accuracies and speed."),
        ("samples.jsonl", "No samples.jsonl, so nothing about the variety of the samples."),
        ("metrics.jsonl", "No metrics.jsonl, so nothing about metrics."),
        ("events.jsonl", "No events.jsonl, so nothing about starts, stops and failures."),
        ("checkpoints/best.json", None),
    ],
)
def test_a_missing_file_is_a_gap(workdir: pathlib.Path, file: str, gap: str | None) -> None:
    (workdir / file).unlink()
    text = report(workdir).text
    assert gap is None or gap in text
    assert ("Too early to say" in text) == (file != "samples.jsonl")


def test_a_line_cut_by_a_kill_is_left_out(workdir: pathlib.Path) -> None:
    file = workdir / "history.jsonl"
    os.truncate(file, file.stat().st_size - 20)
    page = report(workdir)
    assert "history.jsonl: line 30 cannot be read and is skipped." in page.text
    assert "18.56k real images shown" in page.text  # of the line before: 290 steps of 64


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[1, 2]", b"null", b'"x"', b"{"])
@pytest.mark.parametrize(
    "file", ["config.json", "about.json", "history.jsonl", "events.jsonl", "checkpoints/best.json"]
)
def test_rubbish_is_survived(workdir: pathlib.Path, file: str, content: bytes) -> None:
    (workdir / file).write_bytes(content)
    report(workdir)


def test_odd_values_are_survived(workdir: pathlib.Path) -> None:
    history, samples, _ = records("healthy")
    for odd in (None, "x", [], {}, True, 1e308, -1e308, 0, 10**400):
        write_lines(
            workdir / "history.jsonl",
            [{**dict.fromkeys(r, odd), "step": r["step"]} for r in history],
        )
        write_lines(
            workdir / "samples.jsonl",
            [{**dict.fromkeys(s, odd), "step": s["step"]} for s in samples],
        )
        write_lines(
            workdir / "metrics.jsonl",
            [
                {"step": 1, "metrics": odd},
                {"step": 2, "metrics": {"kid": odd}},
                {"step": 3, "metrics": {"kid": {"value": odd, "name": odd}}},
            ],
        )
        write_lines(
            workdir / "events.jsonl", [{"step": odd, "event": odd, "time": odd, "message": odd}]
        )
        (workdir / "checkpoints" / "best.json").write_text(
            json.dumps({"step": odd, "metric": odd, "value": odd})
        )
        report(workdir)


def test_lines_in_any_order_and_twice(workdir: pathlib.Path) -> None:
    file = workdir / "history.jsonl"
    lines = file.read_text().splitlines()
    old = json.dumps({"step": 300, "d_loss": 99.0})
    file.write_text("\n".join([old, *reversed(lines)]) + "\n\n")
    left = reading.read(workdir)
    assert [r["step"] for r in left.history] == list(range(10, 301, 10))
    assert left.history[-1]["d_loss"] != 99.0  # the later line stands


def test_a_grid_that_is_no_image_is_named(workdir: pathlib.Path) -> None:
    (workdir / "samples" / "00000200.png").write_bytes(b"rubbish")
    whole = (workdir / "samples" / "00000100.png").read_bytes()
    (workdir / "samples" / "00000100.png").write_bytes(whole[: len(whole) // 2])
    (workdir / "samples" / "notes.png").write_bytes(b"not of a step")
    page = report(workdir)
    assert "Not readable as images: 00000100.png, 00000200.png." in page.text
    assert [i["data-step"] for i in page.all("img") if "data-step" in i] == ["0", "300"]


def test_grids_of_a_growing_network_make_one_film(
    workdir: pathlib.Path, clothes: np.ndarray
) -> None:
    Image.new("RGB", (50, 50), "red").save(workdir / "samples" / "00000000.png")
    (film,) = (i for i in report(workdir).all("img") if "Animation" in i["alt"])
    frames = decode(film["src"])
    assert (frames.size, frames.n_frames) == ((242, 242), 4)


def test_a_run_that_has_only_begun(tmp_path: pathlib.Path) -> None:
    (tmp_path / "config.json").write_text('{"preset": "dcgan_fashion_mnist", "steps": 300}')
    text = report(tmp_path).text
    assert "Too early to say" in text
    assert "No sample grid yet." in text
    assert "0 of 300 steps" in text


def test_a_folder_that_is_no_run_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="holds config.json, history.jsonl or samples/. Received"):
        write_report(tmp_path)
    with pytest.raises(
        ValueError, match="needs the folder of a run. Received: .*missing, which does not exist."
    ):
        write_report(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


def test_a_report_is_replaced_whole_or_not_at_all(
    workdir: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_report(workdir)
    assert file == workdir / "report.html"
    before, names = file.read_bytes(), sorted(os.listdir(workdir))

    def full(self: pathlib.Path, text: str, **_: object) -> None:
        self.write_bytes(text[:1000].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(workdir)
    assert file.read_bytes() == before
    assert sorted(os.listdir(workdir)) == names


def test_the_command_names_what_it_wrote(
    workdir: pathlib.Path, capsys: pytest.CaptureFixture
) -> None:
    code, output, _ = end_of(capsys, main, f"--run={workdir}")
    assert code == 0
    assert output == f"Wrote {workdir / 'report.html'}: open it in a browser\n"
    assert (workdir / "report.html").stat().st_size > 10_000
    code, _, error = end_of(capsys, main, f"--run={workdir / 'samples'}")
    assert code == 1
    assert error.startswith("error: A run's folder holds config.json")
    assert end_of(capsys, main)[2].startswith("error: Give --run=WORKDIR.")


# ---- charts and pictures


def path_points(figure_html: str, kind: str) -> list[list[tuple[float, float]]]:
    return [
        [tuple(map(float, pair.split(","))) for pair in d.strip("MZ").split("L")]
        for d in re.findall(rf'<path class="{kind} s\d" d="([^"]+)"', figure_html)
    ]


def test_a_line_is_where_its_values_are() -> None:
    steps = [0, 25, 50, 100]
    chart = Chart("t", "", [Series("a", steps, [0.0, 1.0, 0.25, 0.5])], percent=True)
    (points,) = path_points(figure(chart, 100), "line")
    x, y = np.array(points).T
    np.testing.assert_allclose((x - x[0]) / (x[-1] - x[0]), [0, 0.25, 0.5, 1], atol=1e-3)
    np.testing.assert_allclose((y - y[0]) / (y[1] - y[0]), [0, 1, 0.25, 0.5], atol=2e-3)
    assert y[1] < y[0]  # up is more


def test_a_logarithmic_axis_has_equal_steps_for_equal_factors() -> None:
    chart = Chart("t", "", [Series("a", [1, 2, 3, 4], [0.1, 10.0, -5.0, 1000.0])], log=True)
    (points,) = path_points(figure(chart, 4), "line")  # cut at what has no logarithm
    assert len(points) == 2
    top = re.findall(r'<circle class="dot s0" cx="[\d.]+" cy="([\d.]+)"', figure(chart, 4))
    y = [float(v) for v in top]
    assert y[0] - y[1] == pytest.approx(y[1] - y[2], abs=0.3)


def test_gaps_cut_a_line() -> None:
    values = [1.0, 2.0, None, 3.0, None, 4.0, 5.0]
    drawn = figure(Chart("t", "", [Series("a", range(7), values)]), 6)
    assert [len(piece) for piece in path_points(drawn, "line")] == [2, 2]
    assert drawn.count("<circle") == 5
    nothing = figure(Chart("t", "", [Series("a", [1, 2], [None, None])]), 2)
    assert "No figures yet." in nothing
    assert "<svg" not in nothing


def test_many_points_become_means_in_a_band_of_their_extremes() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(0.4, 0.6, 5000)
    values[777], values[3333] = 0.05, 0.95
    chart = Chart("t", "", [Series("a", range(1, 5001), list(values))], percent=True)
    drawn = figure(chart, 5000)
    (line,), (band,) = path_points(drawn, "line"), path_points(drawn, "band")
    assert len(line) == 240

    def share(y: float) -> float:
        (axis,) = re.findall(r'class="axis" .*? y1="(\d+)"', drawn)
        (top,) = re.findall(r'y="([\d.]+)" text-anchor="end">100 %', drawn)
        return (float(axis) - y) / (float(axis) - (float(top) - 4))

    heights = [share(y) for _, y in band]
    assert min(heights) == pytest.approx(0.05, abs=0.01)
    assert max(heights) == pytest.approx(0.95, abs=0.01)
    assert all(0.42 < share(y) < 0.58 for _, y in line)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 600, [0, 200, 400, 600]),
        (0, 1, [0, 0.5, 1]),
        (-3, 7, [0, 5]),
        (1.31, 1.39, [1.32, 1.34, 1.36, 1.38]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.25"), (1500, "1.5k"), (2e6, "2M"), (3e-5, "3e-5"), (258624.0, "258.6k")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_a_long_run_shows_few_grids_and_keeps_those_it_showed() -> None:
    shown = []
    for count in range(1, 130):
        grids = [(step, pathlib.Path(f"{step}.png")) for step in range(count)]
        chosen = [step for step, _ in choose(grids)]
        assert len(chosen) == min(count, max(12, len(chosen))) <= 24
        assert (chosen[0], chosen[-1]) == (0, count - 1)
        gaps = {b - a for a, b in itertools.pairwise(chosen[:-1])}
        assert len(gaps) <= 1
        shown.append(set(chosen[:-1]))
    for before, after in itertools.pairwise(shown):
        assert len(after - before) <= 1  # so that little is encoded anew


def test_a_report_stays_small_though_its_grids_are_large_and_noise(tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "samples").mkdir()
    noise = Image.fromarray(rng.integers(0, 256, (700, 700, 3), np.uint8))
    for step in range(6):
        noise.rotate(90 * (step % 4)).save(
            tmp_path / "samples" / f"{step:08d}.png", compress_level=0
        )
    assert write_report(tmp_path).stat().st_size < 6e6 * 8 / 26  # two of 24 stand there twice
