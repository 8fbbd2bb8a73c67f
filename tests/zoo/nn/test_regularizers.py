"""Penalties on gradients against finite differences of the network, in float64."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from zoo.nn import regularizers

SEED = tf.constant([3, 4], tf.int64)
rng = np.random.default_rng(0)
A, B = rng.normal(size=(12, 6)), rng.normal(size=(6, 1))


def network(images: tf.Tensor) -> tf.Tensor:
    """Smooth, not linear: [N, 2, 2, 3] -> [N, 1]."""
    return tf.tanh(tf.reshape(images, [-1, 12]) @ A) @ B


def in_numpy(images: np.ndarray) -> np.ndarray:
    return (np.tanh(images.reshape(-1, 12) @ A) @ B)[:, 0]


def differences(function: Callable, x: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """Central differences of a function [N, ...] -> [N] whose rows are independent."""
    gradient = np.zeros_like(x)
    for place in np.ndindex(*x.shape[1:]):
        step = np.zeros_like(x)
        step[(slice(None), *place)] = h
        gradient[(slice(None), *place)] = (function(x + step) - function(x - step)) / (2 * h)
    return gradient


def images(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (5, 2, 2, 3))


def test_r1_is_the_mean_square_of_the_gradient() -> None:
    x = images(1)
    penalty, logits = regularizers.r1_penalty(network, tf.constant(x))
    expected = np.mean(np.sum(differences(in_numpy, x) ** 2, axis=(1, 2, 3)))
    print(f"R1 {float(penalty):.8f}, by differences {expected:.8f}")
    np.testing.assert_allclose(penalty, expected, rtol=1e-7)
    np.testing.assert_allclose(logits[:, 0], in_numpy(x))


def test_gradient_penalty_is_taken_between_the_images() -> None:
    reals, fakes = images(1), images(2)
    penalty = regularizers.gradient_penalty(network, tf.constant(reals), tf.constant(fakes), SEED)
    e = tf.random.stateless_uniform([5, 1, 1, 1], SEED, dtype=tf.float64, alg="philox").numpy()
    assert len(np.unique(e)) == 5
    gradient = differences(in_numpy, e * reals + (1 - e) * fakes)
    expected = np.mean((np.sqrt(np.sum(gradient**2, axis=(1, 2, 3))) - 1) ** 2)
    print(f"gradient penalty {float(penalty):.8f}, by differences {expected:.8f}")
    np.testing.assert_allclose(penalty, expected, rtol=1e-6)


@pytest.mark.parametrize("layers", [None, 3])
def test_path_length_is_the_norm_of_the_jacobians_row(layers: int | None) -> None:
    w = np.random.default_rng(5).normal(size=(4, 3) if layers is None else (4, layers, 3))
    size = w[0].size
    c = np.random.default_rng(6).normal(size=(size, 2 * 5 * 1))

    def synthesize(w: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.sin(tf.reshape(w, [-1, size]) @ c), [-1, 2, 5, 1])

    penalty, mean = regularizers.path_length_penalty(
        synthesize, tf.constant(w), tf.constant(0.5, tf.float64), SEED
    )
    y = tf.random.stateless_normal([4, 2, 5, 1], SEED, dtype=tf.float64, alg="philox").numpy()
    y = y.reshape(4, 10) / np.sqrt(2 * 5)
    projection = differences(lambda w: np.sum(np.sin(w.reshape(4, -1) @ c) * y, axis=1), w)
    squares = np.sum(projection.reshape(4, layers or 1, 3) ** 2, axis=2)
    lengths = np.sqrt(np.mean(squares, axis=1))
    expected_mean = 0.5 + 0.01 * (lengths.mean() - 0.5)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-7)
    expected = np.mean((lengths - expected_mean) ** 2)
    print(f"path length {float(penalty):.8f}, by differences {expected:.8f}")
    np.testing.assert_allclose(penalty, expected, rtol=1e-7)


def test_penalties_teach_the_network() -> None:
    """The gradient of R1 with respect to a weight, against differences of R1 itself."""
    x = tf.constant(images(1))
    scale = tf.Variable(0.7, dtype=tf.float64)

    def penalty() -> tf.Tensor:
        return regularizers.r1_penalty(lambda x: network(scale * x), x)[0]

    with tf.GradientTape() as tape:
        value = penalty()
    gradient = tape.gradient(value, scale)
    h = 1e-5
    scale.assign(0.7 + h)
    above = penalty()
    scale.assign(0.7 - h)
    np.testing.assert_allclose(gradient, (above - penalty()) / (2 * h), rtol=1e-6)


def test_a_flat_critic_has_a_penalty_and_no_nan() -> None:
    flat = tf.Variable(0.0)
    x = tf.constant(images(1), tf.float32)
    with tf.GradientTape() as tape:
        penalty = regularizers.gradient_penalty(
            lambda x: flat * tf.reduce_sum(x, [1, 2, 3])[:, None], x, x, SEED
        )
    np.testing.assert_allclose(penalty, 1.0, atol=1e-5)
    assert np.isfinite(tape.gradient(penalty, flat))


@pytest.mark.parametrize("shape", [(3, 3, 4, 5), (2, 12)])
def test_orthogonal_is_on_what_lies_off_the_diagonal(shape: tuple[int, ...]) -> None:
    kernel = np.random.default_rng(0).normal(size=shape)
    filters = kernel.reshape(-1, shape[-1]).T
    expected = sum(
        (a @ b) ** 2 for i, a in enumerate(filters) for j, b in enumerate(filters) if i != j
    )
    np.testing.assert_allclose(regularizers.orthogonal(tf.constant(kernel)), expected)
    lengths = np.diag(np.arange(1.0, 5.0))  # orthogonal filters of any length cost nothing
    np.testing.assert_allclose(regularizers.orthogonal(tf.constant(lengths)), 0, atol=1e-12)
