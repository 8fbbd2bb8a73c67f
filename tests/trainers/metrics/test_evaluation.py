"""From images to a record: what it states, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

import zoo
from trainers import data
from trainers.metrics import evaluation


class FakeGAN:
    """Generates grey levels that are a function of the seed alone."""

    image_shape = (28, 28, 1)

    def __init__(self, card):
        self.card = card

    def generate(self, n, *, seed):
        levels = np.arange(seed, seed + n) % 256
        return np.broadcast_to(levels[:, None, None, None], (n, 28, 28, 1)).astype(np.uint8)


CARD = {
    "name": "dcgan_test",
    "dataset": {"name": "fashion_mnist", "split": "train[:10000]"},
    "training": {"steps": 20},
}


@pytest.fixture
def preset(monkeypatch):
    """A preset whose model is a FakeGAN, whatever its name."""
    card = json.loads(json.dumps(CARD))
    monkeypatch.setattr(zoo, "load", lambda name: FakeGAN(card))
    return card


@pytest.fixture
def test_split(monkeypatch):
    """Lets the bundled training sample pass for the test split, which needs TFDS."""
    real_load = data.load

    def load(spec, *, split, **kwargs):
        sample = real_load(f"sample:{spec}", split="train", **kwargs)
        return dataclasses.replace(sample, spec=spec, split=split)

    monkeypatch.setattr(data, "load", load)


@pytest.mark.usefixtures("preset", "test_split")
def test_record_states_what_was_measured(features, capfd):
    fakes = evaluation.from_preset("dcgan_test", num_images=40, seed=3)
    record = evaluation.evaluate(fakes, num_images=40, features=features)
    assert json.loads(json.dumps(record)) == record
    assert record["metric"] == "KID (MobileNetV2)"
    assert record["value_x1000"] == 1000 * record["value"]
    assert record["value_x1000"] > 1000  # flat grey is nothing like clothes
    assert record["standard_error_x1000"] > 0
    assert (record["dataset"], record["split"]) == ("fashion_mnist", "test")
    assert (record["num_real"], record["num_fake"], record["seed"]) == (40, 40, 3)
    assert (record["resize"], record["image_shape"]) == (64, [28, 28, 1])
    assert record["source"] == {"preset": "dcgan_test", "steps": 20}
    assert record["trained_on"] == CARD["dataset"]
    assert len(record["network_sha256"]) == 64
    assert set(record["versions"]) == {"tensorflow", "keras", "gan-zoo"}
    progress = capfd.readouterr()
    assert progress.out == ""
    assert "fake images: 40 of 40, 0 s left" in progress.err


@pytest.mark.usefixtures("preset")
def test_images_are_generated_in_chunks_by_consecutive_seeds():
    fakes = evaluation.from_preset("dcgan_test", num_images=300, seed=7)
    chunks = list(fakes.batches)
    assert max(len(chunk) for chunk in chunks) <= evaluation.BATCH
    np.testing.assert_array_equal(np.concatenate(chunks), FakeGAN(None).generate(300, seed=7))


@pytest.mark.usefixtures("preset")
def test_the_training_split_is_refused():
    fakes = evaluation.from_preset("dcgan_test", num_images=2, seed=0)
    with pytest.raises(
        ValueError,
        match=r"trained on 'fashion_mnist', split 'train\[:10000\]'. "
        r"Received: 'fashion_mnist', split 'train'",
    ):
        evaluation.evaluate(fakes, dataset="sample:fashion_mnist", split="train")


@pytest.mark.parametrize(
    ("seen", "asked", "refused"),
    [
        ("train", "train", True),
        ("train[:10000]", "train[50000:]", True),
        ("train", "test+train[:10%]", True),
        ("all", "test", True),
        ("train", "all", True),
        ("train", "test", False),
        ("train", "test[:500]", False),
    ],
)
def test_splits_overlap_by_their_base_name(seen, asked, refused):
    real = data.load("sample:fashion_mnist", resolution=28, channels=1)
    real = dataclasses.replace(real, split=asked)
    trained_on = {"name": "fashion_mnist", "split": seen}
    if refused:
        with pytest.raises(ValueError, match="has not seen"):
            evaluation.check_unseen(trained_on, real)
    else:
        evaluation.check_unseen(trained_on, real)
    evaluation.check_unseen({**trained_on, "name": "kmnist"}, real)
    evaluation.check_unseen(None, real)


def _write_images(folder, count):
    folder.mkdir()
    for i in range(count):
        Image.new("L", (28, 28), i % 256).save(folder / f"{i:04d}.png")
    return str(folder)


@pytest.mark.usefixtures("test_split")
def test_a_folder_of_images(features, tmp_path):
    folder = _write_images(tmp_path / "images", 12)
    fakes = evaluation.from_folder(folder, num_images=10)
    record = evaluation.evaluate(fakes, dataset="fashion_mnist", num_images=10, features=features)
    assert record["source"] == {"images": folder, "skipped": 0}
    assert (record["num_fake"], record["seed"], record["trained_on"]) == (10, None, None)
    assert record["standard_error_x1000"] is None


@pytest.mark.usefixtures("test_split")
def test_a_folder_and_a_preset_with_the_same_images_score_the_same(features, preset, tmp_path):
    folder = _write_images(tmp_path / "images", 10)
    by_folder = evaluation.evaluate(
        evaluation.from_folder(folder, 10),
        dataset="fashion_mnist",
        num_images=10,
        features=features,
    )
    by_preset = evaluation.evaluate(
        evaluation.from_preset("p", 10, 0), num_images=10, features=features
    )
    assert by_folder["value"] == pytest.approx(by_preset["value"], rel=1e-5)


@pytest.mark.usefixtures("test_split")
def test_too_few_images_are_refused(tmp_path):
    fakes = evaluation.from_folder(_write_images(tmp_path / "images", 1), num_images=5000)
    with pytest.raises(ValueError, match=r"at least 2 fake images. Received: 1, asked for 5000"):
        evaluation.evaluate(fakes, dataset="fashion_mnist")


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(data.DataError, match="no images"):
        evaluation.from_folder(str(tmp_path), num_images=10)


def test_a_run_without_a_preset_is_refused(tmp_path):
    with pytest.raises(ValueError, match=f"first checkpoint writes. Received: --run={tmp_path}"):
        evaluation.from_run(str(tmp_path), num_images=10, seed=0)


def test_a_run_is_measured_by_its_preset_folder(tmp_path, preset):
    (tmp_path / "preset").mkdir()
    fakes = evaluation.from_run(str(tmp_path), num_images=10, seed=0)
    assert fakes.source == {"run": str(tmp_path), "preset": "dcgan_test", "steps": 20}


def test_an_unknown_preset_is_refused():
    with pytest.raises(zoo.PresetError, match="Received: 'dcgan_fashion'"):
        evaluation.from_preset("dcgan_fashion", num_images=10, seed=0)


def test_a_model_of_unknown_data_needs_a_dataset(preset):
    del preset["dataset"]
    fakes = evaluation.from_preset("dcgan_test", num_images=10, seed=0)
    with pytest.raises(ValueError, match="give --dataset"):
        evaluation.evaluate(fakes)
