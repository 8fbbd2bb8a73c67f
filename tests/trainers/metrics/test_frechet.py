"""Frechet distance against closed forms, scipy's matrix root, and statistics held in memory."""

import numpy as np
import pytest
import scipy.linalg

from tests.trainers.metrics.conftest import noisy
from trainers.metrics.frechet import Moments, frechet_distance, gaussian_distance


def moments(features, batch):
    result = Moments(features.shape[1])
    for i in range(0, len(features), batch):
        result.update(features[i : i + batch])
    return result


def test_gaussians_with_diagonal_covariances():
    # Closed form: |mu1 - mu2|^2 + sum (s1 - s2)^2, with s the standard deviations.
    mean1, mean2 = np.array([1.0, -2.0, 0.5]), np.array([0.0, 2.0, 0.5])
    s1, s2 = np.array([1.0, 2.0, 0.0]), np.array([3.0, 0.5, 0.1])
    expected = 1 + 16 + 4 + 2.25 + 0.01
    found = gaussian_distance(mean1, np.diag(s1**2), mean2, np.diag(s2**2))
    assert found == pytest.approx(expected, rel=1e-12)


def test_gaussians_whose_covariances_commute():
    # C2 = 4 C1, turned: Tr(C1 + C2 - 2 (C1 C2)^(1/2)) = (1 + 4 - 4) Tr C1.
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=[5, 5]))[0]
    covariance = turn @ np.diag([0.1, 1, 2, 3, 10]) @ turn.T
    found = gaussian_distance(np.zeros(5), covariance, np.ones(5), 4 * covariance)
    assert found == pytest.approx(5 + 16.1, rel=1e-12)


def test_any_gaussians_against_scipys_root():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=[20, 8]), rng.normal(size=[20, 8])
    c1, c2 = a.T @ a, b.T @ b
    shift = rng.normal(size=8)
    root = scipy.linalg.sqrtm(c1 @ c2)
    assert abs(np.imag(root)).max() < 1e-6
    expected = shift @ shift + np.trace(c1 + c2 - 2 * np.real(root))
    assert gaussian_distance(shift, c1, np.zeros(8), c2) == pytest.approx(expected, rel=1e-9)


def test_a_distribution_is_at_distance_0_from_itself():
    x = np.random.default_rng(2).normal(3, 2, [400, 6])
    side = moments(x, 64)
    assert abs(frechet_distance(side, side)) < 1e-9


def test_samples_approach_the_closed_form():
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, [200_000, 3])
    y = rng.normal([1, 0, 0], [1, 2, 1], [200_000, 3])
    assert frechet_distance(moments(x, 5000), moments(y, 5000)) == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("batch", [1, 7, 128, 900])
def test_streaming_equals_in_memory(clothes_features, batch):
    # Real features, moved far from 0, where a sum of squares would lose its digits.
    x = clothes_features[:, :50].astype(np.float64) + 1e4
    real, fake = x[:450], x[450:]
    streamed = frechet_distance(moments(real, batch), moments(fake, batch))
    in_memory = gaussian_distance(
        real.mean(axis=0), np.cov(real.T), fake.mean(axis=0), np.cov(fake.T)
    )
    assert streamed == pytest.approx(in_memory, rel=1e-6)
    np.testing.assert_allclose(moments(real, batch).covariance, np.cov(real.T), rtol=0, atol=1e-9)


@pytest.mark.slow
def test_grows_as_images_are_spoilt(features, clothes):
    images = clothes[0]
    real = moments(features([images[:450]])[:, :200], 64)
    distances = [
        frechet_distance(real, moments(features([noisy(images[450:], s)])[:, :200], 64))
        for s in (0, 4, 16)
    ]
    assert distances[0] < distances[1] / 1.5 < distances[2] / 3


def test_no_more_images_than_features_are_refused():
    enough = moments(np.random.default_rng(0).normal(size=[5, 4]), 5)
    few = moments(np.random.default_rng(0).normal(size=[4, 4]), 5)
    with pytest.raises(
        ValueError, match=r"over 4 features needs at least 5 fake images. Received: 4."
    ):
        frechet_distance(enough, few)
    with pytest.raises(ValueError, match=r"at least 5 real images. Received: 4."):
        frechet_distance(few, enough)
    with pytest.raises(ValueError, match=r"one dimension. Received: 4 and 3."):
        frechet_distance(enough, moments(np.zeros([9, 3]), 5))


def test_what_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="must be finite. Received: NaN or infinity."):
        gaussian_distance(np.array([np.nan]), np.eye(1), np.zeros(1), np.eye(1))
