"""Low and high resolution: crops of photographs, shrunk as Pillow shrinks."""

import logging

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from tests.trainers.data.conftest import store_tfds
from trainers import data
from trainers.data import bicubic, bundled, pixels
from trainers.data.fingerprint import fingerprint


def load(spec, **kwargs) -> data.LowHighSet:
    return data.load_low_high(str(spec), **{"resolution": 48, **kwargs})


def read(low_high: data.LowHighSet) -> tuple[np.ndarray, np.ndarray]:
    return tuple(map(np.stack, zip(*low_high.images.as_numpy_iterator(), strict=True)))


def take(dataset: tf.data.Dataset, count: int) -> list:
    return list(dataset.take(count).as_numpy_iterator())


def to_bytes(images: np.ndarray) -> np.ndarray:
    return np.rint((images + 1) * 127.5).astype(np.uint8)


def shrunk(image: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))


def places(crop: np.ndarray, whole: np.ndarray) -> list[tuple[int, int]]:
    """Corners at which a crop lies in a picture."""
    windows = np.lib.stride_tricks.sliding_window_view(whole[..., 0], crop.shape[:2])
    alike = np.ones(windows.shape[:2], bool)
    for i in range(0, len(crop), 4):  # a few pixels first
        alike &= windows[:, :, i, i] == crop[i, i, 0]
    corners = np.argwhere(alike)
    height, width = crop.shape[:2]
    return [
        (y, x)
        for y, x in corners.tolist()
        if np.array_equal(whole[y : y + height, x : x + width], crop)
    ]


@pytest.fixture
def path(tmp_path, mosaics):
    """Eight pictures of three sizes."""
    for i, mosaic in enumerate(mosaics[:8]):
        mosaic.crop((0, 0, 140 - 20 * (i % 3), 112)).save(tmp_path / f"{i}.png")
    return tmp_path


@pytest.mark.parametrize(
    ("size", "new"),
    [((96, 96), (24, 24)), ((96, 96), (48, 48)), ((24, 24), (96, 96)), ((61, 61), (30, 30)),
     ((40, 64), (10, 16)), ((10, 16), (40, 64))],
)  # fmt: skip
def test_bicubic_is_pillows_to_the_bit(mosaics, size, new):
    image = np.asarray(mosaics[0])[: size[0], : size[1]]
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)  # over- and undershoots
    out = bicubic.resize(tf.constant(np.stack([image, noise])), *new).numpy()
    for source, resized in zip((image, noise), out, strict=True):
        expected = Image.fromarray(source).resize(new[::-1], Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(resized, expected)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_centre_of_each_picture_and_the_same_smaller(path, scale, channels):
    low_high = load(path, scale=scale, channels=channels)
    low, high = read(low_high)
    assert high.shape == (8, 48, 48, channels)
    for i in range(8):
        with Image.open(path / f"{i}.png") as picture:
            picture = picture.convert("RGB" if channels == 3 else "L")
            whole = np.asarray(picture).reshape(112, -1, channels)
        left = (whole.shape[1] - 48) // 2
        np.testing.assert_array_equal(high[i], whole[32:80, left : left + 48])
        small = shrunk(high[i].squeeze(), 48 // scale).reshape(low[i].shape)
        np.testing.assert_array_equal(low[i], small)
    assert (low_high.count, low_high.split, low_high.licence) == (8, "all", None)
    assert (low_high.source, low_high.num_classes) == (str(path.resolve()), None)


def test_crops_lie_in_their_pictures_turned_and_elsewhere_in_every_pass(path):
    dataset = load(path).batches(8, seed=0)
    assert dataset.element_spec == (
        tf.TensorSpec([8, 12, 12, 3], tf.float32),
        tf.TensorSpec([8, 48, 48, 3], tf.float32),
    )
    pictures = [np.asarray(Image.open(path / f"{i}.png")) for i in range(8)]
    found = []
    for low, high in take(dataset, 2):
        low, high = to_bytes(low), to_bytes(high)
        for small, crop in zip(low, high, strict=True):
            np.testing.assert_array_equal(small, shrunk(crop, 12))
            ways = [np.rot90(c, k) for c in (crop, crop[:, ::-1]) for k in range(4)]
            (place,) = [
                (i, way, corner)
                for i, picture in enumerate(pictures)
                for way, turned in enumerate(ways)
                for corner in places(turned, picture)
            ]
            found.append(place)
    assert (
        sorted(i for i, _, _ in found[:8]) == sorted(i for i, _, _ in found[8:]) == list(range(8))
    )
    assert len({way for _, way, _ in found}) >= 5
    assert len({corner for _, _, corner in found}) >= 12
    assert len({(i, corner) for i, _, corner in found}) >= 14  # another place in the second pass


def test_batches_are_a_function_of_the_seed_alone(path):
    low_high = load(path)
    whole = take(low_high.batches(4, seed=3), 6)
    late = take(low_high.batches(4, seed=3, start_step=3), 3)
    halves = [take(low_high.batches(4, seed=3, share=(i, 2)), 6) for i in range(2)]
    for side in (0, 1):
        for step in range(3):
            np.testing.assert_array_equal(late[step][side], whole[3 + step][side])
        for step in range(6):
            joined = np.concatenate([half[step][side] for half in halves])
            np.testing.assert_array_equal(joined, whole[step][side])
    assert not np.array_equal(take(low_high.batches(4, seed=4), 1)[0][1], whole[0][1])


def test_tiles_are_read_whole_from_tfds(tmp_path, squares):
    store_tfds(
        tmp_path,
        "tiles",
        {"image": tfds.features.Image(shape=(64, 64, 3))},
        {
            "train": [{"image": i} for i in squares[:6]],
            "test": [{"image": i} for i in squares[6:8]],
        },
    )
    low_high = load("tiles", resolution=64, split="test", data_dir=tmp_path)
    low, high = read(low_high)
    np.testing.assert_array_equal(high, squares[6:8])
    np.testing.assert_array_equal(low[1], shrunk(squares[7], 16))
    assert (low_high.source, low_high.split, low_high.count) == ("tiles", "test", 2)
    # Off where nothing is trained on.
    _, batch = take(low_high.batches(2, seed=0), 1)[0]
    assert {i.tobytes() for i in to_bytes(batch)} == {i.tobytes() for i in squares[6:8]}


def test_pictures_of_many_sizes_in_tfds(tmp_path, mosaics):
    arrays = [np.asarray(mosaics[i])[: 100 - i, : 60 + i] for i in range(3)]
    features = {"photo": tfds.features.Image(shape=(None, None, 3))}
    store_tfds(tmp_path, "photos", features, {"train": [{"photo": a} for a in arrays]})
    low_high = load("photos", data_dir=tmp_path)
    for photo, array in zip(low_high.photos, arrays, strict=True):
        np.testing.assert_array_equal(photo, array)
    with pytest.raises(
        data.DataError,
        match=r"at least as large as a crop, 64x64\. 3 are smaller: image 0 \(60x100\)",
    ):
        load("photos", resolution=64, data_dir=tmp_path)


def test_a_sample(monkeypatch, squares):
    arrays = {"images": squares}
    monkeypatch.setattr(bundled, "read_arrays", lambda name, split: arrays, raising=False)
    monkeypatch.setitem(bundled.SAMPLES, "tiles", "CC0-1.0")
    low_high = load("sample:tiles", resolution=64, scale=2)
    np.testing.assert_array_equal(read(low_high)[1], squares)
    assert low_high.licence == "CC0-1.0"


def test_pictures_smaller_than_a_crop(path, mosaics):
    for i in range(12):
        mosaics[i].crop((0, 0, 47, 60 + i)).save(path / f"small{i:02d}.png")
    with pytest.raises(data.DataError) as error:
        load(path)
    assert str(error.value) == (
        "Pictures must be at least as large as a crop, 48x48. 12 are smaller: "
        + "".join(f"small{i:02d}.png (47x{60 + i}); " for i in range(10))
        + f"and 2 more. Received: '{path}'."
    )


def test_broken_and_turned_pictures(path, mosaics, caplog):
    whole = load(path)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    with Image.open(path / "2.png") as upright:
        turned = upright.transpose(Image.Transpose.ROTATE_90)
    turned.save(path / "2.png", exif=exif)
    (path / "5.png").write_bytes((path / "5.png").read_bytes()[:-300])
    with caplog.at_level(logging.WARNING):
        low_high = load(path)
    assert low_high.skipped == ("5.png",)
    assert "Skipped 1 of 8 images" in caplog.text
    good = [i for i in range(8) if i != 5]
    assert len(low_high.photos) == low_high.count == 7
    for row, i in enumerate(good):
        np.testing.assert_array_equal(low_high.photos[row], whole.photos[i])


def test_pictures_larger_than_memory_are_mapped(path, monkeypatch):
    in_memory = load(path)
    monkeypatch.setattr(pixels, "MAX_IN_MEMORY_BYTES", 1000)
    on_disk = load(path)
    assert isinstance(on_disk.photos[0], np.memmap)
    np.testing.assert_array_equal(
        take(on_disk.batches(4, seed=0), 1)[0][1], take(in_memory.batches(4, seed=0), 1)[0][1]
    )
    assert fingerprint(on_disk) == fingerprint(in_memory)


def test_the_fingerprint_knows_all_of_a_picture(path):
    before = fingerprint(load(path))
    with Image.open(path / "0.png") as picture:
        picture.load()
    picture.putpixel((0, 0), (1, 2, 3))  # no centre shows it
    picture.save(path / "0.png")
    assert fingerprint(load(path)) != before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"scale": 3},
            r"scale must be 2 or 4 and resolution a multiple of it\. Received: scale=3,",
        ),
        ({"resolution": 50}, r"Received: scale=4, resolution=50\."),
        ({"channels": 4}, r"Received: channels=4, resolution=48\."),
        ({"resolution": 0}, r"resolution at least 1"),
    ],
)
def test_sizes_out_of_range(path, arguments, message):
    with pytest.raises(data.DataError, match=message):
        load(path, **arguments)
