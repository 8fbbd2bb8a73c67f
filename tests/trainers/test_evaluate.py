"""python -m trainers.evaluate, as a user runs it."""

import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
from PIL import Image

from tests import warm
from trainers.metrics.catalogue import METRICS

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_home(monkeypatch, tmp_path_factory):
    """The cache of features is this test's own."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


def run(*flags):
    return subprocess.run(
        [warm.python(), "-m", "trainers.evaluate", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ,
    )


def test_a_folder_ends_in_one_record_on_stdout_and_in_the_file(tmp_path):
    # Without a card nothing says what made the images, so the bundled training sample is allowed.
    with np.load(ROOT / "trainers/data/samples/fashion_mnist.npz") as sample:
        for i, image in enumerate(sample["images"][:20].reshape(20, 28, 28)):
            Image.fromarray(image).save(tmp_path / f"{i:02d}.png")
    out = tmp_path / "score.json"
    done = run(
        f"--images={tmp_path}",
        "--dataset=sample:fashion_mnist",
        "--split=train",
        "--num_images=20",
        f"--out={out}",
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout.splitlines()[-1])
    assert json.loads(out.read_text()) == record
    assert (record["num_real"], record["num_fake"]) == (20, 20)
    # The same 20 images on both sides: unbiased, it falls below 0.
    assert record["metrics"]["kid"]["value"] < 0
    assert record["metrics"]["recall"] == {
        "name": "Recall (MobileNetV2)",
        "value": 1.0,
        "nearest_k": 5,
    }
    assert list(record["metrics"]) == ["kid", "recall", "coverage"]
    assert done.stdout.splitlines()[0].startswith("KID (MobileNetV2): -")
    assert done.stdout.splitlines()[1:3] == [
        "Recall (MobileNetV2): 1",
        "Coverage (MobileNetV2): 1",
    ]


def test_errors_are_one_line_and_exit_1(tmp_path):
    for flags, message in (
        ((), "error: Give exactly one of --preset, --run and --images. Received: none."),
        (
            ("--preset=a", "--run=b"),
            "error: Give exactly one of --preset, --run and --images. "
            "Received: --preset=a --run=b.",
        ),
        (
            ("--preset=a", f"--out={tmp_path}/none/x.json"),
            "error: --out must be a file in a folder that exists. "
            f"Received: {tmp_path}/none/x.json.",
        ),
        (
            ("--preset=a", "--metrics=kid", "--nearest_out=x.png"),
            "error: --nearest_out shows what --metrics=nearest finds. Received: --metrics=kid.",
        ),
        (
            ("--preset=a", "--metrics=kid, coverag"),
            "error: A metric must be one of kid, fid, inception_score, precision, recall, density, "
            "coverage, ppl, class_accuracy, class_balance, nearest, frechet_distance. "
            "Received: 'coverag'. Did you mean 'coverage'?",
        ),
    ):
        done = run(*flags)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", message + "\n")


def test_an_unknown_preset_is_one_line(tmp_path):
    out = tmp_path / "score.json"
    done = run("--preset=dcgan_fashion", f"--out={out}")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "Received: 'dcgan_fashion'" in done.stderr
    assert not out.exists()


def test_help_names_every_flag():
    done = run("--help")
    names = "preset run images metrics network dataset split num_images seed out nearest_out"
    for flag in names.split():
        assert f"--{flag}" in done.stdout or f"--[no]{flag}" in done.stdout
    for metric in METRICS:
        assert f"    {metric} " in done.stdout
