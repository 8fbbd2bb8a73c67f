"""The augmentations, against crops that Pillow makes."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from trainers.data.jitter import flip_and_turn, jitter, uniform
from trainers.data.order import FIXED, is_training, row_seeds


def seeds(count: int, seed: int = 0) -> tf.Tensor:
    return row_seeds(seed, 3, tf.range(count, dtype=tf.int64))


def test_a_jittered_image_is_a_crop_of_the_enlarged_one(squares):
    (out,) = jitter(seeds(20), tf.constant(squares))
    seen = set()
    for image, jittered in zip(squares, out.numpy(), strict=True):
        large = np.asarray(Image.fromarray(image).resize((72, 72), Image.Resampling.BILINEAR))
        found = [
            (y, x, mirrored)
            for y in range(9)
            for x in range(9)
            for mirrored in (False, True)
            if np.abs(
                large[y : y + 64, x : x + 64][:, :: -1 if mirrored else 1].astype(int) - jittered
            ).max()
            <= 1  # Pillow rounds twice
        ]
        assert len(found) == 1
        seen |= set(found)
    rows, columns, mirrored = map(set, zip(*seen, strict=True))
    assert len(rows) > 5
    assert len(columns) > 5
    assert mirrored == {False, True}


def test_images_of_one_row_are_jittered_alike(squares):
    grey = squares[..., :1]
    out, out_of_grey = jitter(seeds(20), tf.constant(squares), tf.constant(grey))
    np.testing.assert_array_equal(out[..., :1], out_of_grey)


def test_turned_images_are_all_eight_ways_to_see_a_square(squares):
    image = squares[0]
    out = flip_and_turn(seeds(100), tf.constant(np.stack([image] * 100))).numpy()
    turned = [np.rot90(i, k) for i in (image, image[:, ::-1]) for k in range(4)]
    which = [[np.array_equal(o, t) for t in turned].index(True) for o in out]
    assert set(which) == set(range(8))
    assert np.bincount(which).min() >= 4


def test_draws_of_a_row_depend_on_its_seed_alone():
    whole = uniform(seeds(50), 5, 2).numpy()
    np.testing.assert_array_equal(uniform(seeds(50)[20:21], 5, 2), whole[20:21])
    assert np.abs(whole.mean(axis=0) - 0.5).max() < 0.15
    for other in (uniform(seeds(50), 6, 2), uniform(seeds(50, seed=1), 5, 2)):
        assert not np.intersect1d(whole, other).size


def test_seeds_of_rows():
    index = tf.constant([4, 9], tf.int64)
    keys = {(s, p): row_seeds(s, p, index).numpy() for s in (0, 1, -5) for p in (FIXED, 0, 1)}
    assert len({tuple(rows[:, 0]) for rows in keys.values()}) == 9
    assert all(rows[:, 1].tolist() == [4, 9] for rows in keys.values())


@pytest.mark.parametrize(
    ("split", "training"),
    [("train", True), ("train[:10]", True), ("train+test", True), ("all", True), ("test", False),
     ("test[:10]", False), ("validation", False)],
)  # fmt: skip
def test_splits_that_are_trained_on(split, training):
    assert is_training(split) == training
