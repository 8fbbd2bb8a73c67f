"""Neighbours against all distances, one by one."""

import numpy as np
import pytest

from trainers.metrics import neighbours


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    return rng.normal(size=[23, 5]), rng.normal(size=[31, 5])


@pytest.mark.parametrize("chunk", [1, 4, 1024])
def test_nearest_are_those_of_all_distances(pair, chunk):
    x, y = pair
    distances, indices = neighbours.nearest(x, y, 3, chunk)
    every = np.array([[np.linalg.norm(a - b) for b in y] for a in x])
    np.testing.assert_array_equal(indices, np.argsort(every, axis=1)[:, :3])
    np.testing.assert_allclose(distances, np.sort(every, axis=1)[:, :3], rtol=1e-9)


@pytest.mark.parametrize("chunk", [1, 4, 1024])
def test_radii_leave_the_row_itself_out(pair, chunk):
    x, _ = pair
    every = np.array([[np.linalg.norm(a - b) for b in x] for a in x])
    np.testing.assert_allclose(
        neighbours.radii(x, 2, chunk), np.sort(every, axis=1)[:, 2], rtol=1e-9
    )


def test_the_same_image_is_at_distance_0_in_whatever_batch(features, clothes, clothes_features):
    alone = features([clothes[0][i : i + 1] for i in range(5)])
    distances, indices = neighbours.nearest(alone, clothes_features, 2)
    np.testing.assert_array_equal(indices[:, 0], range(5))
    np.testing.assert_array_equal(distances[:, 0], 0)
    assert (distances[:, 1] > 1).all()


def test_too_few_rows_are_refused(pair):
    x, y = pair
    with pytest.raises(ValueError, match=r"32 neighbours need at least 32 rows. Received: 31."):
        neighbours.nearest(x, y, 32)
    with pytest.raises(ValueError, match=r"5 nearest .* need more than 5 images. Received: 5."):
        neighbours.radii(x[:5], 5)
