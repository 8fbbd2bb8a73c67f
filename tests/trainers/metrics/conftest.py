"""The feature network, built once."""

import pytest

from trainers.metrics.features import Features


@pytest.fixture(scope="session")
def features():
    return Features(resize=64)
