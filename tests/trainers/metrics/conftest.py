"""The feature network, built once; real images; a home whose cache is this test's own."""

import numpy as np
import pytest

from trainers import data
from trainers.metrics import classifier
from trainers.metrics.extractor import Features


@pytest.fixture(scope="session")
def features():
    return Features(resize=64)


@pytest.fixture(scope="session")
def clothes():
    """(images uint8 [900, 28, 28, 1], labels int64 [900]) of the bundled sample."""
    sample = data.load("sample:fashion_mnist", resolution=28, channels=1)
    return next(sample.images.batch(900).as_numpy_iterator())


@pytest.fixture(scope="session")
def clothes_features(features, clothes):
    """float32 [900, 1280]."""
    return features([clothes[0]])


@pytest.fixture(autouse=True)
def _own_home(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(autouse=True)
def _short_fits(monkeypatch):
    monkeypatch.setattr(classifier, "LEAST_UPDATES", 60)


def noisy(images: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    """uint8 images with Gaussian noise of `sigma` grey levels."""
    noise = np.random.default_rng(seed).normal(0, sigma, images.shape)
    return np.clip(np.round(images + noise), 0, 255).astype(np.uint8)
