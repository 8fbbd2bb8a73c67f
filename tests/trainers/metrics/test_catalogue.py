"""Names of metrics."""

import pytest

from trainers.metrics import catalogue
from trainers.metrics.scores import _SCORES


def test_every_name_is_computed():
    assert set(_SCORES) == set(catalogue.METRICS)
    assert catalogue.resolve(catalogue.DEFAULT) == catalogue.DEFAULT


def test_a_name_counts_once_and_synonyms_are_one():
    assert catalogue.resolve(["kid", "fid", "frechet_distance", "kid"]) == ("kid", "fid")


def test_unknown_names_list_near_misses():
    with pytest.raises(
        ValueError, match=r"must be one of kid, fid, .* Received: 'recal'. Did you mean 'recall'\?"
    ):
        catalogue.resolve(["kid", "recal"])
    with pytest.raises(ValueError, match=r"at least one metric of kid, .* Received: none."):
        catalogue.resolve([])
