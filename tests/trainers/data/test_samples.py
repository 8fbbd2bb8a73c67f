"""The bundled samples: what they hold, how large they are, and their licences."""

import io

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from trainers import data
from trainers.data import bundled
from trainers.data.builders.photo_tiles import BUNDLED_LICENCES, PHOTOGRAPHS
from trainers.maintainers import make_samples

HOLDS = {
    "openmoji_pairs": {"source": (400, 64, 64, 3), "target": (400, 64, 64, 3)},
    "emoji_styles": {"a": (250, 64, 64, 3), "b": (250, 64, 64, 3)},
    "photo_tiles": {"images": (140, 96, 96, 3)},
    "satellite_maps": {"source": (160, 64, 64, 3), "target": (160, 64, 64, 3)},
    "earth_day_night": {"source": (200, 64, 64, 3), "target": (200, 64, 64, 3)},
    "peeps": {"images": (1000, 64, 64, 3)},
    "toons": {"source": (400, 64, 64, 3), "target": (400, 64, 64, 3)},
    "avatars": {"images": (1200, 32, 32, 3)},
    "landscapes": {"images": (599, 64, 64, 3)},
    "emoji_families": {"a": (250, 64, 64, 3), "b": (250, 64, 64, 3)},
}


@pytest.mark.parametrize("name", HOLDS)
def test_a_sample(name):
    arrays = bundled.read_arrays(name, "train")
    assert {key: array.shape for key, array in arrays.items()} == HOLDS[name]
    for array in arrays.values():
        assert array.dtype == np.uint8
        assert array.std(axis=(1, 2, 3)).min() > 0.5  # none is blank
    assert (bundled.FOLDER / f"{name}.npz").stat().st_size < 3 * 2**20


def test_every_sample_is_tested():
    assert set(HOLDS) | {"fashion_mnist"} == set(bundled.SAMPLES)
    files = {file.stem for file in bundled.FOLDER.glob("*.npz")}
    assert files == set(bundled.SAMPLES)


@pytest.mark.parametrize("name", bundled.SAMPLES)
def test_a_licence_stands_beside_it(name):
    text = (bundled.FOLDER / f"LICENSE.{name}.txt").read_text("utf-8")
    assert text.startswith(f"{name}.npz holds ")
    names = {"CC-BY-SA-4.0": "CC BY-SA 4.0", "CC-BY-4.0": "CC BY 4.0", "CC0-1.0": "CC0 1.0"}
    names |= {"LicenseRef-public-domain": "public domain"}
    names |= {"Apache-2.0": "Apache License, Version 2.0", "MIT": "MIT"}
    for licence in bundled.SAMPLES[name].split(" AND "):
        assert names[licence] in text


def test_photographs_that_may_be_passed_on_are_attributed():
    text = (bundled.FOLDER / "LICENSE.photo_tiles.txt").read_text("utf-8")
    for photograph in PHOTOGRAPHS:
        free = photograph["split"] == "train" and photograph["licence"] in BUNDLED_LICENCES
        lines = [line for line in text.splitlines() if f'"{photograph["photo"]}"' in line]
        assert len(lines) == free
        assert not free or photograph["author"] in lines[0]


def test_the_drawings_are_outlines_and_the_same_in_colour():
    arrays = bundled.read_arrays("openmoji_pairs", "train")
    source, target = (arrays[key].astype(int) for key in ("source", "target"))
    assert (source.max(-1) == source.min(-1)).all()  # grey
    assert np.mean((source[:, 0] == 255) & (target[:, 0] == 255)) > 0.95  # on white
    # What is black in the outline is dark in most of the colour.
    assert target[source < 30].mean() < 60


def test_a_plain_sample_without_labels():
    image_set = data.load("sample:photo_tiles", resolution=48, channels=3)
    assert (image_set.count, image_set.num_classes) == (140, None)
    assert all(label == -1 for _, label in image_set.images.as_numpy_iterator())
    assert image_set.licence == "CC-BY-4.0 AND CC0-1.0"


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        ("openmoji_pairs", "train", r"'sample:openmoji_pairs', which holds source and target\."),
        (
            "emoji_styles",
            "train",
            r"holds images\. Received: 'sample:emoji_styles', which holds a",
        ),
        ("emoji_stiles", "train", r"Unknown sample\. Did you mean 'emoji_styles'"),
        ("earth_day_night", "test", r"prepare earth_day_night` and use .* split='test'"),
    ],
)
def test_a_sample_that_cannot_be_read(name, split, message):
    with pytest.raises(data.DataError, match=message):
        bundled.open_sample(f"sample:{name}", split, ("images",))


def test_packed_pictures_come_back():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    files = []
    for image in images:
        Image.fromarray(image).save(file := io.BytesIO(), "PNG")
        files.append(file.getvalue())
    arrays = bundled.pack("a", files) | {"labels": np.arange(3)}
    unpacked = bundled.unpack(arrays)
    assert list(unpacked) == ["a", "labels"]
    np.testing.assert_array_equal(unpacked["a"], images)


def test_a_sample_is_made_from_the_training_split(tmp_path):
    rng = np.random.default_rng(0)
    pictures = {s: rng.integers(0, 256, (5, 64, 64, 3), np.uint8) for s in ("train", "test")}
    image, text = tfds.features.Image(shape=(64, 64, 3)), tfds.features.Text()
    tfds.dataset_builders.store_as_tfds_dataset(
        name="openmoji_pairs",
        version="1.0.0",
        features=tfds.features.FeaturesDict(
            {"source": image, "target": image, "name": text, "code": text}
        ),
        split_datasets={
            split: [
                (i, {"source": row, "target": 255 - row, "name": "", "code": ""})
                for i, row in enumerate(rows)
            ]
            for split, rows in pictures.items()
        },
        data_dir=tmp_path,
        disable_shuffling=True,
    )
    file = make_samples.make("openmoji_pairs", tmp_path, folder=tmp_path)
    with np.load(file, allow_pickle=False) as arrays:
        unpacked = bundled.unpack(dict(arrays))
    np.testing.assert_array_equal(unpacked["source"], pictures["train"])  # without loss
    np.testing.assert_array_equal(unpacked["target"], 255 - pictures["train"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fashion_mnist", r"Samples are made of: openmoji_pairs, .*Received: 'fashion_mnist'"),
        ("emoji_styles", r"Run `python -m trainers.data prepare emoji_styles` first\. Received"),
    ],
)
def test_a_sample_that_cannot_be_made(name, message, tmp_path):
    with pytest.raises(data.DataError, match=message):
        make_samples.make(name, tmp_path, folder=tmp_path)
