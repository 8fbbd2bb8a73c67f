"""What a class of a user's own may rely on: plain Keras in `train_step`, the rest by the base."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.eager import EAGER
from trainers.strategy import make_strategy
from zoo.core import presets
from zoo.core.presets import PresetError

pytestmark = EAGER


class LeastSquares(zoo.DCGAN):
    """As in a Keras guide: GradientTape, `optimizer.apply`, a dict of losses."""

    def train_step(self, images):
        latents = tf.random.stateless_normal([tf.shape(images)[0], self.latent_dim], [1, 2])
        with tf.GradientTape() as tape:
            real = self.discriminator(images, training=True)
            fake = self.discriminator(self.generator(latents, training=True), training=True)
            d_loss = tf.reduce_mean((real - 1.0) ** 2) + tf.reduce_mean(fake**2)
        weights = self.discriminator.trainable_weights
        self.discriminator_optimizer.apply(tape.gradient(d_loss, weights), weights)
        with tf.GradientTape() as tape:
            fake = self.discriminator(self.generator(latents, training=True), training=True)
            lsgan_loss = tf.reduce_mean((fake - 1.0) ** 2)
        weights = self.generator.trainable_weights
        gradients = tape.gradient(lsgan_loss, weights)
        self.generator_optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return {"d_loss": d_loss, "lsgan_loss": lsgan_loss}


def build(*, discriminator_rate: float = 0.1, **compiled: object) -> LeastSquares:
    keras.utils.set_random_seed(0)
    gan = LeastSquares(
        resolution=8, channels=1, latent_dim=4, width=4, architecture="small", ema_decay=0.5
    )
    sgd = keras.optimizers.SGD
    gan.compile(sgd(0.1), sgd(discriminator_rate), **compiled)
    return gan


def images(count: int) -> tf.data.Dataset:
    pixels = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 1)).astype(np.float32)
    # The same half twice, so that parts and replicas are alike, batch norm and latents included.
    return tf.data.Dataset.from_tensors(np.concatenate([pixels, pixels])).repeat(count)


def test_a_plain_keras_step_trains() -> None:
    gan = build()
    before = gan.generate(4, seed=0)
    start = gan.ema_generator.get_weights()
    history = gan.fit(images(3), verbose=0).history
    assert set(history) == {"d_loss", "lsgan_loss"}
    assert history["lsgan_loss"][0] > 0
    assert int(gan.steps.numpy()) == 3
    assert int(gan.images_seen.numpy()) == 24
    # The average moves, and is what draws.
    assert any(np.any(a != b) for a, b in zip(start, gan.ema_generator.get_weights(), strict=True))
    assert np.any(gan.generate(4, seed=0) != before)


@pytest.mark.parametrize(
    ("parts", "replicas"), [(2, 1), pytest.param(1, 2, marks=pytest.mark.slow)]
)
def test_a_plain_keras_step_in_parts_and_on_replicas(parts: int, replicas: int) -> None:
    """One update by D and one by G of the mean over the whole batch, as on one device."""
    strategy = make_strategy("mirrored" if replicas == 2 else "one")
    with strategy.scope():
        shared = build(accumulate=parts)
    # Halves that are alike: the batch's statistics and the latents are those of a half.
    half = images(1).map(lambda batch: batch[:4])
    whole = build(run_eagerly=True)
    whole.fit(half, verbose=0)
    # In parts, all gradients of a step are taken before its updates, unless these take turns.
    still = build(run_eagerly=True, discriminator_rate=0.0 if parts == 2 else 0.1)
    still.fit(half, verbose=0)
    shared.fit(images(1), verbose=0)
    for optimizer in (shared.generator_optimizer, shared.discriminator_optimizer):
        assert int(optimizer.iterations.numpy()) == 1
    expected = [*whole.discriminator.trainable_weights, *still.generator.trainable_weights]
    ours = [*shared.discriminator.trainable_weights, *shared.generator.trainable_weights]
    for a, b in zip(expected, ours, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-6)


def test_its_preset_loads_as_that_class(tmp_path: pathlib.Path) -> None:
    gan = build()
    gan.save_to_preset(tmp_path / "mine")
    loaded = zoo.load(tmp_path / "mine")
    assert type(loaded) is LeastSquares
    assert type(LeastSquares.from_preset(tmp_path / "mine")) is LeastSquares
    assert type(zoo.DCGAN.from_preset(tmp_path / "mine")) is zoo.DCGAN
    np.testing.assert_array_equal(loaded.generate(2, seed=0), gan.generate(2, seed=0))
    config = tmp_path / "mine" / "config.json"
    other = config.read_text().replace(">LeastSquares", ">Unknown")
    config.write_text(other)
    with pytest.raises(PresetError, match="sha256"):
        zoo.load(tmp_path / "mine")


def test_a_class_that_is_not_imported_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gan = build()
    monkeypatch.setattr(gan, "_derived_name", lambda: "elsewhere.models>Mine")
    gan.save_to_preset(tmp_path / "mine")
    message = "import Mine from elsewhere.models first, or load it as the family's with zoo.DCGAN"
    with pytest.raises(PresetError, match=message):
        zoo.load(tmp_path / "mine")


def test_a_step_must_return_scalars() -> None:
    class Silent(zoo.DCGAN):
        def train_step(self, images):
            pass

    gan = Silent(resolution=8, channels=1, latent_dim=4, width=4, architecture="small")
    gan.compile()
    with pytest.raises(ValueError, match="train_step of Silent must return a dict of scalars"):
        gan.fit(images(1), verbose=0)


def test_two_families_of_one_name() -> None:
    with pytest.raises(TypeError, match="A family's name must be unique. Received: 'dcgan'"):

        class Other(zoo.DCGAN):
            family = "dcgan"


def test_a_family_without_a_name_or_a_size() -> None:
    from zoo.core.noise_to_image import NoiseToImage

    class Nameless(NoiseToImage):
        pass

    class Sizeless(NoiseToImage):
        family = "sizeless"

    parts = {"generator": None, "discriminator": None}
    with pytest.raises(TypeError, match="set `family` in Nameless"):
        Nameless(**parts, config={})
    message = "config of Sizeless must hold resolution, channels, latent_dim. .* without latent_dim"
    with pytest.raises(TypeError, match=message):
        Sizeless(**parts, config={"resolution": 8, "channels": 1})


def test_a_config_without_an_argument() -> None:
    from zoo.core.noise_to_image import NoiseToImage

    class Forgetful(NoiseToImage):
        family = "forgetful"

        def __init__(self, resolution: int = 8, width: int = 4, **kwargs: object) -> None:
            config = {"resolution": resolution, "channels": 1, "latent_dim": 4}
            super().__init__(generator=None, discriminator=None, config=config, **kwargs)

    with pytest.raises(TypeError, match="config of Forgetful must hold .* none for width"):
        Forgetful()


def test_a_family_of_another_name_than_its_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(presets.FAMILIES, "dcgam", "zoo.dcgan:DCGAN")
    message = "zoo.dcgan.DCGAN is registered as 'dcgam', and must set family = 'dcgam'"
    with pytest.raises(PresetError, match=message):
        presets.family_class("dcgam")


def test_losses_of_ones_own() -> None:
    """By name or as functions; what is learnt is their gradient."""

    def generator_loss(fake_logits):
        return tf.reduce_mean(-fake_logits)

    gan = zoo.DCGAN(resolution=8, channels=1, latent_dim=4, width=4, architecture="small")
    gan.compile(generator_loss=generator_loss, discriminator_loss="hinge", run_eagerly=True)
    z = tf.random.stateless_uniform([8, 4], [0, 1])
    gan.draw_latents = lambda shape, seed: z
    real = gan.discriminator(next(iter(images(1))), training=True)
    fake = gan.discriminator(gan.generator(z, training=True), training=True)
    hinge = np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake.numpy()).mean()
    history = gan.fit(images(1), verbose=0).history
    assert history["d_loss"] == [pytest.approx(hinge, rel=1e-5)]
    assert history["g_loss"] == [pytest.approx(-float(tf.reduce_mean(fake)), rel=1e-5)]
    with pytest.raises(ValueError, match="generator_loss must be one of .* Did you mean 'hinge'"):
        gan.compile(generator_loss="hinje")
    with pytest.raises(ValueError, match="alternate is not an option of BigGAN"):
        zoo.BigGAN(resolution=32, num_classes=2, width=4, attention=0).compile(alternate=True)
