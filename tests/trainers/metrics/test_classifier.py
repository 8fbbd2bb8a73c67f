"""The classifier on real images; accuracy and balance by hand."""

import functools

import keras
import numpy as np
import pytest

from trainers.metrics import cache, classifier
from trainers.metrics.classifier import Classifier, accuracy, class_balance


@pytest.fixture(scope="module")
def classifier_of_clothes(clothes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "LEAST_UPDATES", 60)
        return Classifier([clothes[0][:200], clothes[0][200:600]], clothes[1][:600], 10)


@pytest.fixture(autouse=True)
def _one_epoch(monkeypatch):
    """For what is not about how well it recognises: one update, sooner made than traced."""
    monkeypatch.setattr(classifier, "LEAST_UPDATES", 1)
    monkeypatch.setattr(classifier, "EPOCHS", 1)
    compile_network = keras.Sequential.compile
    eagerly = functools.partialmethod(compile_network, run_eagerly=True)
    monkeypatch.setattr(keras.Sequential, "compile", eagerly)


def test_recognises_clothes_that_it_has_not_seen(classifier_of_clothes, clothes):
    predicted = classifier_of_clothes.predict([clothes[0][600:700], clothes[0][700:]])
    assert (predicted.shape, predicted.dtype) == ((300,), np.int64)
    right = accuracy(clothes[1][600:], predicted)
    print(f"accuracy on 300 images after 600: {right:.3f}")
    assert right > 0.7  # by chance 0.1


@pytest.mark.slow
def test_is_a_function_of_its_data(clothes):
    keras.utils.set_random_seed(7)  # whose draws are none of its business
    first, again = (Classifier([clothes[0][:200]], clothes[1][:200], 10) for _ in range(2))
    for a, b in zip(first._network.get_weights(), again._network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_leaves_the_global_seed_alone(clothes):
    draws = []
    for fit in (False, True):
        keras.utils.set_random_seed(7)
        if fit:
            Classifier([clothes[0][:10]], np.arange(10), 10)
        draws.append(np.random.random())
    assert draws[0] == draws[1]


@pytest.mark.slow
def test_sees_which_classes_are_missing(classifier_of_clothes, clothes):
    real, labels = classifier_of_clothes.predict([clothes[0][600:]]), clothes[1][600:]
    half, _, shares = class_balance(real, real[labels < 5], 10)
    assert half == pytest.approx(0.5, abs=0.15)
    assert sum(shares) == pytest.approx(1)


def test_large_images_are_averaged_down(clothes):
    """Blown up by a factor of 3 and brought back to 32 pixels, they are still recognised."""
    images, labels = clothes[0][:60], clothes[1][:60]
    padded = np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)])
    large = padded.repeat(3, axis=1).repeat(3, axis=2)
    small, seen = Classifier([padded], labels, 10), Classifier([large], labels, 10)
    np.testing.assert_array_equal(small.predict([padded]), seen.predict([large]))


def test_is_fitted_once_and_kept(clothes, tmp_path, capsys, monkeypatch):
    images, labels = clothes[0][:60], clothes[1][:60]

    def read(labels=labels):
        return cache.cached_classifier(lambda: [images], labels, 10, tmp_path)

    first = read()
    (file,) = tmp_path.iterdir()
    assert capsys.readouterr().err == "fitting a classifier to 60 training images\n"
    fits = []
    fit = keras.Sequential.fit
    monkeypatch.setattr(keras.Sequential, "fit", lambda *a, **k: fits.append(1) or fit(*a, **k))
    np.testing.assert_array_equal(read().predict([images]), first.predict([images]))
    assert fits == []
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    np.testing.assert_array_equal(read().predict([images]), first.predict([images]))
    assert f"{file} is damaged: fitting it again." in capsys.readouterr().err
    assert fits == [1]
    read(np.roll(labels, 1))
    assert fits == [1, 1]
    assert len(list(tmp_path.iterdir())) == 2


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
    with pytest.raises(ValueError, match=r"one label in \[0, 3\) for each image.* Received"):
        Classifier([np.zeros([4, 8, 8, 1], np.uint8)], labels, 3)
