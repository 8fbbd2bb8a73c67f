"""What Keras's settings, its files and its `export` make of a GAN."""

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.core import imports


def build() -> zoo.DCGAN:
    return zoo.DCGAN(resolution=8, channels=1, latent_dim=4, width=4, architecture="small")


@pytest.mark.parametrize(
    ("change", "value", "message"),
    [
        (
            keras.config.set_image_data_format,
            "channels_first",
            r"set_image_data_format\('channels_last'\). Received: 'channels_first'",
        ),
        (keras.config.set_floatx, "float16", "Weights need float32: .* Received: float16"),
        (keras.config.set_floatx, "float64", "Weights need float32: .* Received: float64"),
        (keras.config.set_dtype_policy, "bfloat16", "'mixed_bfloat16' .* Received: bfloat16"),
    ],
)
def test_global_settings_in_one_line(
    change: Callable[[str], None], value: str, message: str
) -> None:
    try:
        change(value)
        for make in (build, lambda: zoo.load("dcgan_fashion_mnist")):
            with pytest.raises(ValueError, match=message):
                make()
    finally:
        keras.config.set_image_data_format("channels_last")
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    assert build().generate(1).shape == (1, 8, 8, 1)


@pytest.mark.parametrize("where", ["environment", "keras.json"])
def test_another_backend_in_one_line(where: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "keras.json").write_text('{"backend": "torch"}')
    environment = {**os.environ, "KERAS_HOME": str(tmp_path)}
    environment.pop("KERAS_BACKEND", None)
    if where == "environment":
        environment["KERAS_BACKEND"] = "jax"
    done = subprocess.run(
        [sys.executable, "-c", "import zoo"], env=environment, capture_output=True, text=True
    )
    name = "jax" if where == "environment" else "torch"
    message = f"set KERAS_BACKEND=tensorflow before Keras is imported. Received: '{name}'."
    assert done.stderr.splitlines()[-1].endswith(message)


def test_a_keras_file_is_read_after_import_zoo_alone(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gan = build()
    gan.compile(discriminator_optimizer="sgd")
    gan.save(tmp_path / "gan.keras")
    registered = keras.saving.get_custom_objects()
    monkeypatch.delitem(registered, "gan_zoo>DCGAN")
    imports._register_families()
    assert not isinstance(registered["gan_zoo>DCGAN"], type)  # until the class is imported
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert type(loaded) is zoo.DCGAN
    np.testing.assert_array_equal(loaded.generate(2, seed=0), gan.generate(2, seed=0))


@pytest.mark.slow
def test_import_zoo_alone_is_enough_and_quiet(tmp_path: pathlib.Path) -> None:
    """In a process of its own: nothing but what the script prints."""
    gan = build()
    gan.save(tmp_path / "gan.keras")
    script = (
        "import zoo, keras\n"
        f"gan = keras.models.load_model({str(tmp_path / 'gan.keras')!r})\n"
        "print(type(gan).__name__, gan.generate(2, seed=0).shape)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("DCGAN (2, 8, 8, 1)\n", "")


def test_what_fails_during_a_quiet_import_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with imports._quiet():
            os.write(2, b"a library is missing\n")
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    with imports._quiet():
        os.write(2, b"a note\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "a library is missing\nafter\n"


def test_export_serves_what_the_model_draws(tmp_path: pathlib.Path) -> None:
    gan = build()
    gan.export(tmp_path / "served", verbose=False)
    latents = np.random.default_rng(0).uniform(-1, 1, (3, 4)).astype(np.float32)
    served = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(served.serve(latents), gan(latents), atol=1e-6)
    with pytest.raises(ValueError, match="by gan.ema_generator.export. Received: 'onnx'"):
        gan.export(tmp_path / "other", format="onnx")


def test_export_of_a_model_with_labels(tmp_path: pathlib.Path) -> None:
    gan = zoo.CGAN(resolution=8, channels=1, num_classes=3, latent_dim=4)
    gan.export(tmp_path / "served", verbose=False)
    given = (np.ones((2, 4), np.float32), np.array([0, 2], np.int32))
    served = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(served.serve(given), gan(given), atol=1e-6)


def test_no_latents_make_no_images() -> None:
    gan = zoo.DCGAN(resolution=28, channels=1, latent_dim=4, width=16, architecture="small")
    none = np.zeros((0, 4), np.float32)
    for made in (gan(none), gan.predict(none, verbose=0)):
        assert made.shape == (0, 28, 28, 1)
    assert gan.discriminate(np.zeros((0, 28, 28, 1), np.uint8)).shape == (0,)


def test_one_image_for_each_label() -> None:
    gan = zoo.CGAN(resolution=8, channels=1, num_classes=3, latent_dim=4)
    expected = gan.generate(3, seed=5, labels=[2, 0, 1])
    np.testing.assert_array_equal(gan.generate(seed=5, labels=[2, 0, 1]), expected)
    np.testing.assert_array_equal(gan.generate(None, seed=5, labels=np.array([2, 0, 1])), expected)
    assert len(gan.generate(labels=2)) == len(gan.generate()) == 1
    with pytest.raises(ValueError, match="Received: 3 labels for 2 image"):
        gan.generate(2, labels=[2, 0, 1])
    with pytest.raises(ValueError, match="n must be at least 1. Received: 0"):
        gan.generate(labels=[])
    truncating = zoo.BigGAN(
        resolution=32, channels=1, num_classes=3, width=4, attention=0, shared_dim=4
    )
    assert len(truncating.generate(truncation=[0.5, 1.0])) == 2
    with pytest.raises(ValueError, match="one row for each image. Received: 3 labels, 2 truncat"):
        truncating.generate(labels=[0, 1, 2], truncation=[0.5, 1.0])


def test_only_a_logit_becomes_a_probability(tmp_path: pathlib.Path) -> None:
    gan = build()
    images = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1)).astype(np.float32)
    output = gan.discriminator(images, training=False).numpy()[:, 0]
    probability = 1 / (1 + np.exp(-output))
    np.testing.assert_allclose(gan.discriminate(images), probability, rtol=1e-5)
    for loss in ("least_squares", "hinge", "wasserstein", lambda real, fake: 0.0):
        gan.compile(discriminator_loss=loss)
        np.testing.assert_allclose(gan.discriminate(images), output, rtol=1e-5)
    # The preset remembers how D was trained.
    gan.save_to_preset(tmp_path / "scored")
    loaded = zoo.load(tmp_path / "scored")
    assert loaded.discriminator_output == "score"
    np.testing.assert_allclose(loaded.discriminate(images), output, rtol=1e-5)
    gan.compile()
    np.testing.assert_allclose(gan.discriminate(images), probability, rtol=1e-5)


def test_networks_of_another_size_are_refused_when_they_are_built() -> None:
    class Wrong(zoo.DCGAN):
        wrong = "generator"

        def _check_network(self, network: keras.Model, *specs: tf.TensorSpec, **how: object):
            if network is getattr(self, self.wrong):
                how["gives"] = [*how["gives"][:-1], 3]
            super()._check_network(network, *specs, **how)

    arguments = {"resolution": 8, "channels": 1, "width": 4, "architecture": "small"}
    message = r"generator of Wrong must return \[N, 8, 8, 3\]. Received: \[N, 8, 8, 1\]"
    with pytest.raises(ValueError, match=message):
        Wrong(**arguments)
    Wrong.wrong = "discriminator"
    with pytest.raises(ValueError, match=r"discriminator of Wrong must return \[N, 3\]. Rec.*N, 1"):
        Wrong(**arguments)
