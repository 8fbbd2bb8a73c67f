"""The demo, whole, with a few steps."""

import pathlib
import subprocess
import sys

import numpy as np
from PIL import Image


def demo(workdir: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trainers.demo", f"--workdir={workdir}", *arguments],
        capture_output=True,
        text=True,
        timeout=280,
    )


def test_the_demo_ends_with_a_picture(tmp_path: pathlib.Path) -> None:
    done = demo(tmp_path / "demo", "--steps=3")
    assert done.returncode == 0, done.stdout + done.stderr
    picture = tmp_path / "demo" / "demo.png"
    assert f"Look at {picture}" in done.stdout
    # Each command is shown as it could be typed.
    for module in ("trainers", "export", "serving", "serving.client"):
        assert f"$ python -m {module} " in done.stdout
    assert "Stopped" in done.stdout  # the server ended cleanly
    pixels = np.asarray(Image.open(picture))
    height, width = pixels.shape
    assert (height, width) == (8 * 58 + 2, 2 * (6 * 58 + 2) + 24)
    mine, pretrained = pixels[:, :350], pixels[:, -350:]
    assert pretrained.std() > 60  # clothes on black
    assert np.abs(mine.astype(int) - pretrained).mean() > 20


def test_a_step_that_fails_ends_the_demo(tmp_path: pathlib.Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "run").write_text("in the way")
    done = demo(tmp_path / "demo", "--steps=1")
    assert done.returncode == 1
    assert "error: The demo stopped at: python -m trainers." in done.stderr
    assert "Traceback" not in done.stderr
