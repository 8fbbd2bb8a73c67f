"""R3GAN: networks, counts and game against the paper's code and computations of their own."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.zoo.steps import check_step, softplus, squared_gradients
from zoo.core import presets
from zoo.nn.layers import GroupedConv2D

SIZES = dict(resolution=8, fmap_base=32, fmap_max=16, blocks=2, group_size=4, latent_dim=6)


def build(**config) -> zoo.R3GAN:
    keras.utils.set_random_seed(0)
    return zoo.R3GAN(**{**SIZES, "augment": 0.0, **config})


# In the code's words: widths from 4 px up, channels in a group, classes.
PAPERS = {
    "r3gan_cifar10": ([768] * 4, 16, 10),
    "r3gan_ffhq_64": ([768] * 4 + [384], 16, 0),
    "r3gan_ffhq_256": ([768] * 4 + [384, 192, 96], 16, 0),
    "r3gan_imagenet_32": ([1536] * 4, 32, 1000),
    "r3gan_imagenet_64": ([1536] * 5, 32, 1000),
}


@pytest.mark.parametrize("name", PAPERS)
def test_counts_are_those_of_the_papers_code(name: str) -> None:
    widths, group, classes = PAPERS[name]
    blocks = sum(
        2 * (width * 2 * width + 9 * group * 2 * width + 2 * width * width + 2 * 2 * width)
        for width in widths
    )
    changes = sum(a * b for a, b in itertools.pairwise(widths) if a != b)
    shared = blocks + changes + 16 * widths[0] + 3 * widths[-1]
    labels = 64 * classes
    generator = shared + (128 if classes else 64) * widths[0] + labels
    discriminator = shared + widths[0] * (widths[0] + classes if classes else 1)
    preset = presets.get_preset(name)
    assert preset.parameters == {"generator": generator, "discriminator": discriminator}


def test_initial_weights() -> None:
    """The last convolution of a block is 0, the others have He's variance / sqrt(blocks)."""
    gan = build(fmap_max=64, fmap_base=256, num_classes=3)
    blocks = 4
    gain = np.sqrt(2 / 1.04) * blocks**-0.25
    for network in (gan.generator, gan.discriminator):
        for layer in network.layers:
            if isinstance(layer, GroupedConv2D):
                assert np.std(layer.kernel) == pytest.approx(gain / np.sqrt(9 * 4), rel=0.1)
                assert not np.any(layer.bias)
            elif isinstance(layer, keras.layers.Conv2D):
                kernel, bias = layer.kernel.numpy(), layer.use_bias
                inputs, outputs = kernel.shape[-2:]
                if outputs == 2 * inputs:
                    assert bias
                    assert kernel.std() == pytest.approx(gain / np.sqrt(inputs), rel=0.1)
                else:
                    assert not bias
                    assert not kernel.any() or 3 in (inputs, outputs)
    z = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    labels = np.array([0, 2], np.int32)
    dense, embedding = (
        next(w for w in gan.generator.weights if w.shape == shape).numpy()
        for shape in ((12, 64), (3, 6))
    )
    basis = next(w for w in gan.generator.weights if w.shape == (4, 4, 64)).numpy()
    x = basis * (np.concatenate([z, embedding[labels]], axis=1) @ dense)[:, None, None]
    # All blocks are the identity: what is left is the filter and the linear layers.
    last = gan.generator.layers[-1].kernel.numpy()[0, 0]
    expected = doubled(x) @ last
    np.testing.assert_allclose(gan.generator([z, labels]), expected, atol=1e-4)


def doubled(x: np.ndarray) -> np.ndarray:
    """Twice the size: zeros between the pixels, then [1, 3, 3, 1] / 4 along each axis."""
    taps = np.array([1, 3, 3, 1]) / 4
    for axis in (1, 2):
        zeros = np.zeros([2 * n if i == axis else n for i, n in enumerate(x.shape)])
        np.moveaxis(zeros, axis, 0)[::2] = np.moveaxis(x, axis, 0)
        x = np.apply_along_axis(lambda line: np.convolve(line, taps)[1:-2], axis, zeros)
    return x


def test_a_block_is_the_papers() -> None:
    """x + 1x1(lrelu(3x3 in groups(lrelu(1x1(x))))), each group apart."""
    gan = build(blocks=1)
    rng = np.random.default_rng(1)
    (grouped, *_) = (x for x in gan.discriminator.layers if isinstance(x, GroupedConv2D))
    at = gan.discriminator.layers.index(grouped)
    (into,) = (x for x in gan.discriminator.layers[:at] if getattr(x, "use_bias", False))
    out = next(x for x in gan.discriminator.layers[at:] if isinstance(x, keras.layers.Conv2D))
    add = next(x for x in gan.discriminator.layers[at:] if isinstance(x, keras.layers.Add))
    for layer in (into, grouped, out):
        for weight in layer.weights:
            weight.assign(rng.normal(size=weight.shape))
    block = keras.Model(into.input, add.output)
    x = rng.normal(size=(2, 8, 8, into.input.shape[-1])).astype(np.float32)

    def lrelu(x: np.ndarray) -> np.ndarray:
        return np.where(x > 0, x, 0.2 * x)

    h = lrelu(x @ into.kernel.numpy()[0, 0] + into.bias.numpy())
    padded = np.pad(h, [(0, 0), (1, 1), (1, 1), (0, 0)])
    y = np.zeros_like(h)
    for group in range(h.shape[-1] // 4):
        of = slice(4 * group, 4 * group + 4)
        for i in range(3):
            for j in range(3):
                taps = grouped.kernel.numpy()[i, j, :, of]
                y[..., of] += padded[:, i : i + 8, j : j + 8, of] @ taps
    expected = x + lrelu(y + grouped.bias.numpy()) @ out.kernel.numpy()[0, 0]
    np.testing.assert_allclose(block(x), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("num_classes", [0, 3])
def test_a_step_is_the_papers(num_classes: int) -> None:
    gan = build(num_classes=num_classes, gamma=1.5)
    rng = np.random.default_rng(0)
    for network in (gan.generator, gan.discriminator):  # or the blocks do nothing
        for weight in network.trainable_variables:
            weight.assign(weight + 0.1 * rng.normal(size=weight.shape))
    images = tf.constant(rng.uniform(-1, 1, (4, 8, 8, 3)), tf.float32)
    z = tf.constant(rng.normal(size=(4, 6)), tf.float32)
    gan.draw_latents = lambda shape, seed: z
    labels = [tf.constant([0, 2, 1, 2])] if num_classes else []

    def discriminator(x: tf.Tensor) -> tf.Tensor:
        return gan.discriminator([x, *labels] if labels else x, training=True)

    def formula():
        fakes = gan.generator([z, *labels] if labels else z, training=True)
        real, fake = discriminator(images), discriminator(fakes)
        r1 = tf.reduce_mean(squared_gradients(discriminator, images))
        r2 = tf.reduce_mean(squared_gradients(discriminator, tf.stop_gradient(fakes)))
        d_loss, g_loss = softplus(fake - real), softplus(real - fake)
        told = {"d_loss": d_loss, "g_loss": g_loss, "r1_penalty": r1, "r2_penalty": r2}
        return {"discriminator": [d_loss, 0.75 * r1, 0.75 * r2], "generator": [g_loss]}, told

    check_step(gan, (images, *labels) if labels else images, formula)


def test_schedules_are_the_papers() -> None:
    """Half a cosine over 20 million images: FFHQ's, by the formula of the code."""
    gan = build(augment=0.3)
    gan.compile()
    for share in (0.0, 0.25, 0.5, 1.0, 1.5):
        gan.images_seen.assign(int(share * 2e7))
        left = 0.5 * (1 + np.cos(np.pi * min(share, 1.0)))
        for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
            assert optimizer.beta_1 == 0.0
            assert optimizer.epsilon == 1e-8
            rate, beta_2 = float(optimizer.learning_rate), float(optimizer.beta_2())
            assert rate == pytest.approx(5e-5 + left * 1.5e-4, rel=1e-5)
            assert beta_2 == pytest.approx(0.99 - left * 0.09, rel=1e-5)
        gan.images_seen.assign_add(64)  # the step's own are counted already
        half_life = 500_000 * (1 - left)
        decay = float(gan.averaging_decay(tf.constant(64, tf.int64)))
        expected = 0.5 ** (64 / half_life) if half_life else 0.0
        assert decay == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_augmentations_begin_at_0_and_both_networks_learn_through_them() -> None:
    gan = build(augment=1.0, decay_kimg=0.008)
    gan.compile(run_eagerly=True)
    images = tf.constant(np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 3)), tf.float32)
    seed = tf.constant([1, 2])
    np.testing.assert_allclose(gan._augmented(images, seed), images, atol=1e-5)
    history = gan.fit(tf.data.Dataset.from_tensors(images).repeat(3), verbose=0).history
    assert set(history) == set(gan.tracked)
    assert all(np.isfinite(values).all() for values in history.values())
    assert np.abs(gan._augmented(images, seed) - images).max() > 0.1


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (dict(resolution=24), "resolution must be a power of two from 8. Received: 24"),
        (
            dict(group_size=3),
            "at 4 px must be a multiple of group_size. Received: 2 times",
        ),
        (
            dict(fmap_base=3, group_size=2),
            "at 8 px must be a multiple of group_size. Received: 2 times 0",
        ),
        (dict(channels=2, augment=0.5), "images of 1 or 3 channels. Received: 2"),
        (dict(learning_rate=0.0), "learning_rate must be more than 0. Received: 0.0"),
    ],
)
def test_arguments_that_do_not_fit(config: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**config)


def test_losses_are_no_options() -> None:
    with pytest.raises(ValueError, match="compare pairs of images.* Received: generator_loss"):
        build().compile(generator_loss="hinge")
