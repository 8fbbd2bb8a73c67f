"""Publishing: what a preset's sheet may show, and how it is scored."""

import numpy as np
import pytest

import zoo
from trainers import data
from trainers.data.loading import image_set_of
from trainers.maintainers import publish
from trainers.metrics import cache
from trainers.metrics.fakes import Fakes


@pytest.mark.parametrize(("name", "shown"), [("openmoji_pairs", True), ("somebodys_pairs", False)])
def test_a_sheet_is_of_the_bundled_sample_or_there_is_none(name: str, shown: bool) -> None:
    gan = zoo.Pix2Pix(resolution=16, width=4, patch=16)
    gan.card = {"dataset": {"name": name}, "training": {}}
    gan.examples = publish._examples(gan)
    assert (gan.examples is not None) == shown
    if shown:
        sources, targets = gan.examples
        assert sources.shape == targets.shape
        assert sources.dtype == np.uint8
    assert (gan.sample_sheet() is not None) == shown


@pytest.mark.slow
def test_images_are_scored_by_two_networks_and_training_images_beside_them(
    monkeypatch, tmp_path
) -> None:
    """Fakes of noise are far from the floor by both networks."""
    clothes = data.load("sample:fashion_mnist", resolution=32, channels=1)

    def load(name, split, resolution, channels, **kwargs):
        assert (name, resolution, channels) == ("fashion_mnist", 32, 1)
        rows = range(200) if split == "train" else range(200, 400)
        images = clothes.images.take(rows.stop).as_numpy_iterator()
        images = np.stack([image for image, _ in images])
        return image_set_of(name, name, split, images[rows.start :])

    monkeypatch.setattr(data, "load", load)
    monkeypatch.setattr(cache, "default_folder", lambda: tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (100, 32, 32, 1), np.uint8)
    fakes = Fakes(
        batches=[noise],
        count=100,
        image_shape=(32, 32, 1),
        source={"preset": "noise"},
        trained_on={"name": "fashion_mnist", "split": "train"},
    )
    record = publish.measured(fakes, ("kid", "recall"))
    second = record["second_network"]
    assert list(record["metrics"]) == ["kid", "recall"]
    assert list(second["metrics"]) == ["kid", "recall", "coverage"]
    assert second["metrics"]["kid"]["name"] == "KID (EfficientNet-Lite0)"
    for scores in (record, second):
        assert scores["metrics"]["kid"]["value"] > 20 * abs(scores["floor"]["kid"]["value"])
        assert scores["floor"]["recall"]["value"] > 0.5 > scores["metrics"]["recall"]["value"]
