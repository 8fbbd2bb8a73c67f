"""What the base class promises, beyond the battery."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.eager import EAGER
from trainers.strategy import make_strategy
from zoo.core import step

pytestmark = EAGER


@pytest.fixture
def gan() -> zoo.DCGAN:
    tf.keras.utils.set_random_seed(0)
    return zoo.DCGAN(resolution=16, channels=1, latent_dim=4, width=4)


def test_the_average_is_the_formula(gan: zoo.DCGAN) -> None:
    """ema <- d ema + (1 - d) w with d = min(decay, (1 + t) / (10 + t)), by hand over 12 steps."""
    gan.ema_decay = 0.5  # reached at t = 8
    gan.compile()
    images = np.random.default_rng(0).uniform(-1, 1, (8, 16, 16, 1)).astype(np.float32)
    expected = [w.astype(np.float64) for w in gan.generator.get_weights()]
    for t in range(12):
        gan.fit(tf.data.Dataset.from_tensors(images), verbose=0)
        decay = min(0.5, (1 + t) / (10 + t))
        expected = [
            decay * e + (1 - decay) * w
            for e, w in zip(expected, gan.generator.get_weights(), strict=True)
        ]
    for e, w in zip(expected, gan.ema_generator.get_weights(), strict=True):
        np.testing.assert_allclose(w, e, atol=1e-6)


def test_the_update_is_the_gradient_of_the_mean_loss(gan: zoo.DCGAN) -> None:
    """One SGD step against finite differences of the loss that the paper states."""
    rate = 1e-3
    gan.compile(generator_optimizer="sgd", discriminator_optimizer=tf.keras.optimizers.SGD(rate))
    images = np.random.default_rng(0).uniform(-1, 1, (4, 16, 16, 1)).astype(np.float32)
    seed = gan.step_seed("latents")
    fakes = gan.generator(gan.draw_latents([4, 4], seed), training=True)
    kernel = gan.discriminator.layers[0].kernel
    before = kernel.numpy()

    def loss(value: np.ndarray) -> float:
        kernel.assign(value)
        real = gan.discriminator(images, training=True).numpy().astype(np.float64)
        fake = gan.discriminator(fakes, training=True).numpy().astype(np.float64)
        return np.mean(np.log1p(np.exp(-real))) + np.mean(np.log1p(np.exp(fake)))

    direction = np.random.default_rng(1).normal(size=before.shape).astype(np.float32)
    direction /= np.linalg.norm(direction)
    h = 3e-4
    slope = (loss(before + h * direction) - loss(before - h * direction)) / (2 * h)
    kernel.assign(before)
    gan.fit(tf.data.Dataset.from_tensors(images), verbose=0)
    moved = float(np.sum((kernel.numpy() - before) * direction))
    assert moved == pytest.approx(-rate * slope, rel=0.02)


@pytest.mark.slow
def test_training_is_a_function_of_the_seed() -> None:
    images = np.random.default_rng(0).uniform(-1, 1, (8, 16, 16, 1)).astype(np.float32)

    def trained(seed: int) -> np.ndarray:
        tf.keras.utils.set_random_seed(0)
        gan = zoo.DCGAN(resolution=16, channels=1, latent_dim=4, width=4)
        gan.compile(seed=seed)
        gan.fit(tf.data.Dataset.from_tensors(images).repeat(2), verbose=0)
        return gan.generator.get_weights()[0]

    np.testing.assert_array_equal(trained(1), trained(1))
    assert np.abs(trained(1) - trained(2)).max() > 0


def test_without_a_seed_images_are_fresh(gan: zoo.DCGAN) -> None:
    assert np.any(gan.generate(2) != gan.generate(2))


def test_discriminate_takes_bytes_and_floats_alike(gan: zoo.DCGAN) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 1), np.uint8)
    floats = images.astype(np.float32) / 127.5 - 1
    np.testing.assert_array_equal(gan.discriminate(images), gan.discriminate(floats))
    logits = gan.discriminator(floats, training=False).numpy()[:, 0]
    np.testing.assert_allclose(gan.discriminate(images), 1 / (1 + np.exp(-logits)), rtol=1e-5)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            np.zeros((2, 28, 28, 1), np.float32),
            r"trains on images \[N, 16, 16, 1\] .* Received: \(2, 28, 28, 1\)",
        ),
        (np.zeros((2, 16, 16, 1), np.uint8), "x / 127.5 - 1 converts uint8. Received: uint8"),
        (
            (np.zeros((2, 16, 16, 1), np.float32), np.zeros(2, np.int64)),
            r"by dataset.map\(lambda image, label: image\). Received: tuple of 2",
        ),
        (np.zeros((16, 16, 1), np.float32), r"single images: use dataset.batch\(64\). Received: "),
    ],
)
def test_fit_refuses_other_images(gan: zoo.DCGAN, images: np.ndarray, message: str) -> None:
    gan.compile()
    with pytest.raises(ValueError, match=message):
        gan.fit(tf.data.Dataset.from_tensors(images), verbose=0)


@pytest.mark.parametrize(
    "value", [pytest.param(np.nan, marks=pytest.mark.traced), np.inf, -1.5, 255.0]
)
def test_fit_refuses_values_out_of_range_before_they_harm(gan: zoo.DCGAN, value: float) -> None:
    images = np.zeros((4, 16, 16, 1), np.float32)
    images[1, 2, 3] = value
    gan.compile()
    before = gan.discriminator.get_weights()
    rule = r"Images must be finite and in \[-1, 1\]; x / 127.5 - 1 converts 0 to 255."
    with pytest.raises(ValueError, match=rule):
        gan.fit(tf.data.Dataset.from_tensors(images), verbose=0)
    for a, b in zip(before, gan.discriminator.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert all(np.isfinite(w).all() for w in gan.generator.get_weights())
    with pytest.raises(ValueError, match=rule):
        gan.discriminate(images)


def test_the_check_of_values_compiles(gan: zoo.DCGAN) -> None:
    images = tf.ones([4, 16, 16, 1])
    checked = tf.function(gan.check_batch, jit_compile=True)(images)
    np.testing.assert_array_equal(checked, images)


def test_generate_refuses_less_than_one(gan: zoo.DCGAN) -> None:
    with pytest.raises(ValueError, match="n must be at least 1. Received: 0"):
        gan.generate(0)


def test_numpy_integers_are_integers(gan: zoo.DCGAN) -> None:
    drawn = gan.generate(np.int64(3), seed=np.uint8(5))
    np.testing.assert_array_equal(drawn, gan.generate(3, seed=5))
    for n in (1.5, 2.0, "3"):
        with pytest.raises(ValueError, match=f"n must be an integer. Received: {n!r}"):
            gan.generate(n)
    with pytest.raises(ValueError, match="seed must be an integer. Received: 0.5"):
        gan.generate(1, seed=0.5)


def test_a_keras_file_goes_on_training(gan: zoo.DCGAN, tmp_path: pathlib.Path) -> None:
    """Two steps, a file, a third step: as three steps at a stretch."""
    images = np.random.default_rng(0).uniform(-1, 1, (8, 16, 16, 1)).astype(np.float32)
    dataset = tf.data.Dataset.from_tensors(images)
    gan.compile(discriminator_optimizer=tf.keras.optimizers.Adam(1e-3), seed=3)
    keep = tf.keras.callbacks.ModelCheckpoint(str(tmp_path / "gan.keras"))
    gan.fit(dataset.repeat(2), verbose=0, callbacks=[keep])
    loaded = tf.keras.models.load_model(tmp_path / "gan.keras")
    assert type(loaded) is zoo.DCGAN
    for model in (gan, loaded):
        model.fit(dataset, verbose=0)
    assert int(loaded.steps.numpy()) == 3
    assert int(loaded.images_seen.numpy()) == 24
    assert float(loaded.discriminator_optimizer.learning_rate.numpy()) == np.float32(1e-3)
    pairs = zip(gan.variables, loaded.variables, strict=True)
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in pairs)
    with pytest.raises(ValueError, match=r"saved as .keras, or by save_to_preset.*gan.h5"):
        gan.save(tmp_path / "gan.h5")


def test_what_a_gan_has_not(gan: zoo.DCGAN) -> None:
    images = np.zeros((4, 16, 16, 1), np.float32)
    with pytest.raises(TypeError, match="compile takes generator_optimizer.* Received: loss, opt"):
        gan.compile(optimizer="adam", loss="mse")
    gan.compile()
    for call in (
        lambda: gan.fit(images, validation_data=images),
        lambda: gan.fit(images, validation_split=0.5),
        lambda: gan.evaluate(images),
    ):
        with pytest.raises(ValueError, match="A GAN has no validation loss: measure its images"):
            call()
    assert int(gan.steps.numpy()) == 0
    for call in (gan, gan.predict):
        with pytest.raises(ValueError) as error:  # noqa: PT011 (the whole message is below)
            call(images)
        message = "DCGAN takes latents [N, 4]. Received: (4, 16, 16, 1)."
        assert str(error.value) == message
    assert gan.predict(np.zeros((3, 4), np.float32), verbose=0).shape == (3, 16, 16, 1)


class Plain(zoo.DCGAN):
    """Without batch norm, so that a batch in parts is the same sum as the batch at once."""

    def __init__(self) -> None:
        super().__init__(resolution=8, channels=1, latent_dim=4, width=4, architecture="small")
        layers = tf.keras.layers
        self.generator = tf.keras.Sequential(
            [layers.Input((4,)), layers.Dense(64, "tanh"), layers.Reshape((8, 8, 1))],
            name="generator",
        )
        self.ema_generator = tf.keras.models.clone_model(self.generator)


@pytest.mark.parametrize(
    ("parts", "replicas"),
    # The battery has replicas of a whole batch.
    [(4, 1), pytest.param(2, 2, marks=[pytest.mark.traced, pytest.mark.slow])],
)
def test_a_batch_in_parts_is_the_batch(parts: int, replicas: int) -> None:
    images = np.random.default_rng(0).uniform(-1, 1, (8, 8, 8, 1)).astype(np.float32)
    table = tf.constant(np.random.default_rng(1).uniform(-1, 1, (8, 4)), tf.float32)

    def draw(shape: list[int], seed: tf.Tensor) -> tf.Tensor:
        """Row i of the batch has latents i, on whichever replica and in whichever part."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        count = tf.distribute.get_strategy().num_replicas_in_sync
        return table[replica * (8 // count) + step.current.part * shape[0] :][: shape[0]]

    trained = []
    for accumulate, strategy in ((1, "one"), (parts, "one" if replicas == 1 else "mirrored")):
        tf.keras.utils.set_random_seed(0)
        with make_strategy(strategy).scope():
            gan = Plain()
            gan.compile(
                generator_optimizer=tf.keras.optimizers.SGD(0.5),
                discriminator_optimizer=tf.keras.optimizers.SGD(0.5),
                accumulate=accumulate,
            )
        gan.draw_latents = draw
        gan.fit(tf.data.Dataset.from_tensors(images).repeat(3), verbose=0)
        trained.append(gan.generator.get_weights() + gan.discriminator.get_weights())
    for a, b in zip(*trained, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_parts_draw_differently(gan: zoo.DCGAN, monkeypatch: pytest.MonkeyPatch) -> None:
    gan.compile(accumulate=2)
    monkeypatch.setattr(step.current, "parts", 2)
    first = gan.step_seed("latents")
    assert np.any(first.numpy() != gan.step_seed("labels").numpy())
    monkeypatch.setattr(step.current, "part", 1)
    assert np.any(first.numpy() != gan.step_seed("latents").numpy())


def test_an_overflow_in_float16_skips_the_update() -> None:
    tf.keras.config.set_dtype_policy("mixed_float16")
    try:
        gan = zoo.DCGAN(resolution=8, channels=1, latent_dim=4, width=4, architecture="small")
        scaled = tf.keras.optimizers.LossScaleOptimizer(
            tf.keras.optimizers.SGD(), initial_scale=2.0**40
        )
        gan.compile(generator_optimizer=scaled)
    finally:
        tf.keras.config.set_dtype_policy("float32")
    assert isinstance(gan.discriminator_optimizer, tf.keras.optimizers.LossScaleOptimizer)
    images = np.random.default_rng(0).uniform(-1, 1, (8, 8, 8, 1)).astype(np.float32)
    before = [v.numpy() for v in gan.generator.trainable_variables]
    gan.fit(tf.data.Dataset.from_tensors(images), verbose=0)
    for old, variable in zip(before, gan.generator.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())
    assert float(scaled.dynamic_scale.numpy()) == 2.0**39
