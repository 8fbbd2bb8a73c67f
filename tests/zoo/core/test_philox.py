"""Random numbers without TensorFlow, against TensorFlow's own."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.core import philox

SEEDS = np.array([0, 1, 7, 123456789012345, -1, -5, 2**63 - 1, -(2**63)], np.int64)


@pytest.mark.parametrize("count", [1, 4, 13, 100])
@pytest.mark.parametrize("stream", [0, 1])
def test_each_seed_draws_what_tensorflow_draws(count: int, stream: int) -> None:
    def each(draw, *arguments):
        return np.stack([draw([count], [seed, stream], *arguments) for seed in SEEDS])

    normal = each(tf.random.stateless_normal)
    np.testing.assert_allclose(philox.normal(SEEDS, stream, count), normal, atol=2e-6)
    uniform = each(tf.random.stateless_uniform, -1.0, 1.0)
    np.testing.assert_array_equal(philox.uniform(SEEDS, stream, count, -1.0, 1.0), uniform)


@pytest.mark.parametrize("limit", [1, 3, 10, 1000])
def test_classes(limit: int) -> None:
    expected = [
        tf.random.stateless_uniform([], [seed, 1], 0, limit, tf.int32).numpy() for seed in SEEDS
    ]
    np.testing.assert_array_equal(philox.integers(SEEDS, 1, limit), expected)
