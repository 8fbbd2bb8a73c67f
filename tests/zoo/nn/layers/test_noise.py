"""The noise layer: drawn in training, constant otherwise."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.nn.layers import Noise, random_draws, without_noise

SEED = tf.constant([3, 4], tf.int64)


@pytest.fixture
def layer() -> Noise:
    layer = Noise(gain=2.0)
    layer.build((None, 32, 32, 3))
    layer.strength.assign(0.5)
    return layer


def test_constant_noise_is_the_same_of_every_image_and_feature(layer: Noise) -> None:
    x = tf.random.stateless_normal([4, 32, 32, 3], [1, 2])
    added = (layer(x) - x).numpy()
    np.testing.assert_allclose(added, np.broadcast_to(added[:1, :, :, :1], added.shape), atol=1e-6)
    assert abs(added[0, :, :, 0].std() - 1.0) < 0.1  # gain 2, strength .5
    np.testing.assert_array_equal(layer(x), layer(x))
    with without_noise():
        np.testing.assert_array_equal(layer(x), x)
    assert not np.allclose(layer(x), x)
    again, other = Noise(gain=2.0), Noise(gain=2.0, seed=1)
    for noise in (again, other):
        noise.build((None, 32, 32, 3))
        noise.strength.assign(0.5)
    np.testing.assert_array_equal(again(x), layer(x))  # in every process
    assert (
        abs(
            np.corrcoef((other(x) - x)[0, :, :, 0].numpy().ravel(), added[0, :, :, 0].ravel())[0, 1]
        )
        < 0.1
    )


def test_training_noise_is_drawn_for_every_image_from_the_step(layer: Noise) -> None:
    x = tf.zeros([4, 32, 32, 3])
    with random_draws(SEED):
        first, second = layer(x, training=True), layer(x, training=True)
    with random_draws(SEED):
        again = layer(x, training=True)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, second)
    n = first.numpy()
    assert abs(n.mean()) < 0.1
    assert abs(n.std() - 1.0) < 0.05
    assert abs(np.corrcoef(n[0, :, :, 0].ravel(), n[1, :, :, 0].ravel())[0, 1]) < 0.1
    np.testing.assert_array_equal(n[..., 0], n[..., 2])


def test_strengths_are_learnt_one_for_all_or_one_a_feature(layer: Noise) -> None:
    assert [tuple(v.shape) for v in layer.trainable_variables] == [()]
    each = Noise(per_feature=True)
    x = tf.ones([2, 4, 4, 3])
    np.testing.assert_array_equal(each(x), x)  # they begin at 0
    each.strength.assign([0.0, 1.0, -2.0])
    added = (each(x) - x).numpy()
    np.testing.assert_allclose(added[..., 0], 0.0)
    np.testing.assert_allclose(added[..., 2], -2.0 * added[..., 1], atol=1e-6)
    np.testing.assert_allclose(added[0, :, :, 1:2], each.constant, atol=1e-6)
