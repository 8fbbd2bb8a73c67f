"""Inception Score by hand."""

import numpy as np
import pytest

from trainers.metrics.inception_score import InceptionScore


def score(probabilities, splits=10, batch=64):
    result = InceptionScore(splits)
    for i in range(0, len(probabilities), batch):
        result.update(probabilities[i : i + batch])
    return result.result()


def test_sure_of_each_and_all_classes_alike_scores_the_number_of_classes():
    # Image i is surely of class (i // 10) % 4, so each of the ten splits has all four alike.
    certain = np.eye(4)[np.arange(2000) // 10 % 4]
    mean, deviation = score(certain)
    assert mean == pytest.approx(4, rel=1e-12)
    assert deviation == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "row", [[1.0, 0.0, 0.0], [0.2, 0.3, 0.5]], ids=["always one class", "never sure"]
)
def test_the_same_prediction_for_all_scores_1(row):
    assert score(np.tile(row, [1000, 1])) == pytest.approx((1, 0), abs=1e-12)


def test_two_predictions_by_hand():
    # p(y|x) is (.9, .1) or (.1, .9), half each: p(y) = (.5, .5), and for both
    # KL = .9 ln(.9/.5) + .1 ln(.1/.5), so IS = e^KL = 2 * .9^.9 * .1^.1.
    p = np.tile([[0.9, 0.1], [0.1, 0.9]], [150, 1])
    assert score(p, splits=1) == pytest.approx((2 * 0.9**0.9 * 0.1**0.1, 0), abs=1e-12)


def test_splits_are_scored_one_by_one():
    # Even images see two classes in turn (score 2), odd ones one class (score 1).
    p = np.zeros([400, 3])
    p[0::4, 0] = p[2::4, 1] = p[1::2, 2] = 1
    assert score(p, splits=2) == pytest.approx((1.5, 0.5), abs=1e-12)


def test_batches_do_not_matter():
    p = np.random.default_rng(0).dirichlet(np.ones(5), 1003)
    assert score(p, batch=1) == pytest.approx(score(p, batch=1003), rel=1e-12)


def test_too_few_for_the_splits_are_refused():
    with pytest.raises(
        ValueError,
        match=r"of 10 splits needs at least 1000 fake images, 100 a split. Received: 999.",
    ):
        score(np.full([999, 2], 0.5))
