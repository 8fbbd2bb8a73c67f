"""KID against its equation, spelled out, and on real images."""

import numpy as np
import pytest

from trainers.data import load
from trainers.metrics.kid import kid, kid_standard_error


def kid_by_double_loop(x, y):
    """The equation in kid.py, term by term."""
    m, n, d = len(x), len(y), x.shape[1]

    def k(a, b):
        return (float(np.dot(a, b)) / d + 1) ** 3

    xx = sum(k(x[i], x[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    yy = sum(k(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    xy = sum(k(x[i], y[j]) for i in range(m) for j in range(n)) / (m * n)
    return xx + yy - 2 * xy


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    return rng.normal(0.5, 1, (23, 7)).astype("f"), rng.normal(0.7, 1, (17, 7)).astype("f")


@pytest.mark.parametrize("chunk", [1, 5, 512])
def test_equals_the_double_loop_whatever_the_chunk(pair, chunk):
    x, y = (features.astype(np.float64) for features in pair)
    assert kid(*pair, chunk=chunk) == pytest.approx(kid_by_double_loop(x, y), rel=1e-12)


def test_is_symmetric(pair):
    x, y = pair
    assert kid(x, y) == pytest.approx(kid(y, x), rel=1e-12)


def test_is_unbiased():
    rng = np.random.default_rng(0)
    values = [kid(rng.normal(size=(10, 4)), rng.normal(size=(10, 4))) for _ in range(2000)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


def test_standard_error_is_the_spread_over_samples():
    rng = np.random.default_rng(0)
    samples = [(rng.normal(0, 1, (200, 4)), rng.normal(1, 1, (200, 4))) for _ in range(200)]
    true = np.std([kid(*s) for s in samples])
    estimated = np.sqrt(np.mean([kid_standard_error(*s) ** 2 for s in samples]))
    assert estimated == pytest.approx(true, rel=0.25)


def test_standard_error_of_too_few_is_none(pair):
    assert kid_standard_error(*pair) is None


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (np.zeros([1, 4]), np.zeros([3, 4]), r"real features must be \[N, d\] with N >= 2"),
        (np.zeros([3, 4]), np.zeros([3]), r"fake features .* Received: shape \(3,\)"),
        (np.zeros([3, 4]), np.zeros([3, 5]), r"one dimension. Received: 4 and 5"),
        (np.zeros([3, 4]), np.full([3, 4], np.nan), r"fake features must be finite"),
    ],
)
def test_bad_features_are_refused(real, fake, message):
    with pytest.raises(ValueError, match=message):
        kid(real, fake)


@pytest.mark.slow
def test_real_images_are_ordered_by_how_much_they_are_spoilt(features):
    count = 300
    sample = load("sample:fashion_mnist", resolution=28, channels=1)
    images = np.stack([image for image, _ in sample.images.take(2 * count).as_numpy_iterator()])
    rng = np.random.default_rng(0)
    real, other = features([images[:count]]), features([images[count:]])

    def noisy(sigma):
        noise = rng.normal(0, sigma, images[count:].shape)
        return features([np.clip(np.round(images[count:] + noise), 0, 255).astype(np.uint8)])

    # With 1,500 images a side: 4.3, 196 and 1,192.
    assert abs(1000 * kid(real, other)) < 40
    assert 1000 * kid(real, noisy(4)) == pytest.approx(196, abs=60)
    assert 1000 * kid(real, noisy(16)) == pytest.approx(1192, abs=150)
