"""Features mapped from a file are measured as the array that was written."""

import errno
import os

import numpy as np
import pytest

from trainers.metrics import rows
from trainers.metrics.cache import store
from trainers.metrics.kid import kid, kid_standard_error
from trainers.metrics.precision_recall import precision_recall


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(0).normal(size=[57, 6]).astype(np.float32)


def blocks_of(array: np.ndarray, size: int = 10) -> list[np.ndarray]:
    return [array[i : i + size] for i in range(0, len(array), size)]


def test_what_came_is_there(array, tmp_path) -> None:
    """Fewer may come than were announced: files of a folder that cannot be read."""
    mapped = store(tmp_path / "x.npy", blocks_of(array), 60, 6)
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, array)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy")[:57], array)


def test_a_full_disk_is_an_error_before_anything_is_written(array, tmp_path, monkeypatch) -> None:
    """And no signal, which would end the training run."""
    blocks = iter(blocks_of(array))

    def full(file: int, start: int, size: int) -> None:
        assert (start, size) == (0, os.fstat(file).st_size)  # the whole file
        assert size >= array.nbytes
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/x.npy'") as caught:
        store(tmp_path / "x.npy", blocks, 57, 6)
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []
    assert len(list(blocks)) == 6  # nothing was computed in vain


def test_a_file_has_its_blocks_before_it_is_written(tmp_path) -> None:
    """Without them, 4 MB of which nothing is written would take a few kB."""
    store(tmp_path / "x.npy", [], 1000, 1000)
    assert (tmp_path / "x.npy").stat().st_blocks * 512 >= 4_000_000


def test_metrics_read_a_file_as_they_read_an_array(array, tmp_path) -> None:
    other = array[:40] + 0.5
    x = store(tmp_path / "x.npy", blocks_of(array), 57, 6)
    y = store(tmp_path / "y.npy", blocks_of(other), 40, 6)
    assert kid(x, y, chunk=16) == pytest.approx(kid(array, other), rel=1e-12)
    assert kid_standard_error(x, y) == kid_standard_error(array, other)
    assert precision_recall(x, y, chunk=16) == precision_recall(array, other)


def test_checks_name_the_side() -> None:
    with pytest.raises(ValueError, match=r"The held-out features must be \[N, d\] with N >= 3"):
        rows.check(np.zeros([2, 2]), "held-out", at_least=3)
