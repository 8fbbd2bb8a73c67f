"""Minibatch standard deviation against loops in numpy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.core.presets import get_preset
from zoo.nn.layers import MinibatchStd


def by_hand(x: np.ndarray, group: int, features: int) -> np.ndarray:
    """[N, H, W, C] -> [N, features], group after group."""
    result = np.zeros((len(x), features))
    size = x.shape[-1] // features
    for start in range(0, len(x), group):
        for f in range(features):
            part = x[start : start + group, :, :, f * size : (f + 1) * size].astype(np.float64)
            deviations = np.sqrt(np.mean((part - part.mean(0)) ** 2, axis=0) + 1e-8)
            result[start : start + group, f] = deviations.mean()
    return result


@pytest.mark.parametrize(
    ("count", "group", "features"), [(8, 4, 1), (12, 4, 2), (3, 4, 1), (6, 2, 3), (2, 1, 1)]
)
def test_training_is_the_definition(count: int, group: int, features: int) -> None:
    x = np.random.default_rng(0).normal(1.0, 2.0, (count, 3, 5, 6)).astype(np.float32)
    layer = MinibatchStd(group, features)
    y = layer(x, training=True).numpy()
    np.testing.assert_array_equal(y[..., :6], x)
    expected = by_hand(x, min(group, count), features)
    np.testing.assert_allclose(
        y[..., 6:], np.broadcast_to(expected[:, None, None], y[..., 6:].shape), rtol=1e-4
    )
    np.testing.assert_allclose(layer.running_mean, 0.01 * expected.mean(axis=0), rtol=1e-4)


def test_a_batch_of_unknown_size_is_grouped_too() -> None:
    x = np.random.default_rng(0).normal(size=(8, 2, 2, 3)).astype(np.float32)
    layer = MinibatchStd(4)
    layer.build(x.shape)
    call = tf.function(
        lambda x: layer(x, training=True), input_signature=[tf.TensorSpec([None, 2, 2, 3])]
    )
    np.testing.assert_allclose(call(x)[:, 0, 0, 3:], by_hand(x, 4, 1), rtol=1e-5)
    np.testing.assert_allclose(call(x[:3])[:, 0, 0, 3:], by_hand(x[:3], 3, 1), rtol=1e-5)


def test_inference_does_not_look_at_the_batch() -> None:
    rng = np.random.default_rng(0)
    layer = MinibatchStd(4, momentum=0.5)
    for _ in range(20):
        layer(rng.normal(0.0, 2.0, (8, 4, 4, 6)).astype(np.float32), training=True)
    x = rng.normal(size=(4, 4, 4, 6)).astype(np.float32)
    np.testing.assert_array_equal(layer(x)[:1], layer(x[:1]))
    # About what a group of four samples has of a deviation of 2.
    assert 1.4 < layer(x).numpy()[0, 0, 0, 6] < 1.8


def test_a_batch_that_cannot_be_grouped_is_one_line() -> None:
    layer = MinibatchStd(4)
    with pytest.raises(ValueError, match="multiple of its group of 4, or smaller.*batch of 6"):
        layer(np.zeros((6, 2, 2, 3), np.float32), training=True)
    # The last batch of a data set, whose size is not known where the graph is traced.
    traced = tf.function(layer).get_concrete_function(tf.TensorSpec([None, 2, 2, 3]), training=True)
    assert traced(tf.zeros([3, 2, 2, 3])).shape == (3, 2, 2, 4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="multiple of its group of 4, or sm"):
        traced(tf.zeros([6, 2, 2, 3]))
    with pytest.raises(ValueError, match="divide into features=2 parts. Received: 3"):
        MinibatchStd(4, 2)(np.zeros((4, 2, 2, 3), np.float32))
    with pytest.raises(ValueError, match="at least 1. Received: 0, 1"):
        MinibatchStd(0)


def test_the_papers_batches_are_groups() -> None:
    """16, 14, 6 and 3 images a device up to 128, 256, 512 and 1024 px (Karras et al. 2018)."""
    group = get_preset("progan_celebahq_1024").config["group"]
    for count in (16, 14, 6, 3):
        made = MinibatchStd(group)(np.ones((count, 4, 4, 2), np.float32), training=True)
        assert made.shape == (count, 4, 4, 3)


def test_config_makes_the_same_layer() -> None:
    layer = MinibatchStd(2, 3, 0.5)
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert again.get_config() == layer.get_config()
