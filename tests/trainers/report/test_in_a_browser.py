"""The report in headless Chromium: Debian's package `chromium`."""

import json
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from tests.trainers.report.conftest import records, write_lines
from trainers.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium"),
]


@pytest.fixture
def chromium(tmp_path: pathlib.Path):
    """Runs Chromium on a page, without a network; returns its stdout and its console's lines."""

    def run(page: pathlib.Path, *flags: str) -> tuple[str, list[str]]:
        done = subprocess.run(
            [
                CHROMIUM,
                "--headless",
                "--no-sandbox",  # a container's root has no other way
                "--disable-gpu",
                "--hide-scrollbars",
                "--host-resolver-rules=MAP * ~NOTFOUND",
                f"--user-data-dir={tmp_path / 'profile'}",
                "--enable-logging=stderr",
                "--virtual-time-budget=2000",
                *flags,
                page.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return run


def near(picture: np.ndarray, colour: str) -> int:
    """Pixels of about this colour."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(picture.astype(int) - wanted).max(axis=-1) < 24).sum())


@pytest.mark.parametrize(
    ("scheme", "background", "d_line", "g_line"),
    [("1", "#f5f6f8", "#2b62d9", "#d2600a"), ("0", "#12151a", "#7da6ff", "#f59a55")],
    ids=["light", "dark"],
)
@pytest.mark.parametrize("width", [1280, 500], ids=["wide", "narrow"])
def test_charts_and_pictures_are_seen(
    workdir: pathlib.Path, chromium, tmp_path, scheme, background, d_line, g_line, width: int
) -> None:
    shot = tmp_path / "shot.png"
    _, console = chromium(
        write_report(workdir),
        f"--screenshot={shot}",
        f"--window-size={width},6000",
        f"--blink-settings=preferredColorScheme={scheme}",
    )
    assert console == []
    picture = np.asarray(Image.open(shot).convert("RGB"))
    assert picture.shape[:2] == (6000, width)
    assert near(picture, background) > picture[..., 0].size / 5
    # Lines are 2 px wide and hundreds of pixels long. Without them, the slider and the legends
    # have 3,000 to 3,600 pixels of D's colour and 150 of G's.
    assert near(picture, d_line) > 5000
    assert near(picture, g_line) > 2000
    used = np.flatnonzero((np.abs(picture.astype(int) - picture[-1, 0]).max(-1) > 24).any(0))
    assert used.max() < width  # nothing is cut off at the right
    assert used.min() >= 12


def test_the_script_runs_under_the_policy(workdir: pathlib.Path, chromium) -> None:
    dom, console = chromium(write_report(workdir), "--dump-dom")
    assert console == []
    assert re.search(r'<div class="slider">', dom)  # no longer hidden
    assert dom.count('<path class="line') == 11


def test_what_a_file_smuggles_in_does_not_run(workdir: pathlib.Path, chromium) -> None:
    evil = (
        "</script><script>document.title='owned'</script><img src=x onerror=document.title='owned'>"
    )
    (workdir / "config.json").write_text(json.dumps({"preset": evil, evil: evil}))
    history, _, _ = records("healthy")
    write_lines(workdir / "history.jsonl", [{**r, f"{evil}_loss": 1.0} for r in history])
    dom, console = chromium(write_report(workdir), "--dump-dom")
    assert console == []
    title = re.search(r"<title>(.*?)</title>", dom, re.DOTALL)[1]
    assert title.startswith("&lt;/script&gt;")
    # The policy holds even where an element slips in: it stops a script that is not the page's.
    page = workdir / "report.html"
    page.write_text(page.read_text().replace("</body>", "<script>document.title='x'</script>"))
    dom, console = chromium(page, "--dump-dom")
    assert "<title>x</title>" not in dom
    assert any("Content Security Policy" in line for line in console)
