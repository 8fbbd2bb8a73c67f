"""python -m trainers.evaluate."""

import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from tests.commands import end_of
from trainers import evaluate
from trainers.evaluate import main
from trainers.metrics.catalogue import METRICS

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_home(monkeypatch, tmp_path_factory):
    """The cache of features is this test's own."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


def test_a_folder_ends_in_one_record_on_stdout_and_in_the_file(tmp_path, capsys):
    # Without a card nothing says what made the images, so the bundled training sample is allowed.
    with np.load(ROOT / "trainers/data/samples/fashion_mnist.npz") as sample:
        for i, image in enumerate(sample["images"][:20].reshape(20, 28, 28)):
            Image.fromarray(image).save(tmp_path / f"{i:02d}.png")
    out = tmp_path / "score.json"
    code, output, error = end_of(
        capsys,
        main,
        f"--images={tmp_path}",
        "--dataset=sample:fashion_mnist",
        "--split=train",
        "--num_images=20",
        f"--out={out}",
    )
    assert code == 0, error
    record = json.loads(output.splitlines()[-1])
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
    assert output.splitlines()[0].startswith("KID (MobileNetV2): -")
    assert output.splitlines()[1:3] == [
        "Recall (MobileNetV2): 1",
        "Coverage (MobileNetV2): 1",
    ]


def test_errors_are_one_line_and_exit_1(tmp_path, capsys):
    for flags, message in (
        ((), "error: Give exactly one of --preset, --run and --images. Received: none."),
        (
            ("--preset=a", "--run=b"),
            "error: Give exactly one of --preset, --run and --images. "
            "Received: --preset=a --run=b.",
        ),
        (
            ("--images=nofolder", "--dataset=sample:fashion_mnist"),
            "error: --images must be an existing folder. Received: nofolder.",
        ),
        (
            ("--preset=dcgan_fashion_mnist", f"--out={tmp_path}"),
            f"error: --out must be a file. Received: {tmp_path}, which is a folder.",
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
        assert end_of(capsys, main, *flags) == (1, "", message + "\n")


def test_the_folder_of_an_output_is_made_before_the_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = ["--images=.", "--out=new/x.json", "--metrics=nearest", "--nearest_out=b/c/n.png"]
    evaluate._check(evaluate._parser().parse_args(flags))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["b", "c", "new"]


def test_an_unknown_preset_is_one_line(tmp_path, capsys):
    out = tmp_path / "score.json"
    code, _, error = end_of(capsys, main, "--preset=dcgan_fashion", f"--out={out}")
    assert code == 1
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert "Received: 'dcgan_fashion'" in error
    assert not out.exists()


def test_help_names_every_flag(capsys):
    code, output, _ = end_of(capsys, main, "--help")
    assert code == 0
    names = "preset run images metrics network dataset split num_images seed out nearest_out"
    for flag in names.split():
        assert f"--{flag} " in output
    for metric in METRICS:
        assert f"    {metric} " in output
    for default in ("(default: 5000)", "(default: kid,recall,coverage)", "(default: test)"):
        assert default in output
