"""Runs of GANs that make images from images."""

import json
import pathlib
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

import zoo
from tests.eager import EAGER
from tests.trainers.test_loop import small_run
from trainers.data import DataError
from trainers.data.kinds import load_for
from trainers.dry_run import dry_run
from trainers.loop import train
from trainers.metrics import translations
from trainers.run import Run
from zoo.pictures.images import grid

pytestmark = EAGER


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("preset") / "tiny"
    keras.utils.set_random_seed(0)
    zoo.Pix2Pix(16, source_channels=1, width=4, patch=16).save_to_preset(folder)
    return str(folder)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, fashion: np.ndarray) -> str:
    """Clothes in negative, and coloured ones to make of them."""
    folder = tmp_path_factory.mktemp("pairs")
    for side in ("source", "target"):
        (folder / side).mkdir()
    for i, image in enumerate(np.uint8((fashion[:20, ..., 0] + 1.0) * 127.5)):
        Image.fromarray(255 - image).save(folder / "source" / f"{i}.png")
        coloured = np.stack([image, image // 2, 255 - image], axis=-1)
        Image.fromarray(coloured).save(folder / "target" / f"{i}.png")
    return str(folder)


@pytest.fixture
def held_out(pairs: str, tmp_path: pathlib.Path) -> str:
    """Pairs that no run is trained on: the same, turned by a right angle."""
    folder = shutil.copytree(pairs, tmp_path / "held_out")
    for file in folder.rglob("*.png"):
        Image.open(file).transpose(Image.Transpose.ROTATE_90).save(file)
    return str(folder)


def pair_run(workdir: pathlib.Path, preset: str, dataset: str, **changes: object) -> Run:
    return small_run(workdir, **{"preset": preset, "dataset": dataset, **changes})


def test_a_run_on_pairs_shows_them_and_resumes(
    preset: str, pairs: str, tmp_path: pathlib.Path
) -> None:
    whole = train(pair_run(tmp_path / "whole", preset, pairs))
    train(pair_run(tmp_path / "W", preset, pairs, steps=2))
    resumed = train(pair_run(tmp_path / "W", preset, pairs))
    for a, b in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)

    # A row for each pair: source, what was made of it, target.
    sheet = np.asarray(Image.open(tmp_path / "W" / "samples" / "00000004.png"))
    sources, targets = whole.examples
    assert sources.shape == (8, 16, 16, 1)
    shown = zip(sources.repeat(3, axis=-1), whole.translate(sources), targets, strict=True)
    expected = grid(np.stack([image for row in shown for image in row]), columns=3)
    assert np.abs(sheet.astype(int) - expected).max() <= 1
    loaded = zoo.load(tmp_path / "W" / "preset")
    np.testing.assert_array_equal(loaded.translate(sources), whole.translate(sources))
    assert (tmp_path / "W" / "preset" / "samples.png").is_file()
    assert (tmp_path / "W" / "report.html").is_file()


@pytest.mark.slow
def test_pairs_made_by_a_task(
    preset: str, pairs: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photographs = str(pathlib.Path(pairs) / "target")
    gan = train(pair_run(tmp_path / "W", preset, photographs, task="colorize", steps=2))
    sources, targets = gan.examples
    luma = targets @ np.array([0.299, 0.587, 0.114])
    assert np.abs(sources[..., 0] - luma).max() <= 1
    assert json.loads((tmp_path / "W" / "config.json").read_text())["task"] == "colorize"
    with pytest.raises(ValueError, match="task"):  # it decides what is learnt
        train(pair_run(tmp_path / "W", preset, photographs, task="denoise"))
    with pytest.raises(ValueError, match="task 'colorize', now None"):
        train(pair_run(tmp_path / "W", preset, photographs, steps=4))
    about = tmp_path / "W" / "about.json"
    about.write_text(about.read_text().replace('"l1": 100.0', '"l1": 10.0'))
    with pytest.raises(ValueError, match="l1 10.0, now 100.0"):  # the preset has been changed
        train(pair_run(tmp_path / "W", preset, photographs, task="colorize", steps=4))
    own = zoo.load(str(tmp_path / "W" / "preset"))
    own.card = None  # as of a script, which says nothing of tasks
    record = translations.evaluate(own, dataset=photographs, task="colorize", num_images=4)
    assert record["scores"]["model"]["psnr_y"] < record["scores"]["identity"]["psnr_y"]
    dry_run(pair_run(tmp_path / "none", preset, photographs, task="colorize"))
    assert "images/s" in capsys.readouterr().out


# A run is measured in the next test, sources and targets change places in data/test_kinds.py.
@pytest.mark.slow
def test_reverse_learns_the_other_way_and_is_measured_so(
    preset: str, pairs: str, held_out: str, tmp_path: pathlib.Path
) -> None:
    changes = {"evaluate_dataset": held_out, "evaluate_every": 2, "evaluate_images": 12}
    gan = train(pair_run(tmp_path / "W", preset, pairs, steps=2, reverse=True, **changes))
    _, targets = gan.examples
    assert np.ptp(targets, axis=-1).max() == 0  # the negatives, which are grey

    with pytest.raises(ValueError, match="holds another run: reverse True, now False"):
        train(pair_run(tmp_path / "W", preset, pairs))
    own = zoo.load(str(tmp_path / "W" / "preset"))
    assert own.card["training"]["reverse"] is True
    forth, back = (
        translations.measure(
            own, load_for(own, held_out, split="test", reverse=reverse), num_images=12
        )["scores"]["model"]["l1"]
        for reverse in (False, True)
    )
    assert abs(forth / back - 1) > 0.001
    record = translations.evaluate(own, dataset=held_out, num_images=12)
    (line,) = (tmp_path / "W" / "metrics.jsonl").read_text().splitlines()
    for found in (record["scores"]["model"]["l1"], json.loads(line)["metrics"]["l1"]["value"]):
        np.testing.assert_allclose(found, back, rtol=1e-4)


@pytest.mark.slow
def test_a_run_is_measured_on_pairs_that_it_has_not_seen(
    preset: str, pairs: str, held_out: str, tmp_path: pathlib.Path
) -> None:
    changes = {"evaluate_dataset": held_out, "evaluate_every": 2, "evaluate_images": 12}
    train(pair_run(tmp_path / "W", preset, pairs, steps=4, **changes))
    lines = (tmp_path / "W" / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["step"] for record in records] == [2, 4]
    gan = zoo.load(tmp_path / "W" / "preset")
    found = load_for(gan, held_out, split="test")
    scores = translations.measure(gan, found, num_images=12)["scores"]["model"]
    metrics = records[-1]["metrics"]
    for name in ("l1", "psnr_y", "perceptual"):
        np.testing.assert_allclose(metrics[name]["value"], scores[name], rtol=1e-3)
    np.testing.assert_allclose(metrics["kid"]["value_x1000"], scores["kid_x1000"], rtol=1e-2)
    perceptual = {record["step"]: record["metrics"]["perceptual"]["value"] for record in records}
    best = json.loads((tmp_path / "W" / "checkpoints" / "best.json").read_text())
    assert best["metric"] == "perceptual"
    assert best["step"] == min(perceptual, key=perceptual.get)
    assert "psnr_y" in (tmp_path / "W" / "report.html").read_text()


@pytest.mark.slow
def test_what_does_not_fit_is_refused_before_anything_is_written(
    preset: str, pairs: str, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(
        ValueError, match="evaluate_every=2 needs a test split that the model is not"
    ):
        train(pair_run(tmp_path / "W", preset, pairs, evaluate_every=2))
    with pytest.raises(DataError, match="A task makes pairs, for .* Received: task='denoise'"):
        train(small_run(tmp_path / "W", task="denoise"))
    with pytest.raises(DataError, match="source/ and target/|side by side"):
        train(pair_run(tmp_path / "W", preset, str(pathlib.Path(pairs) / "target")))
    assert not (tmp_path / "W").exists()


@pytest.mark.slow
def test_a_dry_run_measures_both_phases_of_srgan(
    pairs: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gan = zoo.SRGAN(2, resolution=16, width=4, blocks=1, features="none", pretrain_steps=300)
    gan.save_to_preset(tmp_path / "srgan")
    photographs = str(pathlib.Path(pairs) / "target")
    dry_run(pair_run(tmp_path / "none", str(tmp_path / "srgan"), photographs, steps=400))
    speeds = [line for line in capsys.readouterr().out.splitlines() if line.startswith("speed")]
    assert [line.split(":")[0] for line in speeds] == ["speed", "speed from step 300"]


@pytest.mark.slow
def test_an_evaluation_that_cannot_be_is_refused_first(
    preset: str, pairs: str, held_out: str, tmp_path: pathlib.Path
) -> None:
    changes = {"evaluate_dataset": held_out, "evaluate_every": 2, "evaluate_images": 1}
    with pytest.raises(ValueError, match="evaluate_every=2 .* At least 2 held-out images .*: 1"):
        train(pair_run(tmp_path / "W", preset, pairs, **changes))
    assert not (tmp_path / "W").exists()
