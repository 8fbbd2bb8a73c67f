"""TFDS sets, on a fashion_mnist of 300 images in TFDS's own format; no network."""

import pathlib
import re
import shutil
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds

from trainers import data
from trainers.data import DataError, bundled


def load(data_dir, spec="fashion_mnist", **kwargs) -> data.ImageSet:
    return data.load(spec, **{"resolution": 28, "channels": 1, "data_dir": data_dir, **kwargs})


def test_a_prepared_set(tiny_tfds):
    images, labels = bundled.read_arrays("fashion_mnist", "train").values()
    image_set = load(tiny_tfds)
    assert (image_set.source, image_set.split, image_set.count) == ("fashion_mnist", "train", 200)
    assert (image_set.num_classes, image_set.licence) == (10, "MIT")
    for i, (image, label) in enumerate(image_set.images.as_numpy_iterator()):
        np.testing.assert_array_equal(image, images[i])
        assert label == labels[i]


@pytest.mark.parametrize(
    ("split", "first", "count"),
    [("test", 200, 100), ("train[:50]", 0, 50), ("train[-10:]", 190, 10), ("train+test", 0, 300)],
)
def test_splits(tiny_tfds, pictures, split, first, count):
    image_set = load(tiny_tfds, split=split)
    assert (image_set.split, image_set.count) == (split, count)
    np.testing.assert_array_equal(
        [image for image, _ in image_set.images.as_numpy_iterator()],
        pictures[first : first + count],
    )


def test_other_size_and_colour(tiny_tfds):
    image_set = load(tiny_tfds, split="train[:3]", resolution=64, channels=3)
    assert next(image_set.images.as_numpy_iterator())[0].shape == (64, 64, 3)


@pytest.mark.parametrize("split", ["validation", "train[:1000]", "train[", "train[:0]", ""])
def test_wrong_split(tiny_tfds, split):
    with pytest.raises(data.DataError) as error:
        load(tiny_tfds, split=split)
    assert "It has: train (200 images), test (100 images)" in str(error.value)
    assert str(error.value).endswith(f"Received: split='{split}'.")


def test_images_of_many_sizes_without_labels(tmp_path, pictures):
    sizes = [(40, 28), (28, 50), (28, 28)]
    store(
        tmp_path,
        {"photo": tfds.features.Image(shape=(None, None, 3))},
        [{"photo": np.full((*size, 3), 9 * i, np.uint8)} for i, size in enumerate(sizes)],
    )
    image_set = load(tmp_path, "my_set", resolution=28, channels=3)
    assert (image_set.num_classes, image_set.licence, image_set.count) == (None, None, 3)
    for i, (image, label) in enumerate(image_set.images.as_numpy_iterator()):
        assert label == -1
        np.testing.assert_array_equal(image, np.full((28, 28, 3), 9 * i))


def test_a_set_without_images(tmp_path):
    store(tmp_path, {"text": tfds.features.Text()}, [{"text": "no picture"}])
    with pytest.raises(data.DataError, match=r"one 8-bit image.*'my_set' with the features text"):
        load(tmp_path, "my_set")


def test_a_set_of_floats_is_refused(tmp_path):
    features = {"image": tfds.features.Tensor(shape=(4, 4, 1), dtype=np.float32)}
    store(tmp_path, features, [{"image": np.full((4, 4, 1), 255, np.float32)}])
    rule = r"one 8-bit image an example \(uint8, 0 to 255\).* features image \(float32\)\.$"
    with pytest.raises(data.DataError, match=rule):
        load(tmp_path, "my_set")


def test_images_without_a_label_are_refused_where_labels_are_learned(tmp_path):
    features = {
        "image": tfds.features.Image(shape=(4, 4, 1)),
        "label": tfds.features.ClassLabel(num_classes=3),
    }
    image = np.zeros((4, 4, 1), np.uint8)
    store(tmp_path, features, [{"image": image, "label": label} for label in (0, 2, -1, -1)])
    assert load(tmp_path, "my_set", resolution=4).count == 4
    rule = r"classes from 0 to 2, .* -1 for image 2 of 'my_set', split 'train', and 2 such labels"
    with pytest.raises(data.DataError, match=rule):
        load(tmp_path, "my_set", resolution=4, labels=True)


def store(data_dir, features, examples) -> None:
    tfds.dataset_builders.store_as_tfds_dataset(
        name="my_set",
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={"train": list(enumerate(examples))},
        data_dir=data_dir,
        disable_shuffling=True,
    )


def test_a_set_that_is_not_prepared(tmp_path):
    start = time.monotonic()
    with pytest.raises(data.DataError) as error:
        load(tmp_path)
    assert time.monotonic() - start < 10  # TFDS alone would retry for over three minutes
    assert "cannot be reached" in str(error.value)
    assert "`python -m trainers.data prepare fashion_mnist`" in str(error.value)
    with pytest.raises(data.DataError, match=r"'cifar10': .* cannot be reached\. Prepare it where"):
        load(tmp_path, "cifar10")
    assert not list(tmp_path.iterdir())  # nothing half-written


def test_a_damaged_record_names_what_to_delete(tiny_tfds, tmp_path):
    copy = pathlib.Path(shutil.copytree(tiny_tfds, tmp_path / "data"))
    (record,) = copy.rglob("*train.tfrecord*")
    content = bytearray(record.read_bytes())
    content[len(content) // 2] ^= 1
    record.write_bytes(content)
    with pytest.raises(DataError) as error:
        load(copy)
    assert re.match(
        rf"The prepared files of 'fashion_mnist' are damaged after image \d+ of \d+: delete "
        rf"{record.parent} and prepare the set again. Received: corrupted record",
        str(error.value),
    ), str(error.value)
