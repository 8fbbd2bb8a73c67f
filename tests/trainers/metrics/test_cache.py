"""Features of real images are computed once, and never taken from a file that is not theirs."""

import os
import pathlib
import time

import numpy as np
import pytest

from trainers.metrics import cache


class Counting:
    """The feature network; counts the images that it is shown."""

    def __init__(self, features):
        self._features, self.seen = features, 0

    def __getattr__(self, name):
        return getattr(self._features, name)

    def stream(self, batches):
        for seen in self._features.stream(batches):
            self.seen += len(seen.features)
            yield seen


@pytest.fixture
def network(features):
    return Counting(features)


def read(images, network, folder, batch=16):
    def batches():
        return (images[i : i + batch] for i in range(0, len(images), batch))

    file = cache.cached(batches, network, folder, count=len(images), what="real images")
    return np.asarray(file)


def test_the_second_time_nothing_is_computed(clothes, clothes_features, network, tmp_path):
    images = clothes[0][:40]
    first = read(images, network, tmp_path)
    np.testing.assert_allclose(first, clothes_features[:40], atol=1e-4)
    assert network.seen == 40
    np.testing.assert_array_equal(read(images, network, tmp_path, batch=7), first)
    assert network.seen == 40
    assert len(list(tmp_path.iterdir())) == 1  # nothing unfinished is left


def test_other_pixels_another_order_or_another_network_are_other_files(clothes, features, tmp_path):
    def key(images, **changed):
        class Other:
            network = type("", (), {"sha256": changed.get("sha256", features.network.sha256)})
            resize = changed.get("resize", features.resize)

        return cache.key([images], Other)

    images = clothes[0][:10]
    one_grey_level = images.copy()
    one_grey_level[0, 14, 14, 0] ^= 1
    keys = [
        key(images),
        key(one_grey_level),
        key(images[::-1]),
        key(images[:9]),
        key(images.reshape(10, 14, 56, 1)),
        key(images, resize=65),
        key(images, sha256="0" * 64),
    ]
    assert len(set(keys)) == len(keys)
    assert key(images) == keys[0]


def test_a_damaged_file_is_computed_anew(clothes, network, tmp_path, capsys):
    images = clothes[0][:20]
    first = read(images, network, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    np.testing.assert_array_equal(read(images, network, tmp_path), first)
    assert network.seen == 40
    assert capsys.readouterr().err == f"{file} is damaged: computing it again.\n"
    read(images, network, tmp_path)
    assert network.seen == 40


def test_an_interrupted_computation_leaves_nothing(clothes, network, tmp_path):
    passes = iter([0, 1])

    def batches():
        yield clothes[0][:4]
        if next(passes):  # the first pass finds the key
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.cached(batches, network, tmp_path, count=4, what="real images")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_another_writes_is_not(
    clothes, network, tmp_path
):
    killed, in_use = (tmp_path / f".unfinished-{name}" for name in ("0123abcd", "4567abcd"))
    for file, hours in ((killed, 25), (in_use, 23)):
        file.write_bytes(b"x")
        then = time.time() - hours * 3600
        os.utime(file, (then, then))
    read(clothes[0][:2], network, tmp_path)
    assert [file.name for file in tmp_path.glob(".*")] == [in_use.name]
    assert len(list(tmp_path.glob("*.npy"))) == 1


def test_a_folder_that_cannot_be_written_to_is_one_line(clothes, network, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ValueError, match=r"must be a folder that can be written to.*Received: .*file/cache: Not a"
    ):
        read(clothes[0][:2], network, tmp_path / "file" / "cache")


def test_stands_in_the_home(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert cache.default_folder() == pathlib.Path("/somewhere/.cache/gan_zoo/features")
