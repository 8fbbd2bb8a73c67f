"""Adam against its paper's algorithm, in numpy."""

import keras
import numpy as np
import pytest

from zoo.nn.adam import BiasCorrectedAdam


@pytest.mark.parametrize("beta_1", [0.0, 0.5])
def test_updates_are_algorithm_1(beta_1: float) -> None:
    """Gradients from 1 down to epsilon and below, where its place shows."""
    rng = np.random.default_rng(0)
    size = np.logspace(0, -10, 40)
    variable = keras.Variable(np.zeros(40, np.float32))
    optimizer = BiasCorrectedAdam(2e-4, beta_1=beta_1)
    optimizer.build([variable])
    w, m, v = np.zeros(40), np.zeros(40), np.zeros(40)
    for t in range(1, 6):
        g = (size * rng.normal(size=40)).astype(np.float32)
        optimizer.apply([keras.ops.convert_to_tensor(g)], [variable])
        g = g.astype(np.float64)
        m, v = beta_1 * m + (1 - beta_1) * g, 0.999 * v + 0.001 * g**2
        w -= 2e-4 * (m / (1 - beta_1**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        np.testing.assert_allclose(variable.numpy(), w, atol=1e-8, rtol=1e-4)


def test_it_holds_what_keras_adam_holds() -> None:
    """So that checkpoints written with the one can be read with the other."""
    shapes = []
    for make in (BiasCorrectedAdam, keras.optimizers.Adam):
        optimizer = make(2e-4, beta_1=0.5)
        optimizer.build([keras.Variable(np.zeros(n, np.float32)) for n in (2, 3)])
        shapes.append([tuple(v.shape) for v in optimizer.variables])
    assert shapes[0] == shapes[1]
    again = BiasCorrectedAdam.from_config(BiasCorrectedAdam(2e-4, beta_1=0.5).get_config())
    assert (again.beta_1, again.epsilon) == (0.5, 1e-8)
