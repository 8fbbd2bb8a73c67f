"""`batches`: a function of its seed, resumable at any step, every image once a pass."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from trainers import data
from trainers.data.sets import in_order, make_reader

BATCH = 32


def small_set(count: int, **changes) -> data.ImageSet:
    """A labelled set whose image i has the value i everywhere."""
    images = np.broadcast_to(
        np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 2, 2, 1)
    )
    reader = make_reader(images, np.arange(count) % 10)
    image_set = data.ImageSet(
        spec="small",
        source="small",
        split="train",
        images=in_order(reader, count),
        count=count,
        num_classes=10,
        licence=None,
        reader=reader,
    )
    return dataclasses.replace(image_set, **changes)


def take(dataset: tf.data.Dataset, count: int) -> list:
    return list(dataset.take(count).as_numpy_iterator())


def rows(batch: np.ndarray) -> list[int]:
    """The rows of a `small_set` that a batch shows."""
    return np.rint((batch[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist()


def test_batches_are_float32_in_range(sample):
    dataset = data.batches(sample, BATCH, seed=0)
    assert dataset.element_spec == tf.TensorSpec([BATCH, 28, 28, 1], tf.float32)
    images = np.stack(take(dataset, 20))
    assert images.min() == -1.0
    assert images.max() == 1.0
    assert -0.6 < images.mean() < -0.2  # clothes on black


def test_a_batch_shows_images_of_the_set_with_their_labels(sample):
    known = {image.tobytes(): label for image, label in sample.images.as_numpy_iterator()}
    images, labels = take(data.batches(sample, BATCH, seed=1, labels=True), 1)[0]
    pixels = np.rint((images + 1) * 127.5).astype(np.uint8)
    assert [known[image.tobytes()] for image in pixels] == labels.tolist()


def test_batches_are_a_function_of_the_seed(sample):
    first, again, other = (take(data.batches(sample, BATCH, seed=s), 5) for s in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("start_step", [1, 5, 6, 7, 13, 6 * 1000 + 2])
def test_a_late_start_equals_skipping(start_step):
    image_set = small_set(200)  # 6 steps a pass
    late = take(data.batches(image_set, BATCH, seed=3, start_step=start_step, labels=True), 8)
    whole = data.batches(image_set, BATCH, seed=3, labels=True).skip(start_step)
    for (images, labels), (expected_images, expected_labels) in zip(
        late, take(whole, 8), strict=True
    ):
        np.testing.assert_array_equal(images, expected_images)
        np.testing.assert_array_equal(labels, expected_labels)


def test_each_pass_shows_each_image_once_in_a_fresh_order():
    image_set = small_set(200)
    steps = take(data.batches(image_set, BATCH, seed=0), 18)
    passes = [rows(np.concatenate(steps[i : i + 6])) for i in (0, 6, 12)]
    for shown in passes:
        assert len(shown) == 192
        assert len(set(shown)) == 192  # none twice; the last 8 of the order are dropped
    assert passes[0] != passes[1] != passes[2]
    assert set(passes[0]) != set(passes[1])  # other images are dropped in each pass


@pytest.mark.parametrize(("count", "start_step"), [(2, 0), (4, 5)])
def test_shares_are_the_parts_of_the_same_batches_in_order(count, start_step):
    image_set = small_set(200)
    kwargs = dict(seed=3, start_step=start_step, labels=True)
    whole = take(data.batches(image_set, BATCH, **kwargs), 8)
    shares = [data.batches(image_set, BATCH, share=(i, count), **kwargs) for i in range(count)]
    assert shares[0].element_spec[0] == tf.TensorSpec([BATCH // count, 2, 2, 1], tf.float32)
    for (images, labels), *parts in zip(whole, *(take(s, 8) for s in shares), strict=True):
        np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), images)
        np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), labels)


def test_a_share_reads_no_other_rows():
    image_set = small_set(200)
    asked = set()

    def reader(index):
        tf.numpy_function(lambda i: asked.add(tuple(i.tolist())), [index], [])
        return image_set.reader(index)

    watched = dataclasses.replace(image_set, reader=reader)
    share = {"seed": 0, "share": (1, 2)}
    shown = {tuple(rows(batch)) for batch in take(data.batches(watched, BATCH, **share), 6)}
    # Reading ahead, several at a time, may have gone further.
    ahead = {tuple(rows(batch)) for batch in take(data.batches(image_set, BATCH, **share), 100)}
    assert shown <= asked <= ahead


def test_a_set_built_by_hand_needs_no_reader():
    image_set = small_set(50)
    by_hand = dataclasses.replace(image_set, reader=None)
    np.testing.assert_array_equal(
        take(data.batches(by_hand, 16, seed=2), 4), take(data.batches(image_set, 16, seed=2), 4)
    )


def test_a_memory_mapped_set_gives_the_same_batches(tmp_path, pictures):
    mapped = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=(100, 28, 28, 1))
    mapped[:] = pictures[:100]
    labels = np.zeros(100, np.int64)
    sets = [
        small_set(100, reader=make_reader(images, labels))
        for images in (mapped, np.asarray(mapped))
    ]
    on_disk, in_memory = (data.batches(s, 16, seed=5) for s in sets)
    assert on_disk.element_spec == in_memory.element_spec
    np.testing.assert_array_equal(take(on_disk, 10), take(in_memory, 10))


def test_batches_have_no_end(sample):
    assert data.batches(sample, BATCH, seed=0).cardinality() == tf.data.INFINITE_CARDINALITY


def test_fewer_images_than_a_batch():
    with pytest.raises(data.DataError, match=r"holds 20 images.* Received: batch_size=32\."):
        data.batches(small_set(20), 32, seed=0)


@pytest.mark.parametrize(("batch_size", "start_step"), [(0, 0), (-1, 0), (4, -1)])
def test_sizes_out_of_range(batch_size, start_step):
    with pytest.raises(data.DataError, match=f"Received: batch_size={batch_size}"):
        data.batches(small_set(20), batch_size, seed=0, start_step=start_step)


@pytest.mark.parametrize(("share", "batch_size"), [((2, 2), 4), ((-1, 2), 4), ((0, 3), 4)])
def test_shares_out_of_range(share, batch_size):
    index, count = share
    with pytest.raises(
        data.DataError,
        match=rf"Received: share=\({index}, {count}\), batch_size={batch_size}\.",
    ):
        data.batches(small_set(20), batch_size, seed=0, share=share)


def test_labels_of_a_set_without_labels():
    with pytest.raises(data.DataError, match=r"'small' has no labels.* Received: labels=True\."):
        data.batches(small_set(20, num_classes=None), 4, seed=0, labels=True)
