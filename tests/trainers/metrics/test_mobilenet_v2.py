"""The Keras trunk against PyTorch, which ran on torchvision's checkpoint (see make_*.py)."""

import pathlib

import keras
import numpy as np
import pytest

from trainers.metrics import trunks
from trainers.metrics.trunks import MOBILENET_V2

REFERENCE = pathlib.Path(__file__).with_name("mobilenet_v2_reference.npz")


@pytest.fixture(scope="module")
def reference():
    with np.load(REFERENCE, allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", ["grey", "colour"])
def test_features_equal_pytorchs_with_the_same_rounded_kernels(features, reference, name):
    ours = features([reference[name]])
    np.testing.assert_allclose(ours, reference[f"{name}_features_float16"], atol=1e-4)


@pytest.mark.parametrize("name", ["grey", "colour"])
def test_float16_kernels_change_the_features_by_less_than_one_percent(features, reference, name):
    ours, theirs = features([reference[name]]), reference[f"{name}_features"]
    error = np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)
    assert error.max() < 0.01


def test_parameters_are_as_torchvision_counts_them():
    # 3,504,872 of the whole network, less the classifier's 1,280 x 1,000 + 1,000.
    kinds = ("kernel", "gamma", "beta")
    with MOBILENET_V2.weights_file().open("rb") as file, np.load(file) as arrays:
        assert sum(a.size for name, a in arrays.items() if name.endswith(kinds)) == 2_223_872


def test_folding_changes_nothing_but_rounding():
    """One convolution of each kind and the batch norm behind it, against Keras's own layers."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 5, 4)).astype("float32")
    for layer, channels in (
        (keras.layers.Conv2D(3, 3, use_bias=False), 3),
        (keras.layers.DepthwiseConv2D(3, use_bias=False), 4),
    ):
        norm = keras.layers.BatchNormalization(epsilon=MOBILENET_V2.epsilon)
        norm.build((None, 3, 3, channels))
        norm.set_weights([*rng.normal(size=(3, channels)), rng.uniform(1e-14, 2, channels)])
        expected = norm(layer(x), training=False)
        kernel, bias = trunks.fold(layer.get_weights()[0], *norm.get_weights(), norm.epsilon)
        layer.set_weights([kernel])
        np.testing.assert_allclose(layer(x) + bias, expected, rtol=1e-5, atol=1e-5)


def test_weights_are_small_data_with_their_licence():
    file = MOBILENET_V2.weights_file()
    assert len(file.read_bytes()) <= 5_000_000
    assert len(MOBILENET_V2.weights_sha256()) == 64
    notice = file.parent / "LICENSE.torchvision.txt"
    assert "Soumith Chintala" in notice.read_text(encoding="utf-8")


def test_weights_of_another_network_are_refused(monkeypatch, tmp_path):
    other = tmp_path / "other.npz"
    np.savez(other, **{"features.0.0/kernel": np.zeros([3, 3, 3, 32], np.float16)})
    monkeypatch.setattr(trunks.Trunk, "weights_file", lambda trunk: other)
    with pytest.raises(ValueError, match=r"one array for each variable.*Received: 1 arrays"):
        MOBILENET_V2.pretrained()
