"""Images that are known again by their pixels."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from trainers import data
from trainers.data import fingerprint
from trainers.data.loading import image_set_of


def a_set(images: np.ndarray) -> data.ImageSet:
    return image_set_of("s", "s", "all", images)


def as_jpegs(images: np.ndarray) -> np.ndarray:
    copies = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image.squeeze(-1)).save(file, "JPEG", quality=85)
        copies.append(np.asarray(Image.open(file))[..., None])
    return np.stack(copies)


@pytest.fixture(scope="module")
def trained_on(pictures: np.ndarray) -> dict:
    return json.loads(json.dumps(fingerprint.sketch(a_set(pictures[:1000]))))


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: x[::-1],
        lambda x: x[:, :, ::-1],
        lambda x: x[:, ::-1],
        lambda x: x[:, ::-1, ::-1],
        as_jpegs,
        lambda x: np.clip(x.astype(int) + 3, 0, 255).astype(np.uint8),
    ],
    ids=["the same", "another order", "mirrored", "upside down", "turned", "JPEGs", "brighter"],
)
def test_copies_are_known(trained_on: dict, pictures: np.ndarray, change) -> None:
    share = fingerprint.share_seen(trained_on, a_set(change(pictures[:500])))
    assert share > 0.97


def test_other_images_are_not(trained_on: dict, pictures: np.ndarray) -> None:
    assert fingerprint.share_seen(trained_on, a_set(pictures[5000:6000])) < 0.02


def test_a_part_is_a_share(trained_on: dict, pictures: np.ndarray) -> None:
    mixed = np.concatenate([pictures[:250], pictures[5000:5750]])
    assert fingerprint.share_seen(trained_on, a_set(mixed)) == pytest.approx(0.25, abs=0.02)


def test_of_a_large_set_a_part_is_kept(pictures: np.ndarray, monkeypatch) -> None:
    monkeypatch.setattr(fingerprint, "KEPT", 500)
    trained_on = fingerprint.sketch(a_set(pictures[:5000]))
    assert trained_on["kept"] == 0.1
    assert len(trained_on["hashes"]) < 22_000
    share = fingerprint.share_seen(trained_on, a_set(pictures[:5000]))
    assert share == pytest.approx(1.0, abs=0.05)
    seen = pictures[2500:7500]
    assert fingerprint.share_seen(trained_on, a_set(seen)) == pytest.approx(0.5, abs=0.2)
    assert fingerprint.share_seen(trained_on, a_set(pictures[5000:])) < 0.05


def test_flat_images_are_nobodys(pictures: np.ndarray) -> None:
    flat = np.zeros((10, 28, 28, 1), np.uint8)
    trained_on = fingerprint.sketch(a_set(np.concatenate([flat, pictures[:10]])))
    assert fingerprint.share_seen(trained_on, a_set(flat)) == 0
    assert fingerprint.share_seen(fingerprint.sketch(a_set(flat)), a_set(pictures[:5])) == 0


@pytest.mark.slow
def test_pairs_are_known_by_their_targets(squares: np.ndarray, tmp_path) -> None:
    for side, images in (("source", 255 - squares), ("target", squares)):
        (tmp_path / side).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / side / f"{i}.png")
    pairs = data.load_pairs(str(tmp_path), resolution=64, source_channels=3, target_channels=3)
    assert fingerprint.share_seen(pairs.sketch, a_set(squares)) == 1
    assert fingerprint.share_seen(pairs.sketch, a_set(255 - squares)) == 0
