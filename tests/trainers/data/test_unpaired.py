"""Unpaired sets: two domains, each in its own order."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from tests.trainers.data.conftest import store_tfds
from trainers import data
from trainers.data import bundled
from trainers.data.fingerprint import fingerprint
from trainers.data.loading import image_set_of
from trainers.data.sets import make_reader


def load(spec, **kwargs) -> data.UnpairedSet:
    return data.load_unpaired(str(spec), **{"resolution": 64, "channels": 3, **kwargs})


def read(image_set: data.ImageSet) -> np.ndarray:
    return np.stack([image for image, _ in image_set.images.as_numpy_iterator()])


def take(dataset: tf.data.Dataset, count: int) -> list:
    return list(dataset.take(count).as_numpy_iterator())


def counted(count_a: int, count_b: int) -> data.UnpairedSet:
    """Image i of either domain is i everywhere."""
    domains = [
        image_set_of(
            "small",
            "small",
            f"train{letter}",
            np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, 4, 4, 3)),
        )
        for letter, n in (("A", count_a), ("B", count_b))
    ]
    return data.UnpairedSet("small", "small", "train", *domains)


def rows(images: np.ndarray) -> list[int]:
    return np.rint((images[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist()


@pytest.fixture
def path(tmp_path, squares):
    """12 and 6 training images, 1 and 1 test images; B is the negative."""
    parts = {"trainA": squares[:12], "trainB": 255 - squares[12:18],
             "testA": squares[18:19], "testB": 255 - squares[19:]}  # fmt: skip
    for name, images in parts.items():
        (tmp_path / name).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / name / f"{i:02d}.png")
    return tmp_path


def test_a_folder(path, squares):
    unpaired = load(path)
    np.testing.assert_array_equal(read(unpaired.a), squares[:12])
    np.testing.assert_array_equal(read(unpaired.b), 255 - squares[12:18])
    assert (unpaired.source, unpaired.split, unpaired.count) == (str(path.resolve()), "train", 18)
    assert (unpaired.a.split, unpaired.b.split) == ("trainA", "trainB")
    assert (unpaired.num_classes, unpaired.licence, unpaired.skipped) == (None, None, ())
    a, b = zip(*unpaired.images.as_numpy_iterator(), strict=True)
    np.testing.assert_array_equal(a, squares[:6])
    np.testing.assert_array_equal(b, 255 - squares[12:18])
    np.testing.assert_array_equal(read(load(path, split="test").b), 255 - squares[19:])


def test_a_part_of_a_folder_is_of_each_domain(path, squares):
    unpaired = load(path, split="train[:4]")
    np.testing.assert_array_equal(read(unpaired.a), squares[:4])
    np.testing.assert_array_equal(read(unpaired.b), 255 - squares[12:16])
    assert (unpaired.split, unpaired.b.split) == ("train[:4]", "trainB[:4]")
    with pytest.raises(data.DataError, match=r"within their number\. .*trainB'.* of 6 images\."):
        load(path, split="train[:7]")


@pytest.mark.slow
def test_names_tell_counterparts(path, squares):
    assert not load(path).counterparts  # 12 and 6
    assert not load(path, split="test").counterparts  # 00.png in either, a mere number
    for side, name in (("A", "grin"), ("B", "grin"), ("B", "wink")):
        (file,) = (path / f"test{side}").iterdir()
        file.rename(path / f"test{side}" / f"{name}.png")
        assert load(path, split="test").counterparts is ((side, name) == ("B", "grin"))


@pytest.mark.parametrize("names", [("sun", "moon"), ("moon", "sun")])
def test_names_of_a_tfds_set_tell_counterparts(tmp_path, squares, names):
    rows = [{"image": squares[i], "name": name} for i, name in enumerate(names)]
    others = [{"image": squares[i], "name": name} for i, name in enumerate(("sun", "moon"))]
    features = {"image": tfds.features.Image(shape=(None, None, 3)), "name": tfds.features.Text()}
    store_tfds(tmp_path, "named", features, {"testA": rows, "testB": others})
    unpaired = load("named", data_dir=tmp_path, split="test")
    assert unpaired.counterparts is (names == ("sun", "moon"))


def test_a_file_that_is_broken(path):
    (path / "trainB" / "03.png").write_bytes(b"broken")
    unpaired = load(path)
    assert (unpaired.b.count, unpaired.skipped) == (5, ("trainB/03.png",))


def test_a_folder_that_lacks_a_domain(path):
    with pytest.raises(
        data.DataError,
        match=r"has the subfolders trainA and trainB.*'validA' is missing\. Received",
    ):
        load(path, split="valid")
    for file in (path / "trainB").iterdir():
        file.unlink()
    with pytest.raises(data.DataError, match=r"holds no images.*Received: '.*/trainB'\."):
        load(path)


@pytest.mark.slow
def test_a_tfds_set(tmp_path, squares):
    splits = {"trainA": squares[:6], "trainB": 255 - squares[6:10], "testA": squares[10:11],
              "testB": 255 - squares[11:12]}  # fmt: skip
    store_tfds(
        tmp_path,
        "two_domains",
        {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(names=["A", "B"]),
        },
        {k: [{"image": image, "label": k[-1]} for image in v] for k, v in splits.items()},
    )
    unpaired = load("two_domains", data_dir=tmp_path)
    np.testing.assert_array_equal(read(unpaired.a), squares[:6])
    np.testing.assert_array_equal(read(unpaired.b), 255 - squares[6:10])
    assert unpaired.a.num_classes is None
    part = load("two_domains", data_dir=tmp_path, split="train[:2]")
    assert (part.a.count, part.b.count, part.b.split) == (2, 2, "trainB[:2]")
    with pytest.raises(data.DataError, match=r"It has: trainA \(6 images\).*split='validA'\."):
        load("two_domains", data_dir=tmp_path, split="valid")


def test_a_sample(monkeypatch, squares):
    arrays = {"a": squares, "b": 255 - squares[:5]}
    monkeypatch.setattr(bundled, "read_arrays", lambda name, split: arrays, raising=False)
    monkeypatch.setitem(bundled.SAMPLES, "clothes", "MIT")
    unpaired = load("sample:clothes", resolution=32)
    assert (unpaired.a.count, unpaired.b.count, unpaired.licence) == (20, 5, "MIT")
    assert read(unpaired.a).shape == (20, 32, 32, 3)
    arrays["b"] = squares[:0]
    with pytest.raises(
        data.DataError,
        match=r"Both domains must have images\. Received: 'sample:clothes', split='train', whose B",
    ):
        load("sample:clothes")


@pytest.mark.slow
def test_domains_have_their_own_order_and_passes():
    steps = take(counted(40, 16).batches(8, seed=0, augment=False), 10)
    a, b = ([rows(step[side]) for step in steps] for side in (0, 1))
    for first in (0, 5):
        assert sorted(np.concatenate(a[first : first + 5])) == list(range(40))
    for first in range(0, 10, 2):
        assert sorted(np.concatenate(b[first : first + 2])) == list(range(16))
    one, other = take(counted(40, 40).batches(40, seed=0, augment=False), 1)[0]
    assert rows(one) != rows(other)  # though as many in either


def test_batches_are_a_function_of_the_seed_alone(path):
    unpaired = load(path)
    dataset = unpaired.batches(4, seed=3)
    spec = tf.TensorSpec([4, 64, 64, 3], tf.float32)
    assert dataset.element_spec == (spec, spec)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    whole = take(dataset, 8)
    late = take(unpaired.batches(4, seed=3, start_step=5), 3)
    halves = [take(unpaired.batches(4, seed=3, share=(i, 2)), 8) for i in range(2)]
    for side in (0, 1):
        for step in range(3):
            np.testing.assert_array_equal(late[step][side], whole[5 + step][side])
        for step in range(8):
            joined = np.concatenate([half[step][side] for half in halves])
            np.testing.assert_array_equal(joined, whole[step][side])
    assert not np.array_equal(take(unpaired.batches(4, seed=4), 1)[0][0], whole[0][0])


def test_images_are_jittered_one_by_one_in_training_alone(squares):
    """Both domains hold the same image: jittered apart, they differ."""
    domain = image_set_of("same", "same", "trainA", squares[:1])
    unpaired = data.UnpairedSet("same", "same", "train", domain, domain)
    a, b = take(unpaired.batches(1, seed=0), 1)[0]
    whole = squares[:1] / 127.5 - 1
    assert not np.array_equal(a, b)
    assert np.abs(a - whole).max() > 0.1
    test_set = data.UnpairedSet("same", "same", "test", domain, domain)
    for image in take(test_set.batches(1, seed=0), 1)[0]:
        np.testing.assert_allclose(image, whole, atol=1e-6)


def test_fewer_images_than_a_batch_in_one_domain():
    with pytest.raises(data.DataError, match=r"'small' \(split 'trainB'\) holds 3 images"):
        counted(40, 3).batches(8, seed=0)


def test_the_fingerprint_knows_both_domains(path):
    unpaired = load(path)
    assert fingerprint(unpaired) == fingerprint(load(path))
    swapped = data.UnpairedSet(unpaired.spec, unpaired.source, "train", unpaired.b, unpaired.a)
    assert fingerprint(swapped) != fingerprint(unpaired)


@pytest.mark.parametrize(("resolution", "channels"), [(0, 3), (64, 4)])
def test_sizes_out_of_range(path, resolution, channels):
    with pytest.raises(data.DataError, match=f"Received: channels={channels}"):
        load(path, resolution=resolution, channels=channels)


def test_a_reader_may_have_any_number_of_arrays(squares):
    reader = make_reader(squares[..., 0], np.arange(20), squares[..., 1])
    first, second, third = reader(tf.constant([3, 1], tf.int64))
    np.testing.assert_array_equal(first, squares[[3, 1], :, :, 0])
    assert second.numpy().tolist() == [3, 1]
    np.testing.assert_array_equal(third, squares[[3, 1], :, :, 1])
