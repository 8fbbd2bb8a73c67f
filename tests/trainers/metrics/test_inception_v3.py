"""InceptionV3 from Keras's cache. The weights here are random (seeded): no network is needed."""

import hashlib

import keras
import numpy as np
import pytest
from PIL import Image

from trainers.metrics import extractor, inception_v3
from trainers.metrics.extractor import Features

pytestmark = pytest.mark.slow  # the network alone takes five seconds to build


@pytest.fixture(scope="module")
def keras_home(tmp_path_factory):
    """A cache of Keras's that holds a randomly initialised network's weights."""
    home = tmp_path_factory.mktemp("keras")
    (home / "models").mkdir()
    keras.utils.set_random_seed(0)
    whole = keras.applications.InceptionV3(weights=None)
    # Untrained batch norm divides by 1: without this the signal dies out in 94 layers.
    for layer in whole.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(np.full(layer.moving_variance.shape, 0.3))
    path = home / "models" / inception_v3.FILE
    whole.save(path)  # HDF5 of the same older layout as Keras's own file
    return home, whole, hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def downloaded(keras_home, monkeypatch):
    home, _, md5 = keras_home
    monkeypatch.setenv("KERAS_HOME", str(home))
    monkeypatch.setattr(inception_v3, "MD5", md5)
    return home / "models" / inception_v3.FILE


@pytest.fixture(scope="module")
def inception(keras_home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(keras_home[0]))
        patch.setattr(inception_v3, "MD5", keras_home[2])
        return Features(network="auto")


@pytest.mark.slow
def test_auto_takes_what_keras_has(inception, keras_home):
    network = inception.network
    assert (network.label, network.dimension, network.classes) == ("Keras InceptionV3", 2048, 1000)
    path = keras_home[0] / "models" / inception_v3.FILE
    assert network.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    stated = inception.describe()
    assert stated["resize"] == 299
    assert stated["preprocessing"] == "bilinear, antialiased, 8 bits (Pillow); x / 127.5 - 1"


@pytest.mark.slow
def test_features_and_classes_are_those_of_kerass_own_path(inception, keras_home, clothes):
    """Pillow's resize, Keras's preprocess_input, and its network without the top, pooled."""
    whole = keras_home[1]
    images = clothes[0][:3]
    resized = [
        Image.fromarray(i[..., 0]).convert("RGB").resize((299, 299), Image.Resampling.BILINEAR)
        for i in images
    ]
    x = keras.applications.inception_v3.preprocess_input(
        np.stack([np.asarray(i) for i in resized]).astype(np.float32)
    )
    assert (x.min(), x.max()) == (-1, 1)
    trunk = keras.applications.InceptionV3(weights=None, include_top=False, pooling="avg")
    trunk.set_weights(whole.get_weights()[:-2])  # less the top's kernel and bias
    (seen,) = inception.stream([images])
    expected = trunk(x, training=False).numpy()
    assert expected.std(axis=0).max() > 1e-3
    np.testing.assert_allclose(seen.features, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(seen.probabilities, whole(x, training=False), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(seen.probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.slow
def test_takes_299_pixels_alone(inception, monkeypatch):
    monkeypatch.setattr(extractor, "load", lambda name: inception.network)
    with pytest.raises(ValueError, match=r"InceptionV3 takes 299 pixels. Received: 64."):
        Features(64, network="inception_v3")


def test_auto_without_the_weights_or_with_others_is_mobilenet(downloaded, monkeypatch, tmp_path):
    def no_download(*_, **__):
        raise AssertionError("auto must not download")

    monkeypatch.setattr(keras.applications, "InceptionV3", no_download)
    monkeypatch.setattr(inception_v3, "MD5", "0" * 32)  # cut short, or not Keras's
    assert extractor.load("auto").label == "MobileNetV2"
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert extractor.load("auto").label == "MobileNetV2"


def test_a_failed_download_says_what_to_do(monkeypatch, tmp_path):
    def no_network(*_, **__):
        raise Exception("URL fetch failure: unreachable")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.applications, "InceptionV3", no_network)
    with pytest.raises(ValueError, match=r"Where there is a network, run .*--network=mobilenet_v2"):
        extractor.load("inception_v3")


def test_a_file_of_another_network_is_refused(tmp_path):
    (tmp_path / "x.weights.h5").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"x.weights.h5 must hold InceptionV3's weights. Received"):
        inception_v3.pretrained(tmp_path / "x.weights.h5")
    assert keras.config.dtype_policy().name == "float32"


def test_unknown_networks_are_refused():
    with pytest.raises(
        ValueError, match=r"one of auto, inception_v3, mobilenet_v2, effic.*Received: vgg"
    ):
        extractor.load("vgg")
