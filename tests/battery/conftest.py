"""What the battery leaves behind is let go: its graphs would fill the memory, test by test."""

import gc
from collections.abc import Iterator

import keras
import pytest


@pytest.fixture(autouse=True)
def let_go() -> Iterator[None]:
    yield
    keras.utils.clear_session(free_memory=False)
    gc.collect()
