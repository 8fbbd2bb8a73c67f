"""Losses against the equations, computed from probabilities in float64."""

import functools

import keras
import numpy as np
import tensorflow as tf

import zoo
from tests.zoo.steps import check_step, softplus, squared_gradients
from zoo.nn import losses, regularizers

REAL = np.array([[-3.0], [0.0], [0.5], [4.0]])
FAKE = np.array([[-2.0], [-0.1], [1.0], [3.0]])


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def test_minimax_discriminator() -> None:
    expected = -np.mean(np.log(sigmoid(REAL))) - np.mean(np.log(1 - sigmoid(FAKE)))
    np.testing.assert_allclose(losses.minimax_discriminator(REAL, FAKE), expected, rtol=1e-12)


def test_non_saturating_generator() -> None:
    expected = -np.mean(np.log(sigmoid(FAKE)))
    np.testing.assert_allclose(losses.non_saturating_generator(FAKE), expected, rtol=1e-12)


def test_large_logits_stay_finite() -> None:
    huge = np.array([[-1e4], [1e4]], np.float32)
    assert np.isfinite(losses.minimax_discriminator(huge, huge))
    assert np.isfinite(losses.non_saturating_generator(huge))


def test_wasserstein() -> None:
    np.testing.assert_allclose(losses.wasserstein_discriminator(REAL, FAKE), 0.475 - 0.375)
    np.testing.assert_allclose(losses.wasserstein_generator(FAKE), -0.475)
    np.testing.assert_allclose(losses.drift(REAL), (9 + 0 + 0.25 + 16) / 4)


def test_hinge() -> None:
    real = (4 + 1 + 0.5 + 0) / 4  # 1 - D(x) where that is above 0
    fake = (0 + 0.9 + 2 + 4) / 4
    np.testing.assert_allclose(losses.hinge_discriminator(REAL, FAKE), real + fake)
    np.testing.assert_allclose(losses.hinge_generator(FAKE), -0.475)


def test_least_squares() -> None:
    expected = 0.5 * np.mean((REAL - 1) ** 2) + 0.5 * np.mean(FAKE**2)
    np.testing.assert_allclose(losses.least_squares_discriminator(REAL, FAKE), expected)
    expected = 0.5 * np.mean((FAKE - 1) ** 2)
    np.testing.assert_allclose(losses.least_squares_generator(FAKE), expected)


def test_unhalved_least_squares() -> None:
    expected = np.mean((REAL - 1) ** 2) + np.mean(FAKE**2)
    ours = losses.unhalved_least_squares_discriminator
    np.testing.assert_allclose(ours(REAL, FAKE), expected)
    assert losses.real_from(ours) == 0.5
    expected = np.mean((FAKE - 1) ** 2)
    np.testing.assert_allclose(losses.unhalved_least_squares_generator(FAKE), expected)


def test_relativistic_pairs() -> None:
    pairs = zip(REAL[:, 0], FAKE[:, 0], strict=True)
    expected = -np.mean([np.log(sigmoid(real - fake)) for real, fake in pairs])
    np.testing.assert_allclose(losses.relativistic_discriminator(REAL, FAKE), expected)
    expected = -np.mean(np.log(sigmoid(FAKE - REAL)))
    np.testing.assert_allclose(losses.relativistic_generator(REAL, FAKE), expected)


def test_half_precision_is_summed_in_single() -> None:
    real, fake = np.full(5000, 30.0, np.float16), np.full(5000, 20.0, np.float16)
    for loss in (
        losses.hinge_discriminator(real, fake),
        losses.least_squares_discriminator(real, fake),
        losses.relativistic_discriminator(fake, real),
    ):
        assert loss.dtype == "float32"
    np.testing.assert_allclose(losses.least_squares_discriminator(real, fake), 620.5)


class R3(zoo.DCGAN):
    """A game put together from the parts: relativistic pairs with R1 + R2 (R3GAN, equation 4)."""

    tracked = ("d_loss", "g_loss", "d_gradient_norm", "g_gradient_norm")

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        z = self.latents_for(images)

        def discriminator(x: tf.Tensor) -> tf.Tensor:
            return self.discriminator(x, training=True)

        with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
            fakes = self.generator(z, training=True)
            r1, real_logits = regularizers.r1_penalty(discriminator, images)
            r2, fake_logits = regularizers.r1_penalty(discriminator, tf.stop_gradient(fakes))
            d_loss = losses.relativistic_discriminator(real_logits, fake_logits) + 0.5 * (r1 + r2)
            g_loss = losses.relativistic_generator(real_logits, discriminator(fakes))
        norms = (
            self.minimize(d_tape, d_loss, self.discriminator),
            self.minimize(g_tape, g_loss, self.generator),
        )
        return {
            "d_loss": d_loss,
            "g_loss": g_loss,
            "d_gradient_norm": norms[0],
            "g_gradient_norm": norms[1],
        }


def test_relativistic_pairs_with_r1_and_r2_make_a_game() -> None:
    keras.utils.set_random_seed(0)
    gan = R3(resolution=16, channels=1, latent_dim=4, width=4)
    images = tf.random.stateless_uniform([6, 16, 16, 1], [0, 1], -1, 1)
    z = tf.random.stateless_uniform([6, 4], [0, 2], -1, 1)
    gan.draw_latents = lambda shape, seed: z

    def formula():
        discriminator = functools.partial(gan.discriminator, training=True)
        fakes = gan.generator(z, training=True)
        difference = discriminator(images) - discriminator(fakes)
        d_terms = [
            softplus(-difference),
            0.5 * tf.reduce_mean(squared_gradients(discriminator, images)),
            0.5 * tf.reduce_mean(squared_gradients(discriminator, tf.stop_gradient(fakes))),
        ]
        g_loss = softplus(difference)
        told = {"d_loss": sum(d_terms), "g_loss": g_loss}
        return {"discriminator": d_terms, "generator": [g_loss]}, told

    check_step(gan, images, formula, alternating=False)
