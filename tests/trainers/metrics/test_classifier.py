"""The classifier on real images; accuracy and balance by hand."""

import numpy as np
import pytest

from trainers.metrics.classifier import Classifier, accuracy, class_balance


@pytest.fixture(scope="module")
def classifier(clothes_features, clothes):
    return Classifier(clothes_features[:600], clothes[1][:600], 10)


def test_recognises_clothes_that_it_has_not_seen(classifier, clothes_features, clothes):
    predicted = classifier.predict(clothes_features[600:])
    assert predicted.shape == (300,)
    assert accuracy(clothes[1][600:], predicted) > 0.7  # by chance 0.1


def test_is_a_function_of_its_data(classifier, clothes_features, clothes):
    again = Classifier(clothes_features[:600], clothes[1][:600], 10)
    np.testing.assert_array_equal(
        again.predict(clothes_features), classifier.predict(clothes_features)
    )


def test_sees_which_classes_are_missing(classifier, clothes_features, clothes):
    real, labels = classifier.predict(clothes_features[600:]), clothes[1][600:]
    half, _, shares = class_balance(real, real[labels < 5], 10)
    assert half == pytest.approx(0.5, abs=0.15)
    assert sum(shares) == pytest.approx(1)


def test_balance_by_hand():
    # Shares (.5, .5, 0) and (.25, 0, .75): (.25 + .5 + .75) / 2.
    value, real, fake = class_balance(np.array([0, 0, 1, 1]), np.array([0, 2, 2, 2]), 3)
    assert (value, real, fake) == (0.75, [0.5, 0.5, 0], [0.25, 0, 0.75])


def test_accuracy_by_hand():
    assert accuracy([0, 1, 2, 2], [0, 1, 1, 2]) == 0.75
    with pytest.raises(ValueError, match=r"as many labels as predictions.*\(2,\) and \(1,\)"):
        accuracy([0, 1], [0])


@pytest.mark.parametrize("labels", [np.zeros(3), np.array([0, 1, 2, 3]), np.array([0, -1, 1, 1])])
def test_labels_that_do_not_fit_are_refused(labels):
    with pytest.raises(ValueError, match=r"one label in \[0, 3\) for each image. Received"):
        Classifier(np.zeros([4, 2]), labels, 3)
