"""Pairs: from samples, TFDS sets, folders and tasks, and their batches."""

import dataclasses
import logging

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from tests.trainers.data.conftest import store_tfds
from trainers import data
from trainers.data import bundled, image_folder, pairs, pixels
from trainers.data.fingerprint import fingerprint
from trainers.data.sets import make_reader

SIZES = dict(resolution=64, source_channels=3, target_channels=3)


def load(spec, **kwargs) -> data.PairSet:
    return data.load_pairs(str(spec), **{**SIZES, **kwargs})


def read(pair_set: data.PairSet) -> tuple[np.ndarray, np.ndarray]:
    return tuple(map(np.stack, zip(*pair_set.images.as_numpy_iterator(), strict=True)))


def take(dataset: tf.data.Dataset, count: int) -> list:
    return list(dataset.take(count).as_numpy_iterator())


def assert_same(one: list, other: list) -> None:
    for (source, target), (expected_source, expected_target) in zip(one, other, strict=True):
        np.testing.assert_array_equal(source, expected_source)
        np.testing.assert_array_equal(target, expected_target)


def save_sides(path, sources, targets, suffixes=(".png", ".png")) -> None:
    for side, images, suffix in zip(pairs.SIDES, (sources, targets), suffixes, strict=True):
        (path / side / "deep").mkdir(parents=True)
        for i, image in enumerate(images):
            Image.fromarray(image).save(path / side / "deep" / f"{i:03d}{suffix}")


def counted(count: int, split: str = "train") -> data.PairSet:
    """Pair i is i everywhere in the source, 255 - i in the target."""
    values = np.broadcast_to(
        np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 4, 4, 3)
    )
    return data.PairSet("small", "small", split, count, None, make_reader(values, 255 - values))


@pytest.fixture
def sample(monkeypatch, squares):
    """'sample:clothes' holds pairs of squares and their negatives."""
    arrays = {"source": squares, "target": 255 - squares}
    monkeypatch.setattr(bundled, "read_arrays", lambda name, split: arrays, raising=False)
    monkeypatch.setitem(bundled.SAMPLES, "clothes", "MIT")
    return "sample:clothes"


def test_a_sample(sample, squares):
    pair_set = load(sample, source_channels=1)
    source, target = read(pair_set)
    grey = np.asarray(Image.fromarray(squares[2]).convert("L"))[..., None]
    np.testing.assert_array_equal(source[2], grey)
    np.testing.assert_array_equal(target, 255 - squares)
    assert (pair_set.spec, pair_set.source, pair_set.split) == (sample, "clothes", "train")
    assert (pair_set.count, pair_set.licence, pair_set.skipped) == (20, "MIT", ())
    assert pair_set.num_classes is None


def test_reverse_swaps_source_and_target(sample, squares):
    pair_set = load(sample, reverse=True, target_channels=1)
    source, target = read(pair_set)
    np.testing.assert_array_equal(source, 255 - squares)
    assert target.shape == (20, 64, 64, 1)


def test_a_sample_of_another_kind(monkeypatch, squares):
    arrays = {"images": squares, "labels": np.zeros(20)}
    monkeypatch.setattr(bundled, "read_arrays", lambda name, split: arrays, raising=False)
    with pytest.raises(
        data.DataError,
        match=r"holds source and target\. Received: 'sample:x', which holds images and labels\.",
    ):
        load("sample:x")


def test_a_tfds_set(tmp_path, squares):
    features = {side: tfds.features.Image(shape=(64, 64, 3)) for side in pairs.SIDES}
    examples = [{"source": image, "target": 255 - image} for image in squares]
    store_tfds(tmp_path, "my_pairs", features, {"train": examples[:15], "test": examples[15:]})
    pair_set = load("my_pairs", data_dir=tmp_path, split="test")
    source, target = read(pair_set)
    np.testing.assert_array_equal(source, squares[15:])
    np.testing.assert_array_equal(target, 255 - squares[15:])
    assert (pair_set.source, pair_set.split, pair_set.count) == ("my_pairs", "test", 5)


def test_a_tfds_set_of_images_side_by_side(tmp_path, squares):
    wide = [{"image": np.concatenate([image, 255 - image], axis=1)} for image in squares[:3]]
    features = {"image": tfds.features.Image(shape=(None, None, 3))}
    store_tfds(tmp_path, "wide", features, {"train": wide, "test": [{"image": squares[0]}] * 12})
    source, target = read(load("wide", data_dir=tmp_path))
    np.testing.assert_array_equal(source, squares[:3])
    np.testing.assert_array_equal(target, 255 - squares[:3])
    with pytest.raises(
        data.DataError,
        match=r"give a --task, .*\. 12 do not fit: image 0 \(64x64\); .*; image 9 "
        r"\(64x64\); and 2 more\. Received: 'wide'\.",
    ):
        load("wide", data_dir=tmp_path, split="test")


def test_a_folder_of_two_sides(tmp_path, squares):
    save_sides(tmp_path, squares, 255 - squares, (".png", ".bmp"))
    pair_set = load(tmp_path)
    source, target = read(pair_set)
    np.testing.assert_array_equal(source, squares)
    np.testing.assert_array_equal(target, 255 - squares)
    assert (pair_set.source, pair_set.split) == (str(tmp_path.resolve()), "all")


def test_a_part_of_a_folder_is_of_its_pairs(tmp_path, squares):
    save_sides(tmp_path / "sides", squares, 255 - squares)
    (tmp_path / "wide").mkdir()
    for i, image in enumerate(squares):
        wide = np.concatenate([image, 255 - image], axis=1)
        Image.fromarray(wide).save(tmp_path / "wide" / f"{i:03d}.png")
    for name in ("sides", "wide"):
        pair_set = load(tmp_path / name, split="train[-12:-9]")
        source, target = read(pair_set)
        np.testing.assert_array_equal(source, squares[8:11])
        np.testing.assert_array_equal(target, 255 - squares[8:11])
        assert (pair_set.split, pair_set.count) == ("all[-12:-9]", 3)
        with pytest.raises(data.DataError, match=r"within their number\. .* of 20 images\."):
            load(tmp_path / name, split="train[:21]")


def test_a_folder_of_images_side_by_side(tmp_path, squares):
    for i, image in enumerate(squares):
        wide = np.concatenate([image, 255 - image], axis=1)
        Image.fromarray(wide).save(tmp_path / f"{i:03d}.png")
    source, target = read(load(tmp_path))
    np.testing.assert_array_equal(source, squares)
    np.testing.assert_array_equal(target, 255 - squares)
    # Other sizes: the halves are cut first, then each is made a square.
    source, target = read(load(tmp_path, resolution=32))
    np.testing.assert_array_equal(source[1], pixels.from_array(squares[1], 32, 3))
    Image.fromarray(squares[0]).save(tmp_path / "square.png")
    Image.fromarray(squares[0][:32, :63]).save(tmp_path / "odd.png")
    with pytest.raises(
        data.DataError,
        match=r"even width, 1\.5 to 3 times its height; the left half is the source\. .*\. 2 "
        r"do not fit: odd\.png \(63x32\); square\.png \(64x64\)\. Received",
    ):
        load(tmp_path)


def test_images_without_a_partner(tmp_path, squares):
    save_sides(tmp_path, squares[:14], squares[:2])
    Image.fromarray(squares[0]).save(tmp_path / "target" / "only.png")
    Image.fromarray(squares[0]).save(tmp_path / "source" / "deep" / "001.bmp")
    with pytest.raises(data.DataError) as error:
        load(tmp_path)
    assert str(error.value) == (
        "Every image of source/ must have one partner in target/ of its name. 14 do not fit: "
        "source/deep/001 (twice: 001.bmp, 001.png); "
        + "".join(f"source/deep/{i:03d} (not in target/); " for i in range(2, 11))
        + f"and 4 more. Received: '{tmp_path}'."
    )


def test_a_side_that_is_missing(tmp_path, squares):
    save_sides(tmp_path, squares[:2], [])
    with pytest.raises(data.DataError, match=r"2 do not fit: source/\S+ \(not in target/\)"):
        load(tmp_path)
    with pytest.raises(data.DataError, match=r"does not exist"):
        load(tmp_path / "nothing")


def test_partners_in_two_unicode_forms_and_names_that_are_not_utf_8(tmp_path, squares):
    for side, names, images in (
        ("source", ("e\u0301t\u00e9", "na\udcefve"), squares),
        ("target", ("\u00e9te\u0301", "na\udcefve"), 255 - squares),
    ):
        (tmp_path / side).mkdir()
        for name, image in zip(names, images, strict=False):
            Image.fromarray(image).save(tmp_path / side / f"{name}.png")
    pairs_read = load(tmp_path)
    assert pairs_read.count == 2
    for source, target in pairs_read.images.as_numpy_iterator():
        np.testing.assert_array_equal(source, 255 - target)


def test_a_picture_beside_the_sides_is_refused(tmp_path, squares):
    save_sides(tmp_path, squares[:2], squares[:2])
    Image.fromarray(squares[0]).save(tmp_path / "cover.png")
    with pytest.raises(data.DataError, match=r"1 do not fit: cover\.png \(in neither\)"):
        load(tmp_path)


def test_partners_of_another_size(tmp_path, squares):
    save_sides(tmp_path, squares[:3], [squares[0], squares[1][:60], squares[2]])
    with pytest.raises(
        data.DataError,
        match=r"must be of one size\. 1 do not fit: source/deep/001\.png and "
        r"target/deep/001\.png \(64x64 and 64x60\)\. Received",
    ):
        load(tmp_path)


def test_a_pair_of_which_one_is_broken_is_skipped(tmp_path, squares, caplog):
    save_sides(tmp_path, squares, 255 - squares, (".png", ".jpg"))
    broken = tmp_path / "target" / "deep" / "004.jpg"
    broken.write_bytes(broken.read_bytes()[:-400])
    (tmp_path / "source" / "deep" / "011.png").write_text("no image at all")
    with caplog.at_level(logging.WARNING):
        pair_set = load(tmp_path)
    assert pair_set.skipped == (
        "source/deep/004.png and target/deep/004.jpg",
        "source/deep/011.png and target/deep/011.jpg",
    )
    good = [i for i in range(20) if i not in (4, 11)]
    source, target = read(pair_set)
    np.testing.assert_array_equal(source, squares[good])
    assert np.abs(target - (255.0 - squares[good])).mean() < 30  # JPEG
    assert "Skipped 2 of 20 images" in caplog.text


def test_batches_show_each_pair_once_a_pass():
    pair_set = counted(50)
    dataset = pair_set.batches(16, seed=0, augment=False)
    spec = tf.TensorSpec([16, 4, 4, 3], tf.float32)
    assert dataset.element_spec == (spec, spec)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    steps = take(dataset, 6)
    for source, target in steps:
        np.testing.assert_allclose(source, -target, atol=1e-6)
    shown = [np.rint((s[:, 0, 0, 0] + 1) * 127.5).tolist() for s, _ in steps]
    first, second = np.concatenate(shown[:3]), np.concatenate(shown[3:])
    assert len(set(first)) == len(set(second)) == 48
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("task", [None, pytest.param("denoise", marks=pytest.mark.slow)])
def test_batches_are_a_function_of_the_seed_alone(sample, tmp_path, mosaics, task):
    if task:
        for i, mosaic in enumerate(mosaics):
            mosaic.save(tmp_path / f"{i:02d}.png")
    pair_set = load(tmp_path if task else sample, task=task)
    whole = take(pair_set.batches(8, seed=3), 6)  # 2 steps a pass
    assert_same(take(pair_set.batches(8, seed=3, start_step=3), 3), whole[3:])
    halves = [take(pair_set.batches(8, seed=3, share=(i, 2)), 6) for i in range(2)]
    joined = [tuple(map(np.concatenate, zip(*h, strict=True))) for h in zip(*halves, strict=True)]
    assert_same(joined, whole)
    other = take(pair_set.batches(8, seed=4), 1)
    assert not np.array_equal(other[0][1], whole[0][1])


def test_both_images_are_jittered_alike(sample):
    pair_set = load(sample)  # negatives of each other
    jittered, plain = (take(pair_set.batches(8, seed=0, augment=a), 4) for a in (None, False))
    for (source, target), (whole, _) in zip(jittered, plain, strict=True):
        # One level: both are rounded, and halves go to even numbers.
        np.testing.assert_allclose(source, -target, atol=1.01 / 127.5)
        assert not np.array_equal(source, whole)
    assert_same(
        take(dataclasses.replace(pair_set, split="test").batches(8, seed=0), 4), plain
    )  # off where nothing is trained on


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("inpaint", marks=pytest.mark.slow),
        "denoise",
        pytest.param("derain", marks=pytest.mark.slow),
        pytest.param("deblur", marks=pytest.mark.slow),
    ],
)
def test_a_task_draws_anew_in_every_pass_of_training(tmp_path, mosaics, name):
    channels = 4 if name == "inpaint" else 3
    for i in range(2):
        mosaics[i].save(tmp_path / f"{i}.png")
    pair_set = load(tmp_path, task=name, source_channels=channels)
    assert (pair_set.split, pair_set.count, pair_set.degrade is not None) == ("all", 2, True)
    source, target = read(pair_set)
    assert source.shape == (2, 64, 64, channels)
    np.testing.assert_array_equal(target[0], pixels.to_square(mosaics[0], 64, 3))

    def by_image(dataset) -> list[list[np.ndarray]]:
        """Sources in four passes, of either image."""
        found: list[list[np.ndarray]] = [[], []]
        for sources, targets in take(dataset, 4):
            pixels_ = np.rint((targets + 1) * 127.5)
            for image, shown in zip(sources, pixels_, strict=True):
                found[int(np.array_equal(shown, target[1]))].append(image)
        return found

    for sources in by_image(pair_set.batches(2, seed=0, augment=False)):
        assert len({image.tobytes() for image in sources}) == 4
    fixed = dataclasses.replace(pair_set, split="test")
    for i, sources in enumerate(by_image(fixed.batches(2, seed=0))):
        np.testing.assert_allclose(sources, np.stack([source[i] / 127.5 - 1] * 4), atol=1e-6)
    again = read(load(tmp_path, task=name, source_channels=channels))[0]
    np.testing.assert_array_equal(again, source)
    other = read(load(tmp_path, task=name, source_channels=channels, seed=1))[0]
    assert not np.array_equal(other, source)


def test_the_source_of_a_task_is_made_from_the_jittered_target(tmp_path, mosaics):
    mosaics[0].save(tmp_path / "0.png")
    pair_set = load(tmp_path, task="colorize", source_channels=1)
    ((source, target),) = take(pair_set.batches(1, seed=0), 1)
    target = np.rint((target[0] + 1) * 127.5).astype(np.uint8)
    assert not np.array_equal(target, read(pair_set)[1][0])
    grey = np.asarray(Image.fromarray(target).convert("L"))
    np.testing.assert_array_equal(np.rint((source[0, ..., 0] + 1) * 127.5), grey)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["denoise", "deblur", "super_resolve"])
def test_targets_of_what_gives_detail_back_are_mirrored_alone(tmp_path, mosaics, name):
    mosaics[0].save(tmp_path / "0.png")
    pair_set = load(tmp_path, task=name)
    whole = read(pair_set)[1][0] / 127.5 - 1
    targets = [target[0] for _, target in take(pair_set.batches(1, seed=0), 12)]
    mirrored = [bool(np.allclose(target, whole[:, ::-1], atol=1e-6)) for target in targets]
    assert all(
        m or np.allclose(t, whole, atol=1e-6) for m, t in zip(mirrored, targets, strict=True)
    )
    assert set(mirrored) == {False, True}


def test_inpaint_makes_transparent_what_is_missing(tmp_path, mosaics):
    mosaics[0].save(tmp_path / "0.png")
    pair_set = load(tmp_path, task="inpaint", source_channels=4)
    ((source, _),) = take(pair_set.batches(1, seed=0), 1)
    assert set(np.unique(source[..., 3])) == {-1.0, 1.0}
    assert np.abs(source[..., :3][source[..., 3] == -1]).max() < 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source_channels": 2}, r"must be 1 \(grey\) or 3.*Received: source_channels=2, target_"),
        ({"resolution": 0}, r"Received: source_channels=3, target_channels=3, resolution=0\."),
        ({"source_channels": 4}, r"Sources of 4 channels are made by a task: give --task=inpaint"),
        ({"task": "denoize"}, r"Unknown task\. Did you mean 'denoise'\?.*Received: 'denoize'\."),
        (
            {"task": "inpaint"},
            r"'inpaint' makes sources of 4 channels from targets of 3\. Received: source_ch",
        ),
        ({"task": "colorize", "source_channels": 4}, r"sources of 1 or 3 channels"),
        ({"task": "denoise", "target_channels": 1}, r"Received: .*target_channels=1\."),
        ({"task": "denoise", "reverse": True}, r"one direction.*task='denoise', reverse=True\."),
        ({"task": "super_resolve", "resolution": 30}, r"multiples of 4\. Received: 30x30\."),
    ],
)
def test_what_does_not_fit_together(tmp_path, mosaics, arguments, message):
    mosaics[0].save(tmp_path / "0.png")
    with pytest.raises(data.DataError, match=message) as error:
        load(tmp_path, **arguments)
    assert "\n" not in str(error.value)


def test_fewer_pairs_than_a_batch():
    with pytest.raises(data.DataError, match=r"'small' \(split 'train'\) holds 5 images"):
        counted(5).batches(8, seed=0)


def test_pairs_larger_than_memory_are_mapped(tmp_path, squares, monkeypatch):
    save_sides(tmp_path, squares[:6], 255 - squares[:6])
    (tmp_path / "source" / "deep" / "002.png").write_bytes(b"")
    in_memory = load(tmp_path)
    monkeypatch.setattr(pixels, "MAX_IN_MEMORY_BYTES", 1000)
    on_disk = load(tmp_path)
    assert_same(take(on_disk.batches(4, seed=0), 2), take(in_memory.batches(4, seed=0), 2))
    assert (
        fingerprint(on_disk) == fingerprint(in_memory) != fingerprint(load(tmp_path, reverse=True))
    )


def test_names_in_messages_end():
    assert (
        image_folder.named([str(i) for i in range(12)], 10)
        == "0; 1; 2; 3; 4; 5; 6; 7; 8; 9; and 2 more"
    )
    assert image_folder.named(["a", "b"]) == "a; b"
