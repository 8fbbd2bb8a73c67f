"""The history pool against one that takes images one by one."""

import numpy as np
import pytest
import tensorflow as tf

from trainers.strategy import make_strategy
from zoo.cyclegan.pool import HistoryPool


def numbered(numbers: np.ndarray) -> tf.Tensor:
    """Images of one pixel."""
    return tf.constant(np.asarray(numbers, np.float32)[:, None, None, None])


def compiled(pool: HistoryPool, batch: int) -> tf.types.experimental.PolymorphicFunction:
    spec = [tf.TensorSpec([batch, 1, 1, 1]), tf.TensorSpec([2], tf.int64)]
    return tf.function(pool, input_signature=spec, autograph=False)


def seed(i: int) -> tf.Tensor:
    return tf.constant([i, 5], tf.int64)


@pytest.mark.parametrize(("size", "batch"), [(5, 1), (5, 3), (3, 8), (1, 2)])
def test_a_batch_is_its_images_one_by_one(size: int, batch: int) -> None:
    pool = HistoryPool(size, (1, 1, 1))
    ask = compiled(pool, batch)
    held: list[float] = []
    for step in range(12):
        images = 1 + step * batch + np.arange(batch)
        slots, filling, swaps = (x.numpy() for x in pool._draw(tf.constant(batch), seed(step)))
        expected = []
        for i, image in enumerate(images):
            if filling[i]:
                assert slots[i] == len(held) < size
                held.append(image)
                expected.append(image)
            else:
                expected.append(held[slots[i]] if swaps[i] else image)
                if swaps[i]:
                    held[slots[i]] = image
        handed_out = ask(numbered(images), seed(step)).numpy().ravel()
        np.testing.assert_array_equal(handed_out, expected)
        np.testing.assert_array_equal(pool.images.numpy().ravel()[: len(held)], held)
    assert len(held) == size
    assert int(pool.shown.numpy()) == 12 * batch


def test_half_of_what_it_hands_out_is_old() -> None:
    pool = HistoryPool(50, (1, 1, 1))
    first = np.arange(50)
    np.testing.assert_array_equal(pool(numbered(first), seed(0)).numpy().ravel(), first)
    ask = compiled(pool, 1)
    old = 0
    for step in range(1, 201):
        image = numbered([1000 + step])
        held = pool.images.numpy()
        handed_out = ask(image, seed(step)).numpy()
        if handed_out == image.numpy():
            np.testing.assert_array_equal(pool.images.numpy(), held)
            continue
        old += 1
        assert handed_out in held
        assert image.numpy() in pool.images.numpy()
        assert handed_out not in pool.images.numpy()
    assert 70 <= old <= 130  # 100, and more than four standard deviations about it


def test_replicas_keep_their_images_apart() -> None:
    strategy = make_strategy("mirrored")
    with strategy.scope():
        pool = HistoryPool(5, (1, 1, 1))

    @tf.function
    def step(i: tf.Tensor) -> tuple[tf.Tensor, ...]:
        def on_replica() -> tf.Tensor:
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            sign = 1.0 - 2.0 * tf.cast(replica, tf.float32)
            numbers = tf.cast(2 * i, tf.float32) + tf.constant([1.0, 2.0])
            images = sign * tf.reshape(numbers, [2, 1, 1, 1])
            return pool(images, tf.stack([i, tf.cast(replica, tf.int64)]))

        return strategy.experimental_local_results(strategy.run(on_replica))

    old = 0
    for i in range(20):
        given = 2 * i + np.array([1.0, 2.0])
        positive, negative = (x.numpy().ravel() for x in step(tf.constant(i, tf.int64)))
        assert (positive > 0).all()
        assert (negative < 0).all()
        old += (positive != given).sum() + (negative != -given).sum()
        copies = [copy.numpy().ravel() for copy in pool.images.value.values]
        np.testing.assert_array_equal(*copies)  # both devices have all of it
        if i >= 1:
            np.testing.assert_array_equal(copies[0] > 0, [True, False, True, False, True])
    assert 20 < old < 60
    assert int(pool.shown.numpy()) == 80


def test_gradients_do_not_flow_through() -> None:
    pool = HistoryPool(2, (1, 1, 1))
    images = numbered([1, 2, 3])
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(pool(images, seed(0)))
    assert tape.gradient(total, images) is None


def test_every_replica_needs_a_slot() -> None:
    with (
        make_strategy("mirrored").scope(),
        pytest.raises(ValueError, match="an image for each of 2 replica.* Received: 1"),
    ):
        HistoryPool(1, (1, 1, 1))
