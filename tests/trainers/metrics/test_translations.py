"""A model that makes images of images, beside the baselines."""

import numpy as np
import pytest

import zoo
from trainers.data import PairSet, UnpairedSet
from trainers.data.loading import image_set_of
from trainers.data.sets import make_reader
from trainers.metrics import translations


def pair_set(images: np.ndarray, split: str) -> PairSet:
    """Clothes in negative, to be made positive."""
    return PairSet(
        spec="clothes",
        source="clothes",
        split=split,
        count=len(images),
        licence=None,
        reader=make_reader(255 - images, images),
    )


class Negative(zoo.Pix2Pix):
    """Knows the answer, less some levels."""

    off = 2

    def translate(self, images: np.ndarray, *, seed: int | None = None) -> np.ndarray:
        return np.uint8(np.clip(255 - images.astype(int) + self.off, 0, 255))


def test_scores_of_model_and_baselines(fashion: np.ndarray) -> None:
    images = np.uint8((fashion[:120] + 1.0) * 127.5)
    images = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    training, held_out = pair_set(images[:100], "train"), pair_set(images[100:], "test")
    gan = Negative(32, source_channels=1, channels=1, width=4, patch=16)
    record = translations.measure(gan, held_out, training=training)
    scores = record["scores"]
    assert set(scores) == {"model", "identity", "mean_colour", "nearest_neighbour"}
    made = gan.translate(255 - images[100:])
    off = np.abs(made.astype(float) - images[100:]).mean() / 255
    np.testing.assert_allclose(scores["model"]["l1"], off)
    colour = np.rint(images[:100].mean())
    expected = np.abs(images[100:] - colour).mean() / 255
    np.testing.assert_allclose(scores["mean_colour"]["l1"], expected)
    distances = np.square(images[100:, None].astype(float) - images[None, :100]).sum((2, 3, 4))
    nearest = images[:100][distances.argmin(axis=1)].astype(float)
    expected = np.abs(nearest - images[100:]).mean() / 255
    np.testing.assert_allclose(scores["nearest_neighbour"]["l1"], expected)
    for score in ("l1", "perceptual", "kid_x1000"):
        assert scores["model"][score] < min(
            scores[name][score] for name in scores if name != "model"
        )
    assert scores["model"]["psnr"] > 40 > scores["identity"]["psnr"]
    assert record["crop"] == 0
    assert record["num_images"] == 20
    with pytest.raises(ValueError, match="At least 2 held-out images .* Received: 1"):
        translations.measure(gan, held_out, num_images=1)


class Negatives(zoo.CycleGAN):
    """Knows the answer from A to B, less some levels; from B to A it does nothing."""

    off = 2

    def translate(
        self, images: np.ndarray, direction: str | None = None, *, seed: int | None = None
    ) -> np.ndarray:
        if direction == "b_to_a":
            return images
        return np.uint8(np.clip(255 - images.astype(int) + self.off, 0, 255))


@pytest.mark.slow
@pytest.mark.parametrize("counterparts", [False, True])
def test_scores_of_both_directions(fashion: np.ndarray, counterparts: bool) -> None:
    images = np.uint8((fashion[:40] + 1.0) * 127.5)
    images = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    b = 255 - images if counterparts else 255 - images[:30]
    domains = [
        image_set_of("clothes", "clothes", f"test{letter}", pixels)
        for letter, pixels in (("A", images), ("B", b))
    ]
    held_out = UnpairedSet("clothes", "clothes", "test", *domains, counterparts)
    gan = Negatives(32, source_channels=1, channels=1, width=4, patch=16, blocks=1, pool=0)
    record = translations.measure_unpaired(gan, held_out)
    scores = record["scores"]
    assert list(scores) == ["a_to_b", "a_to_b identity", "b_to_a", "b_to_a identity"]
    assert record["num_images"] == [40, len(b)]
    # There it is negative, and back it is left alone.
    cycled = np.clip(255 - images.astype(int) + 2, 0, 255)
    np.testing.assert_allclose(
        scores["a_to_b"]["cycle_l1"], np.abs(cycled - images.astype(int)).mean() / 255
    )
    assert scores["a_to_b identity"]["cycle_l1"] == 0
    assert scores["a_to_b"]["kid_x1000"] < scores["a_to_b identity"]["kid_x1000"] / 10
    assert scores["b_to_a"]["kid_x1000"] == scores["b_to_a identity"]["kid_x1000"]
    assert record["counterparts"] is counterparts
    if counterparts:
        np.testing.assert_allclose(
            scores["a_to_b"]["l1"], np.abs(cycled - (255 - images.astype(int))).mean() / 255
        )
        assert scores["a_to_b"]["perceptual"] < scores["a_to_b identity"]["perceptual"] / 10
    else:
        assert "perceptual" not in scores["a_to_b"]
    with pytest.raises(ValueError, match="At least 2 held-out images .* Received: 1"):
        translations.measure_unpaired(gan, held_out, num_images=1)
