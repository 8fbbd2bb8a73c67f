"""`load`: the bundled sample, and specs that name nothing."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from trainers import data
from trainers.data import bundled, pixels


def test_the_sample_is_the_published_images(sample):
    assert sample.source == "fashion_mnist"
    assert (sample.split, sample.count, sample.num_classes) == ("train", 10_000, 10)
    assert (sample.licence, sample.skipped) == ("MIT", ())
    images, labels = bundled.read_arrays("fashion_mnist", "train").values()
    # Of the first 10,000 rows of the published training files.
    assert hashlib.sha256(images.tobytes()).hexdigest() == (
        "2929ae1c7b89e0ee6587bbe4911fd5f0a5dafe21ae6ed9b737173cbfe20c12c9"
    )
    assert np.bincount(labels).tolist() == [
        942, 1027, 1016, 1019, 974, 989, 1021, 1022, 990, 1000,
    ]  # fmt: skip
    assert labels[:5].tolist() == [9, 0, 0, 3, 0]


def test_images_come_in_a_fixed_order(sample, pictures):
    for i, (image, label) in enumerate(sample.images.take(300).as_numpy_iterator()):
        assert (image.dtype, label.dtype) == (np.uint8, np.int64)
        np.testing.assert_array_equal(image, pictures[i])


def test_other_size_and_colour():
    image_set = data.load("sample:fashion_mnist", resolution=16, channels=3)
    image, _ = next(image_set.images.as_numpy_iterator())
    assert image.shape == (16, 16, 3)
    assert (image[..., 0] == image[..., 2]).all()
    whole = next(
        data.load("sample:fashion_mnist", resolution=28, channels=1).images.as_numpy_iterator()
    )[0]
    assert abs(image.mean() - whole.mean()) < 2  # antialiased: the mean stays


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_becomes_grey_or_colour(mode, channels):
    if mode == "I;16":
        image = Image.fromarray(np.full((40, 30), 65535, np.uint16))
    else:
        image = Image.new("RGB", (30, 40), "white").convert(mode)
    out = pixels.to_square(image, 20, channels)
    assert (out.shape, out.dtype) == ((20, 20, channels), np.uint8)
    assert (out == 255).all()


def test_the_shorter_side_is_resized_and_the_centre_kept():
    image = np.zeros((20, 60, 3), np.uint8)
    image[:, 20:40] = (10, 200, 30)
    out = pixels.to_square(Image.fromarray(image), 20, 3)
    assert (out == (10, 200, 30)).all()


def test_a_set_larger_than_memory_is_mapped(monkeypatch, tiny_tfds):
    kwargs = dict(resolution=28, channels=1, data_dir=tiny_tfds)
    in_memory = data.load("fashion_mnist", **kwargs)
    monkeypatch.setattr(pixels, "MAX_IN_MEMORY_BYTES", 1000)
    assert isinstance(pixels.allocate(2, 28, 1), np.memmap)
    on_disk = data.load("fashion_mnist", **kwargs)
    for (a, _), (b, _) in zip(
        in_memory.images.as_numpy_iterator(), on_disk.images.as_numpy_iterator(), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_room_for_an_enlarged_sample_is_asked_for_before_decoding(monkeypatch):
    taken = []

    def allocate(count, resolution, channels):
        taken.append(count * resolution**2 * channels)
        raise data.DataError("full")

    monkeypatch.setattr(pixels, "allocate", allocate)
    with pytest.raises(data.DataError, match="full"):
        data.load("sample:fashion_mnist", resolution=1024, channels=3)
    assert taken == [10_000 * 1024**2 * 3]


def test_too_little_temporary_space():
    with pytest.raises(data.DataError, match=r"need \d+\.\d GB of temporary space.*TMPDIR"):
        pixels.allocate(10**12, 64, 3)


@pytest.mark.parametrize(
    ("spec", "split", "message"),
    [
        ("sample:fashon_mnist", "train", r"Did you mean 'fashion_mnist'\?.*'sample:fashon_mnist'"),
        (
            "sample:mars",
            "train",
            r"are: sample:avatars, .*:toons\. Received",
        ),
        ("sample:fashion_mnist", "test", r"python -m trainers.data prepare fashion_mnist.*'test'"),
        ("fashon_mnist", "train", r"Unknown data set\. Did you mean 'fashion_mnist'"),
        ("Fashion_MNIST", "train", r"Did you mean 'fashion_mnist'"),
        ("fashion_mnist:3.0.1", "train", r"Unknown data set.*Received: 'fashion_mnist:3.0.1'"),
        ("cycle_gan/horse2zebr", "train", r"Unknown config.*Did you mean 'horse2zebra'"),
        ("fashion_mnist/large", "train", r"It has no configs\. Received: 'fashion_mnist/large'"),
        ("", "train", r"Unknown data set\..*Received: ''"),
        ("no/such/folder", "train", r"does not exist.*Received: 'no/such/folder'"),
    ],
)
def test_specs_that_name_nothing(spec, split, message, tmp_path):
    with pytest.raises(data.DataError, match=message) as error:
        data.load(spec, split=split, resolution=28, channels=1, data_dir=tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("resolution", "channels"), [(28, 2), (0, 1), (28, 4)])
def test_sizes_out_of_range(resolution, channels):
    with pytest.raises(data.DataError, match=f"Received: channels={channels}"):
        data.load("sample:fashion_mnist", resolution=resolution, channels=channels)
