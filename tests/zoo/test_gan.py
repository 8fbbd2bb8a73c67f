"""What the base class promises, beyond the battery."""

import numpy as np
import pytest
import tensorflow as tf

import zoo


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
    (seed,) = gan.step_seeds(1)
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
        (np.zeros((2, 16, 16, 1), np.uint8), "uint8 becomes that by .* Received: uint8"),
    ],
)
def test_fit_refuses_other_images(gan: zoo.DCGAN, images: np.ndarray, message: str) -> None:
    gan.compile()
    with pytest.raises(ValueError, match=message):
        gan.fit(tf.data.Dataset.from_tensors(images), verbose=0)


def test_generate_refuses_less_than_one(gan: zoo.DCGAN) -> None:
    with pytest.raises(ValueError, match="n must be at least 1. Received: 0"):
        gan.generate(0)
