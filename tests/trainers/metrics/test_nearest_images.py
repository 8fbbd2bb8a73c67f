"""Copies of training images are seen; new images pass."""

import numpy as np
import pytest

from tests.trainers.metrics.conftest import noisy
from trainers.metrics.nearest_images import nearest_images


def test_by_hand():
    # One dimension; training images at 0 and 10. Held-out images are 1, 2, 3 away, fakes 0, 1, 4.
    train = np.array([[0.0], [10.0]])
    held_out = np.array([[1.0], [12.0], [-3.0]])
    fake = np.array([[10.0], [-1.0], [4.0]])
    figures, distances = nearest_images(train, held_out, fake)
    np.testing.assert_allclose(distances, [0, 1, 4])
    assert figures == {
        "ratio": 0.5,
        "median_fake": 1.0,
        "median_held_out": 2.0,
        "closer": pytest.approx(2 / 3),  # below 1.02, the 1 % quantile of 1, 2, 3
    }


def test_new_images_pass_and_copies_are_found(features, clothes, clothes_features):
    train, held_out, new = clothes_features[:500], clothes_features[500:700], clothes_features[700:]
    honest, _ = nearest_images(train, held_out, new)
    assert honest["ratio"] == pytest.approx(1, abs=0.1)
    assert honest["closer"] <= 0.06  # 0.01 is expected of 200

    copies = features([noisy(clothes[0][:200], 1)])
    copied, distances = nearest_images(train, held_out, copies)
    assert copied["ratio"] < 0.6
    assert copied["closer"] > 0.3

    some = np.concatenate([new[:190], clothes_features[:10]])  # one in twenty is a copy
    hidden, distances = nearest_images(train, held_out, some)
    assert hidden["ratio"] > 0.85
    assert hidden["closer"] >= 0.05
    np.testing.assert_array_equal(distances[190:], 0)


def test_held_out_images_that_were_trained_on_are_refused(clothes_features):
    with pytest.raises(ValueError, match=r"must not be training images. Received: at least half"):
        nearest_images(clothes_features[:50], clothes_features[20:50], clothes_features[50:])
