"""The demo, whole, with a few steps."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from tests import warm
from tests.serving import models

# The demo from its third step on, with more images than anyone waits for.
SERVE_ONLY = """
import sys
from trainers import demo
run = demo._command
demo._command = lambda module, *rest: run(module, *rest) if module == "serving.client" else None
demo.IMAGES = 10**6
sys.argv = ["demo", f"--workdir={sys.argv[1]}"]
demo.main()
"""


def demo(workdir: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [warm.python(), "-m", "trainers.demo", f"--workdir={workdir}", *arguments],
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.mark.slow  # .ci/run runs the whole demo as the README's main command
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


@pytest.mark.slow
def test_ctrl_c_stops_the_server_too(tmp_path: pathlib.Path) -> None:
    models.save(models.Toy(), tmp_path / "models" / "mine" / "1", "generate_png")
    log = tmp_path / "stderr"
    with log.open("w") as stderr:
        running = subprocess.Popen(
            [sys.executable, "-c", SERVE_ONLY, str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    end = time.monotonic() + 120
    while " of 1000000 images" not in log.read_text() and time.monotonic() < end:
        time.sleep(0.05)
    began = " of 1000000 images" in log.read_text()
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to all of them
    printed, _ = running.communicate(timeout=120)
    errors = log.read_text()
    assert began, errors
    assert running.returncode == 130, errors
    assert errors.endswith("\nInterrupted.\n")
    assert "Traceback" not in errors
    assert not any(line.startswith("error:") for line in errors.splitlines())
    assert printed.endswith("Stopped\n")
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)


def test_a_step_that_fails_ends_the_demo(tmp_path: pathlib.Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "run").write_text("in the way")
    done = demo(tmp_path / "demo", "--steps=1")
    assert done.returncode == 1
    assert "error: The demo stopped at: python -m trainers." in done.stderr
    assert "Traceback" not in done.stderr
