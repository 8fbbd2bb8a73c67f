"""What a step minimises: one update by SGD against the gradients of a test's own formula."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo

Terms = Mapping[str, Sequence[tf.Tensor]]


class Record(keras.optimizers.SGD):
    """Keeps the sum of what it was given. By default it moves nothing, so that no update depends on
    another."""

    def __init__(self, learning_rate: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "learning_rate": learning_rate})
        self.gradients: dict[int, np.ndarray] = {}  # by variable: paths need not differ

    def apply(self, grads: Sequence[tf.Tensor], trainable_variables: Any = None) -> None:
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            so_far = self.gradients.get(id(variable), 0.0)
            self.gradients[id(variable)] = so_far + gradient.numpy()
        super().apply(grads, trainable_variables)


def check_step(
    gan: zoo.GAN,
    batch: Any,
    formula: Callable[[], tuple[Terms, Mapping[str, tf.Tensor]]],
    *,
    tolerance: float = 1e-4,
    alternating: bool = True,
    **compile_arguments: Any,
) -> None:
    """Fits one step, in which every network descends the gradient of its formula.

    Args:
        gan: Its draws must be repeatable, and without dropout.
        batch: As the family takes it.
        formula: Gives the terms, factors included, whose sum each network minimises, and what `fit`
            should tell of them by name.
        tolerance: Of the gradient, relative to its norm. Every term must count for ten times that,
            or a wrong factor would not show.
        alternating: Whether to check the updates one after the other as well.
        **compile_arguments: More of the family's own.
    """
    optimizers = {"generator": Record(), "discriminator": Record()}
    gan.compile(*optimizers.values(), run_eagerly=True, **compile_arguments)
    expected, told = gradients_of(gan, formula, tolerance)
    history = gan.fit(tf.data.Dataset.from_tensors(batch), verbose=0, shuffle=False).history
    assert set(history) == set(gan.tracked)
    for name, value in told.items():
        assert history[name] == [pytest.approx(float(value), rel=1e-4)], name
    for name, gradient in expected.items():
        check_gradient(gan, name, optimizers[name], gradient, tolerance)
    if alternating and gan.alternates is not None:
        check_alternating_step(gan, batch, formula, tolerance, **compile_arguments)


def check_alternating_step(
    gan: zoo.GAN,
    batch: Any,
    formula: Callable[[], tuple[Terms, Mapping[str, tf.Tensor]]],
    tolerance: float,
    **compile_arguments: Any,
) -> None:
    """As `check_step`; the second network descends its gradient at the first one's new weights."""
    gan.steps.assign(0)
    first, second = gan.order
    before, _ = gradients_of(gan, formula, tolerance)
    network = getattr(gan, first)
    weights = flat([v.numpy() for v in network.trainable_variables])
    rate = 0.05 * np.linalg.norm(weights) / np.linalg.norm(before[first])
    optimizers = {first: Record(rate), second: Record()}
    gan.compile(
        optimizers["generator"],
        optimizers["discriminator"],
        run_eagerly=True,
        alternate=True,
        **compile_arguments,
    )
    start = network.get_weights()
    at = 0
    for variable in network.trainable_variables:
        size = int(np.prod(variable.shape))
        step = np.reshape(before[first][at : at + size], variable.shape)
        variable.assign(variable.numpy() - rate * step)
        at += size
    after, _ = gradients_of(gan, formula, tolerance)
    network.set_weights(start)
    moved = np.linalg.norm(after[second] - before[second]) / np.linalg.norm(before[second])
    assert moved > 10 * tolerance, f"the first update must show: {moved:.1e}"
    gan.fit(tf.data.Dataset.from_tensors(batch), verbose=0, shuffle=False)
    check_gradient(gan, first, optimizers[first], before[first], tolerance)
    check_gradient(gan, second, optimizers[second], after[second], tolerance)


def check_adam_step(
    gan: zoo.GAN,
    batch: Any,
    formula: Callable[[], tuple[Terms, Mapping[str, tf.Tensor]]],
    *,
    rounding: float = 0.0,
) -> None:
    """Fits one step as compiled by default, with Adam at 2e-4, beta1 .5 and epsilon 1e-8.

    Args:
        gan: Its draws must be repeatable, and without dropout.
        batch: As the family takes it.
        formula: As in `check_step`.
        rounding: Gradients up to this size are not compared: what is normalised afterwards has a
            bias whose gradient is 0 but for rounding, of which Adam makes a whole step.
    """
    expected, _ = gradients_of(gan, formula, 0.0)
    gan.compile(run_eagerly=True)
    networks = {name: getattr(gan, name).trainable_variables for name in expected}
    before = {name: flat(variables) for name, variables in networks.items()}
    gan.fit(tf.data.Dataset.from_tensors(batch), verbose=0, shuffle=False)
    for name, gradient in expected.items():
        mean, square = 0.5 * gradient / (1 - 0.5), 0.001 * gradient**2 / (1 - 0.999)
        after = before[name] - 2e-4 * mean / (np.sqrt(square) + 1e-8)
        compared = np.abs(gradient) >= rounding
        assert np.mean(compared) > 0.9
        error = np.abs(flat(networks[name]) - after)[compared].max()
        assert error < 1e-5, f"{name}: {error:.1e}"


def gradients_of(
    gan: zoo.GAN, formula: Callable[[], tuple[Terms, Mapping[str, tf.Tensor]]], tolerance: float
) -> tuple[dict[str, np.ndarray], Mapping[str, tf.Tensor]]:
    """Of each network's terms, f64 in a row, and what `fit` should tell."""
    with tf.GradientTape(persistent=True) as tape:
        terms, told = formula()
    expected = {}
    for name, of_network in terms.items():
        variables = [variable.value for variable in getattr(gan, name).trainable_variables]
        zeros = tf.UnconnectedGradients.ZERO
        gradients = [
            flat(tape.gradient(term, variables, unconnected_gradients=zeros)) for term in of_network
        ]
        expected[name] = sum(gradients)
        for i, gradient in enumerate(gradients):
            share = np.linalg.norm(gradient) / np.linalg.norm(expected[name])
            assert share > 10 * tolerance, f"term {i} of the {name}: {share:.1e}"
    return expected, told


def check_gradient(
    gan: zoo.GAN, name: str, optimizer: Record, expected: np.ndarray, tolerance: float
) -> None:
    given = optimizer.gradients
    ours = flat(
        [given.get(id(v), np.zeros(v.shape)) for v in getattr(gan, name).trainable_variables]
    )
    error = np.linalg.norm(ours - expected) / np.linalg.norm(expected)
    assert error < tolerance, f"{name}: {error:.1e}"


def flat(tensors: Sequence[Any]) -> np.ndarray:
    """All their numbers in a row, f64."""
    return np.concatenate([np.ravel(np.asarray(x, np.float64)) for x in tensors])


def softplus(x: tf.Tensor) -> tf.Tensor:
    """Mean of log(1 + e^x)."""
    return tf.reduce_mean(tf.math.log1p(tf.exp(x)))


def squared_gradients(scores: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor) -> tf.Tensor:
    """||grad D(x)||^2 of each image [N]."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(scores(images))
    return tf.reduce_sum(tape.gradient(total, images) ** 2, axis=[1, 2, 3])
