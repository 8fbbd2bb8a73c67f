"""`load_training`: one face for sets of every kind."""

import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.toys.toy_map.model import ToyMap
from tests.toys.toy_text.model import ToyText
from trainers import data
from trainers.data import kinds
from trainers.data.fingerprint import fingerprint

ARGUMENTS = {
    "images": {"channels": 3},
    "pairs": {"source_channels": 1, "target_channels": 3, "task": "colorize"},
    "unpaired": {"channels": 3},
    "low_high": {"scale": 2},
}


@pytest.fixture
def path(tmp_path, mosaics):
    for name, some in (("trainA", mosaics[:4]), ("trainB", mosaics[4:7])):
        (tmp_path / name).mkdir()
        for i, mosaic in enumerate(some):
            mosaic.save(tmp_path / name / f"{i}.png")
    return tmp_path


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=[pytest.mark.slow] * (k == "pairs")) for k in kinds.LOADERS]
)
def test_sets_of_every_kind_have_one_face(kind, path):
    loaded = data.load_training(kind, str(path), resolution=32, **ARGUMENTS[kind])
    assert (loaded.spec, loaded.source, loaded.count) == (str(path), str(path.resolve()), 7)
    assert loaded.split == ("train" if kind == "unpaired" else "all")
    assert (loaded.num_classes, loaded.licence, loaded.skipped) == (None, None, ())
    assert all(image.dtype == np.uint8 for image in next(loaded.images.as_numpy_iterator())[:1])
    assert len(fingerprint(loaded)) == 64
    dataset = loaded.batches(2, seed=0, start_step=1, share=(1, 2))
    for images in tf.nest.flatten(next(dataset.as_numpy_iterator())):
        assert (images.shape[0], images.dtype) == (1, np.float32)
        assert np.abs(images).max() <= 1


def test_unknown_kind():
    with pytest.raises(data.DataError) as error:
        data.load_training("pair", "fashion_mnist", resolution=28)
    assert str(error.value) == (
        "Unknown kind of set. Did you mean 'pairs' or 'unpaired'? The kinds are: images, "
        "pairs, unpaired, low_high. Received: 'pair'."
    )


def test_domains_of_different_channels_are_refused():
    gan = zoo.CycleGAN(16, source_channels=1, width=4, blocks=1, patch=1, identity=0)
    with pytest.raises(
        data.DataError, match="same channels.* Received: 1 channels of A and 3 of B"
    ):
        kinds.load_for(gan, "sample:emoji_styles")


@pytest.mark.parametrize(
    ("gan", "spec"),
    [
        pytest.param(
            lambda: zoo.Pix2Pix(64, width=4, patch=16),
            "sample:openmoji_pairs",
            marks=pytest.mark.slow,
        ),
        (lambda: zoo.CycleGAN(64, width=4, blocks=1, patch=16), "sample:emoji_styles"),
    ],
)
def test_without_jitter_images_are_mirrored_alone(gan, spec):
    loaded = kinds.load_for(gan(), spec, jitter=False)
    stored = [np.stack(side) for side in zip(*loaded.images.as_numpy_iterator(), strict=True)]
    known = [{image.tobytes() for image in side} for side in stored]
    mirrored = [{image[:, ::-1].tobytes() for image in side} for side in stored]
    turned = []
    for batch in loaded.batches(8, seed=0).take(4).as_numpy_iterator():
        for side, images in enumerate(batch):
            for image in np.round((images + 1) * 127.5).astype(np.uint8):
                assert image.tobytes() in known[side] | mirrored[side]
                turned.append(image.tobytes() not in known[side])
    assert 0.2 < np.mean(turned) < 0.8


@pytest.mark.slow
def test_reverse_makes_the_target_the_source():
    gan = zoo.Pix2Pix(64, width=4, patch=16)
    forth, back = (
        kinds.load_for(gan, "sample:openmoji_pairs", reverse=reverse) for reverse in (False, True)
    )
    pairs = zip(
        forth.images.take(3).as_numpy_iterator(), back.images.as_numpy_iterator(), strict=False
    )
    for (source, target), (there, here) in pairs:
        np.testing.assert_array_equal((there, here), (target, source))
    with pytest.raises(data.DataError, match="reverse swaps pairs, for .* takes unpaired"):
        kinds.load_for(
            zoo.CycleGAN(16, width=4, blocks=1, patch=16), "sample:emoji_styles", reverse=True
        )


def test_models_of_vectors_and_maps_have_no_sets_yet():
    for gan, argument in ((ToyText(), "embeddings"), (ToyMap(), "label_map")):
        with pytest.raises(data.DataError, match=f"train a model of {argument} with gan.fit"):
            kinds.load_for(gan, "sample:fashion_mnist")


def test_jitter_is_of_image_to_image_models():
    gan = zoo.DCGAN(16, width=4)
    with pytest.raises(data.DataError, match="jitter is for models .* which takes images"):
        kinds.load_for(gan, "sample:fashion_mnist", jitter=False)
