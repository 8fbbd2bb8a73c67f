"""Losses against the equations, computed from probabilities in float64."""

import numpy as np

from zoo import losses

REAL = np.array([[-3.0], [0.0], [0.5], [4.0]])
FAKE = np.array([[-2.0], [-0.1], [1.0], [3.0]])


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def test_minimax_discriminator() -> None:
    expected = -np.mean(np.log(sigmoid(REAL))) - np.mean(np.log(1 - sigmoid(FAKE)))
    np.testing.assert_allclose(losses.minimax_discriminator(REAL, FAKE), expected, rtol=1e-12)


def test_non_saturating_generator() -> None:
    expected = -np.mean(np.log(sigmoid(FAKE)))
    np.testing.assert_allclose(losses.non_saturating_generator(FAKE), expected, rtol=1e-12)


def test_large_logits_stay_finite() -> None:
    huge = np.array([[-1e4], [1e4]], np.float32)
    assert np.isfinite(losses.minimax_discriminator(huge, huge))
    assert np.isfinite(losses.non_saturating_generator(huge))
