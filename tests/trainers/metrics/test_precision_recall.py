"""Precision, recall, density and coverage against PyPI's prdc, by Naeem et al. themselves."""

import numpy as np
import prdc
import pytest

from tests.trainers.metrics.conftest import noisy
from trainers.metrics.precision_recall import precision_recall


@pytest.mark.parametrize("chunk", [17, 1024])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_equal_prdcs(k, chunk):
    rng = np.random.default_rng(k)
    real, fake = rng.normal(0, 1, [150, 6]), rng.normal(0.4, 0.8, [110, 6])
    expected = prdc.compute_prdc(real, fake, nearest_k=k)
    assert 0 < expected["recall"] < 1
    assert 0 < expected["precision"] < 1
    assert precision_recall(real, fake, k=k, chunk=chunk) == pytest.approx(expected, abs=1e-12)


def test_equal_prdcs_on_features_of_images(features, clothes, clothes_features):
    real = clothes_features[:450]
    fake = features([noisy(clothes[0][450:], 6)])
    expected = prdc.compute_prdc(real.astype(np.float64), fake.astype(np.float64), nearest_k=5)
    assert 0 < expected["coverage"] < 0.99
    assert precision_recall(real, fake) == pytest.approx(expected, abs=1e-12)


def test_real_against_real_is_as_the_paper_expects():
    # Naeem et al., section 3.3: E[density] = 1, E[coverage] = 1 - 2^-k for many equal samples.
    rng = np.random.default_rng(0)
    found = precision_recall(rng.normal(size=[1500, 4]), rng.normal(size=[1500, 4]))
    assert found["density"] == pytest.approx(1, abs=0.05)
    assert found["coverage"] == pytest.approx(1 - 2**-5, abs=0.015)


def test_missing_classes_lower_recall_and_coverage_but_not_precision(clothes, clothes_features):
    labels = clothes[1]
    real, rest = clothes_features[:450], clothes_features[450:]
    few = rest[labels[450:] < 4]
    whole = precision_recall(real, rest[: len(few)])  # balls grow where images are fewer
    few = precision_recall(real, few)
    assert few["coverage"] < whole["coverage"] - 0.2
    assert few["recall"] < whole["recall"] - 0.05
    assert few["precision"] > whole["precision"] - 0.1


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (5, 9, r"real features must be \[N, d\] with N >= 6. Received: shape \(5, 3\)"),
        (9, 5, r"fake features must be \[N, d\] with N >= 6. Received: shape \(5, 3\)"),
    ],
)
def test_no_more_than_k_images_are_refused(real, fake, message):
    with pytest.raises(ValueError, match=message):
        precision_recall(np.zeros([real, 3]), np.zeros([fake, 3]))
