"""The first GAN: its parts against the formulas of the paper and its code."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.zoo.steps import check_step, softplus
from zoo.nn import losses
from zoo.nn.goodfellow_sgd import GoodfellowSGD


@pytest.fixture
def gan() -> zoo.VanillaGAN:
    keras.utils.set_random_seed(0)
    return zoo.VanillaGAN(
        resolution=4, latent_dim=3, generator_width=8, discriminator_width=5, pieces=2
    )


def test_minimax_generator_is_the_formula() -> None:
    logits = np.linspace(-6.0, 6.0, 13)
    expected = np.mean(np.log(1.0 - 1.0 / (1.0 + np.exp(-logits))))
    np.testing.assert_allclose(losses.minimax_generator(logits), expected, rtol=1e-12)


def test_latents_have_the_codes_range_and_variance_one(gan: zoo.VanillaGAN) -> None:
    z = gan.draw_latents([20_000], [1, 2]).numpy()
    assert 1.72 < np.abs(z).max() <= np.float32(np.sqrt(3))
    assert abs(z.mean()) < 0.03
    assert abs(z.var() - 1.0) < 0.03


def test_networks_are_the_formulas(gan: zoo.VanillaGAN) -> None:
    """By hand in numpy, from the weights alone."""
    rng = np.random.default_rng(0)
    z = rng.uniform(-1, 1, (6, 3)).astype(np.float32)
    w1, b1, w2, b2, w3, b3 = gan.generator.get_weights()
    hidden = np.maximum(np.maximum(z @ w1 + b1, 0) @ w2 + b2, 0)
    pixels = 1 / (1 + np.exp(-(hidden @ w3 + b3)))
    np.testing.assert_allclose(gan.generator(z), 2 * pixels.reshape(6, 4, 4, 1) - 1, atol=1e-6)
    gan.discriminator.set_weights(
        [rng.normal(size=w.shape) for w in gan.discriminator.get_weights()]
    )
    w1, b1, w2, b2, w3, b3 = gan.discriminator.get_weights()
    x = rng.uniform(-1, 1, (6, 4, 4, 1)).astype(np.float32)
    h = (x.reshape(6, 16) + 1) / 2
    for w, b in ((w1, b1), (w2, b2)):
        h = np.stack(
            [(h @ w[:, 2 * i : 2 * i + 2] + b[2 * i : 2 * i + 2]).max(1) for i in range(5)], 1
        )
    np.testing.assert_allclose(gan.discriminator(x), h @ w3 + b3, rtol=1e-4, atol=1e-4)


def test_weights_begin_as_in_the_code() -> None:
    gan = zoo.VanillaGAN(resolution=8, latent_dim=20)
    for network, limit in ((gan.generator, 0.05), (gan.discriminator, 0.005)):
        for weight in network.get_weights():
            if weight.ndim == 2:
                assert 0.9 * limit < np.abs(weight).max() <= limit
            else:
                assert not weight.any()


def test_adapt_draws_the_mean_image(gan: zoo.VanillaGAN, fashion: np.ndarray) -> None:
    images = fashion[:, 12:16, 12:16]
    gan.adapt(tf.data.Dataset.from_tensor_slices(images).batch(100))
    for network in (gan.generator, gan.ema_generator):
        network.get_layer("pixels").kernel.assign(tf.zeros([8, 16]))
        drawn = network(tf.zeros([1, 3]))[0]
        np.testing.assert_allclose(drawn, images.mean(axis=0), atol=1e-5)


def test_dropout_is_drawn_from_the_step(gan: zoo.VanillaGAN) -> None:
    from zoo.nn.layers import Dropout, random_draws

    layer, x = Dropout(0.2), tf.ones([200, 100])
    with random_draws(tf.constant([1, 2], tf.int64)):
        first, second = layer(x, training=True), layer(x, training=True)
    with random_draws(tf.constant([1, 2], tf.int64)):
        again = layer(x, training=True)
    np.testing.assert_array_equal(first, again)
    assert np.any(first.numpy() != second.numpy())
    assert set(np.unique(first)) == {np.float32(0), np.float32(1.25)}
    assert abs(np.mean(first.numpy() > 0) - 0.8) < 0.01
    np.testing.assert_array_equal(layer(x), x)
    with pytest.raises(RuntimeError, match="must be called inside `random_draws"):
        layer(x, training=True)
    with pytest.raises(ValueError, match="rate must be in .0, 1.. Received: 1.0"):
        Dropout(1.0)
    images = np.random.default_rng(0).uniform(-1, 1, (8, 4, 4, 1)).astype(np.float32)
    gan.compile()
    gan.fit(tf.data.Dataset.from_tensors(images), verbose=0)


@pytest.mark.parametrize(
    ("updates", "epoch"), [(0, 1), (1, 1), (500, 2), (500 * 249, 250), (500 * 400, 401)]
)
def test_the_optimizer_is_the_codes_schedule(updates: int, epoch: int) -> None:
    variable = keras.Variable([2.0])
    optimizer = GoodfellowSGD()
    optimizer.build([variable])
    optimizer.iterations.assign(updates)
    velocity = 0.0
    expected = 2.0
    for t in (updates, updates + 1):
        momentum = 0.5 + 0.2 * min(max((epoch - 1) / 249, 0.0), 1.0)
        rate = max(0.1 * 1.000004**-t, 1e-6)
        velocity = momentum * velocity - rate * 3.0
        expected += velocity
        optimizer.apply([tf.constant([3.0])], [variable])
    np.testing.assert_allclose(variable.numpy(), [expected], rtol=1e-4)


def test_bad_arguments_are_one_line() -> None:
    with pytest.raises(ValueError, match="pieces must be at least 1. Received: 0"):
        zoo.VanillaGAN(pieces=0)
    with pytest.raises(ValueError, match="one of non_saturating, minimax, .* Received: 'hinje'"):
        zoo.VanillaGAN(resolution=4).compile(generator_loss="hinje")


@pytest.mark.parametrize("generator_loss", ["non_saturating", "minimax"])
def test_a_step_is_the_papers(generator_loss: str) -> None:
    keras.utils.set_random_seed(0)
    gan = zoo.VanillaGAN(4, 1, 3, 8, 5, 2, dropout=False)
    images = tf.random.stateless_uniform([6, 4, 4, 1], [0, 1], -1, 1)
    z = tf.random.stateless_normal([6, 3], [0, 2])
    gan.draw_latents = lambda shape, seed: z

    def formula():
        real, fake = gan.discriminator(images), gan.discriminator(gan.generator(z))
        # Half of equation 1, each side: -log D(x), -log(1 - D(G(z))).
        d_terms = [0.5 * softplus(-real), 0.5 * softplus(fake)]
        g_loss = softplus(-fake) if generator_loss == "non_saturating" else -softplus(fake)
        told = {"d_loss": sum(d_terms), "g_loss": g_loss}
        return {"discriminator": d_terms, "generator": [g_loss]}, told

    check_step(gan, images, formula, generator_loss=generator_loss)
