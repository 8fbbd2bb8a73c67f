"""Publishing: what a preset's sheet may show."""

import numpy as np
import pytest

import zoo
from trainers.maintainers import publish


@pytest.mark.parametrize(("name", "shown"), [("openmoji_pairs", True), ("somebodys_pairs", False)])
def test_a_sheet_is_of_the_bundled_sample_or_there_is_none(name: str, shown: bool) -> None:
    gan = zoo.Pix2Pix(resolution=16, width=4, patch=16)
    gan.card = {"dataset": {"name": name}, "training": {}}
    gan.examples = publish._examples(gan)
    assert (gan.examples is not None) == shown
    if shown:
        sources, targets = gan.examples
        assert sources.shape == targets.shape
        assert sources.dtype == np.uint8
    assert (gan.sample_sheet() is not None) == shown
