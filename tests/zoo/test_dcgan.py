"""DCGAN's networks against the paper's figure 1 and the counts of its reference code."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.zoo.steps import check_adam_step, check_step, softplus


def convolutions(network) -> list[tuple[int, ...]]:
    return [v.shape for v in network.trainable_variables if len(v.shape) == 4]


def parameters(network) -> int:
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def test_the_defaults_are_the_paper() -> None:
    gan = zoo.DCGAN()
    assert gan.image_shape == (64, 64, 3)
    assert gan.latent_dim == 100
    # Transposed kernels are [h, w, out, in].
    assert convolutions(gan.generator) == [
        (5, 5, 512, 1024),
        (5, 5, 256, 512),
        (5, 5, 128, 256),
        (5, 5, 3, 128),
    ]
    assert convolutions(gan.discriminator) == [
        (5, 5, 3, 128),
        (5, 5, 128, 256),
        (5, 5, 256, 512),
        (5, 5, 512, 1024),
    ]
    # Batch norm: in G before every ReLU, on 16,384 dense units first; in D not on the first layer.
    norms = [
        [layer.gamma.shape[0] for layer in network.layers if "batch_norm" in layer.name]
        for network in (gan.generator, gan.discriminator)
    ]
    assert norms == [[16384, 512, 256, 128], [256, 512, 1024]]


@pytest.mark.parametrize("resolution", [16, 32, 128])
@pytest.mark.parametrize("width", [8, 24])
def test_counts_follow_resolution_and_width(resolution: int, width: int) -> None:
    gan = zoo.DCGAN(resolution=resolution, channels=1, latent_dim=10, width=width)
    features = [width * resolution // 8]
    while features[-1] > width:
        features.append(features[-1] // 2)
    top = 16 * features[0]
    generator = 10 * top + 2 * top
    for a, b in itertools.pairwise(features):
        generator += 25 * a * b + 2 * b
    generator += 25 * width
    discriminator = 25 * width
    for a, b in itertools.pairwise(features):
        discriminator += 25 * a * b + 2 * a
    discriminator += top
    assert parameters(gan.generator) == generator
    assert parameters(gan.discriminator) == discriminator
    assert gan.image_shape == (resolution, resolution, 1)


def test_initial_weights() -> None:
    gan = zoo.DCGAN(resolution=32, width=64)
    kernel = gan.generator.layers[0].kernel.numpy()
    assert abs(kernel.std() - 0.02) < 0.001
    gammas = np.concatenate(
        [layer.gamma.numpy() for layer in gan.generator.layers if "batch_norm" in layer.name]
    )
    assert abs(gammas.mean() - 1) < 0.005
    assert abs(gammas.std() - 0.02) < 0.002


def test_optimizers_are_the_papers() -> None:
    gan = zoo.DCGAN(resolution=16, width=8)
    gan.compile()
    for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
        assert isinstance(optimizer, keras.optimizers.Adam)
        assert float(optimizer.learning_rate) == pytest.approx(2e-4)
        assert optimizer.beta_1 == 0.5
        assert optimizer.epsilon == 1e-8
    gan.compile(generator_optimizer="sgd")
    assert gan.generator_optimizer.name.startswith("sgd")
    assert isinstance(gan.discriminator_optimizer, keras.optimizers.Adam)


def test_latents_are_uniform() -> None:
    gan = zoo.DCGAN(resolution=16, width=8)
    latents = gan.latents_from_seeds(tf.range(200, dtype=tf.int64)).numpy()
    assert latents.shape == (200, 100)
    assert -1 <= latents.min() < -0.99
    assert 0.99 < latents.max() < 1
    assert abs(latents.std() - 1 / np.sqrt(3)) < 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(resolution=48), "power of two from 16 for architecture='paper'. Received: 48"),
        (dict(resolution=30, architecture="small"), "multiple of 4 from 8 .* Received: 30"),
        (dict(resolution=32.0), "resolution must be an integer. Received: 32.0"),
        (dict(width="64"), "width must be an integer. Received: '64'"),
        (dict(architecture="big"), "must be 'paper' or 'small'. Received: 'big'"),
        (dict(latent_dim=0), "must be at least 1. Received: 3, 0, 128"),
        (dict(ema_decay=1.0), r"ema_decay must be in \[0, 1\). Received: 1.0"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        zoo.DCGAN(**arguments)


def small() -> tuple[zoo.DCGAN, tf.Tensor, tf.Tensor]:
    """A model, images, and the latents that it will draw."""
    keras.utils.set_random_seed(0)
    gan = zoo.DCGAN(resolution=16, channels=1, latent_dim=4, width=4)
    images = tf.random.stateless_uniform([6, 16, 16, 1], [0, 1], -1, 1)
    z = tf.random.stateless_uniform([6, 4], [0, 2], -1, 1)
    gan.draw_latents = lambda shape, seed: z
    return gan, images, z


def game(gan: zoo.DCGAN, images: tf.Tensor, z: tf.Tensor):
    """D normalises real images and fakes each as a batch of their own."""
    real = gan.discriminator(images, training=True)
    fake = gan.discriminator(gan.generator(z, training=True), training=True)
    d_terms, g_loss = [softplus(-real), softplus(fake)], softplus(-fake)
    told = {"d_loss": sum(d_terms), "g_loss": g_loss}
    return {"discriminator": d_terms, "generator": [g_loss]}, told


def test_a_step_is_the_papers() -> None:
    gan, images, z = small()
    check_step(gan, images, lambda: game(gan, images, z))


def test_an_update_is_that_of_the_papers_code() -> None:
    gan, images, z = small()
    check_adam_step(gan, images, lambda: game(gan, images, z))
