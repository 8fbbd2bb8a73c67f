"""Features on disk read as the array that was written."""

import contextlib

import numpy as np
import pytest

from trainers.metrics import rows
from trainers.metrics.feature_file import FeatureFile, FeatureWriter, is_intact
from trainers.metrics.kid import kid, kid_standard_error
from trainers.metrics.precision_recall import precision_recall


@pytest.fixture
def array():
    return np.random.default_rng(0).normal(size=[57, 6]).astype(np.float32)


def write(path, array, batch=10):
    with FeatureWriter(path, array.shape[1]) as writer:
        for i in range(0, len(array), batch):
            writer.append(array[i : i + batch])
    return FeatureFile(path)


def test_slices_read_as_the_arrays(array, tmp_path):
    file = write(tmp_path / "x.npy", array)
    assert (file.shape, len(file)) == ((57, 6), 57)
    np.testing.assert_array_equal(np.asarray(file), array)
    for part in (slice(5, 20), slice(50, 90), slice(-3, None), slice(7, 7), slice(9, 2)):
        np.testing.assert_array_equal(np.asarray(file[part]), array[part])
    np.testing.assert_array_equal(np.asarray(file[10:40][5:12]), array[10:40][5:12])
    assert np.asarray(file[:2], np.float64).dtype == np.float64
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), array)
    with pytest.raises(ValueError, match=r"in order, one by one. Received: step 2"):
        file[::2]


def test_metrics_read_a_file_as_they_read_an_array(array, tmp_path):
    other = array[:40] + 0.5
    x, y = write(tmp_path / "x.npy", array), write(tmp_path / "y.npy", other)
    assert kid(x, y, chunk=16) == pytest.approx(kid(array, other), rel=1e-12)
    assert kid_standard_error(x, y) == kid_standard_error(array, other)
    assert precision_recall(x, y, chunk=16) == precision_recall(array, other)


def test_any_damage_is_seen(array, tmp_path):
    path = tmp_path / "x.npy"
    write(path, array)
    good = path.read_bytes()
    assert is_intact(path)
    for damaged in (
        b"",
        good[:40],
        good[:-1],
        good + b"x",
        good[:200] + bytes([good[200] ^ 1]) + good[201:],  # a bit of a feature
        good.replace(b"(57, 6)", b"(19, 18)".rjust(7)[:7]),
        good.replace(b"(57, 6)", b"(56, 6)"),
    ):
        assert damaged != good
        path.write_bytes(damaged)
        assert not is_intact(path)
    assert not is_intact(tmp_path / "none.npy")


def test_what_was_not_finished_is_not_intact(array, tmp_path):
    path = tmp_path / "x.npy"
    with contextlib.suppress(KeyError), FeatureWriter(path, 6) as writer:
        writer.append(array)
        raise KeyError
    assert not is_intact(path)


def test_rows_of_another_length_are_refused(tmp_path):
    with (
        pytest.raises(ValueError, match=r"must be \[n, 6\]. Received: \[2, 5\]"),
        FeatureWriter(tmp_path / "x.npy", 6) as writer,
    ):
        writer.append(np.zeros([2, 5], np.float32))


def test_another_kind_of_array_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros([3], np.int64))
    with pytest.raises(ValueError, match=r"holds float32 \[N, d\]. Received: int64 \(3,\)"):
        FeatureFile(tmp_path / "x.npy")


def test_checks_name_the_side():
    with pytest.raises(ValueError, match=r"The held-out features must be \[N, d\] with N >= 3"):
        rows.check(np.zeros([2, 2]), "held-out", at_least=3)
