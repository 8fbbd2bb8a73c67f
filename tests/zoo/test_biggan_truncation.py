"""Truncation against scipy's normal distributions."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from zoo.biggan.truncation import truncate


def truncated(z: np.ndarray, threshold: float) -> np.ndarray:
    thresholds = np.full(len(z), threshold, np.float32)
    return truncate(tf.constant(z, tf.float32), tf.constant(thresholds)).numpy()


@pytest.mark.parametrize("threshold", [0.02, 0.5, 1.0, 2.0, 4.0, 6.0, 50.0])
def test_it_is_the_map_of_the_distributions(threshold: float) -> None:
    z = np.linspace(-6, 6, 2001)[:, None]
    # In float64, from the nearer end, where 1 - F loses no digits.
    tail = scipy.stats.truncnorm.isf(scipy.stats.norm.sf(np.abs(z)), -threshold, threshold)
    moved = truncated(z, threshold)
    error = np.abs(moved - np.sign(z) * tail)
    print(f"threshold {threshold}: largest error {error.max():.1e}")
    assert error.max() < 1e-5
    assert np.abs(moved).max() <= np.float32(threshold)
    assert (np.diff(moved[:, 0]) >= -1e-6).all()


def test_it_has_the_truncated_distribution() -> None:
    z = np.random.default_rng(0).normal(size=(20_000, 1))
    moved = truncated(z, 1.2)[:, 0]
    test = scipy.stats.kstest(moved, scipy.stats.truncnorm(-1.2, 1.2).cdf)
    print(f"Kolmogorov-Smirnov p = {test.pvalue:.2f}")
    assert test.pvalue > 0.01


def test_each_row_has_its_own_threshold() -> None:
    z = np.random.default_rng(0).normal(size=(5, 30)).astype(np.float32)
    thresholds = np.array([np.nan, np.inf, 0.0, 0.5, 2.0], np.float32)
    moved = truncate(tf.constant(z), tf.constant(thresholds)).numpy()
    np.testing.assert_array_equal(moved[:2], z[:2])  # to the bit
    assert not moved[2].any()
    for row in (3, 4):
        alone = truncated(z[row : row + 1], thresholds[row])[0]
        np.testing.assert_allclose(moved[row], alone, atol=1e-6)  # vectors of another length
