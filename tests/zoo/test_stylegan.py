"""StyleGAN: its networks against the paper's formulas, and what growth does to its styles."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.zoo.steps import check_step, softplus, squared_gradients
from tests.zoo.test_progan import check_that_nothing_jumps, conv, double, halve, leaky, pixel_norm
from zoo.nn.layers import random_draws, without_noise
from zoo.stylegan import networks

SIZES = dict(channels=1, latent_dim=6, fmap_base=16, mapping_layers=2)
ROOT2 = np.sqrt(2.0)


def build(resolution: int = 16, **config) -> zoo.StyleGAN:
    keras.utils.set_random_seed(0)
    return zoo.StyleGAN(resolution, **{**SIZES, **config})


def randomize(network: keras.Model) -> None:
    """Everything that an optimizer moves, biases and strengths too."""
    rng = np.random.default_rng(1)
    for weight in network.trainable_variables:
        weight.assign(rng.normal(size=weight.shape))


@pytest.mark.parametrize(("classes", "more"), [(0, 0), (10, 10 * 512 + 512 * 512)])
def test_the_papers_generator_has_its_parameters(classes: int, more: int) -> None:
    generator = networks.Generator(1024, 3, 512, classes, 8, 8192, 512, True)
    counted = sum(int(np.prod(v.shape)) for v in generator.trainable_variables)
    assert counted == 26_219_627 + more
    discriminator = networks.Discriminator(1024, 3, classes, 8192, 512, 4)
    counted = sum(int(np.prod(v.shape)) for v in discriminator.trainable_variables)
    assert counted == 23_087_249 + max(classes - 1, 0) * 513


def dense(x: np.ndarray, layer: keras.layers.Layer, gain: float, rate: float = 1.0) -> np.ndarray:
    kernel, bias = (w.astype(np.float64) for w in layer.get_weights())
    return x @ (kernel * gain / np.sqrt(len(kernel)) * rate) + bias * rate


def epilogue(x: np.ndarray, layer: networks.Epilogue, w: np.ndarray) -> np.ndarray:
    """Noise, bias, leaky ReLU, equation 1."""
    x = x + np.asarray(layer.noise.constant) * layer.noise.strength.numpy()
    x = leaky(x + layer.bias.numpy())
    style = dense(w, layer.adain.style, 1.0)[:, None, None]
    maps = x.shape[-1]
    x = (x - x.mean(axis=(1, 2), keepdims=True)) / np.sqrt(x.var(axis=(1, 2), keepdims=True) + 1e-8)
    return (style[..., :maps] + 1) * x + style[..., maps:]


def blur(x: np.ndarray) -> np.ndarray:
    h, w = x.shape[1:3]
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    taps = np.outer([1, 2, 1], [1, 2, 1]) / 16
    return sum(taps[i, j] * padded[:, i : i + h, j : j + w] for i in range(3) for j in range(3))


@pytest.mark.parametrize("classes", [0, 3])
def test_generator_is_figure_1(classes: int) -> None:
    """8 px, in the middle of the fade, in numpy from the weights alone."""
    network = networks.Generator(8, 2, 6, classes, 2, 16, 512, True)
    randomize(network)
    rng = np.random.default_rng(0)
    z, labels = rng.normal(size=(4, 6)), np.array([0, 2, 1, 2])
    x = z
    if classes:
        x = np.concatenate([z, network.mapping.embedding.kernel.numpy()[labels]], axis=1)
    x = pixel_norm(x)
    for layer in network.mapping.dense:
        x = leaky(dense(x, layer, ROOT2, 0.01))
    z = tf.constant(z.astype(np.float32))
    inputs = [z, tf.constant(labels)] if classes else z
    np.testing.assert_allclose(network.mapping(inputs), x, rtol=1e-4, atol=1e-5)

    w = rng.normal(size=(4, 4, 6))
    first, second = network.synthesis.blocks
    zero = np.zeros(2 * 8)
    x = epilogue(first.constant.numpy().repeat(4, axis=0), first.first, w[:, 0])
    x = epilogue(conv(x, first.conv.kernel.numpy(), zero[:8], ROOT2), first.second, w[:, 1])
    y = blur(conv(double(x), second.conv_up.kernel.numpy(), zero[:4], ROOT2))
    y = epilogue(y, second.first, w[:, 2])
    y = epilogue(conv(y, second.conv.kernel.numpy(), zero[:4], ROOT2), second.second, w[:, 3])
    before = double(conv(x, *network.synthesis.to_rgb[0].get_weights(), 1.0))
    whole = conv(y, *network.synthesis.to_rgb[1].get_weights(), 1.0)
    w = tf.constant(w.astype(np.float32))
    np.testing.assert_allclose(network.synthesis(w), whole, rtol=1e-3, atol=1e-3)
    faded = network.synthesis(w, resolution=8, alpha=tf.constant(0.3))
    np.testing.assert_allclose(faded, 0.7 * before + 0.3 * whole, rtol=1e-3, atol=1e-3)
    again = networks.Generator.from_config(network.get_config())
    again.set_weights(network.get_weights())
    np.testing.assert_array_equal(again(inputs), network(inputs))


def test_discriminator_is_filtered_before_it_is_halved_and_asks_for_the_label() -> None:
    network = networks.Discriminator(8, 2, 3, 16, 512, 4)
    randomize(network)
    images = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 2))
    last, block = network.blocks
    x = leaky(conv(images, *network.from_rgb[1].get_weights(), ROOT2))
    x = leaky(conv(x, *block.conv.get_weights(), ROOT2))
    kernel, bias = block.conv_down.get_weights()
    x = leaky(halve(conv(blur(x), kernel, bias, ROOT2)))
    x = np.concatenate([x, np.full((4, 4, 4, 1), np.sqrt(x.var(axis=0) + 1e-8).mean())], axis=-1)
    x = leaky(conv(x, *last.conv.get_weights(), ROOT2)).reshape(4, -1)
    x = dense(leaky(dense(x, last.dense, ROOT2)), last.score, 1.0)
    labels = np.array([0, 2, 1, 2])
    logits = network([images.astype(np.float32), tf.constant(labels)], training=True)
    np.testing.assert_allclose(logits[:, 0], x[np.arange(4), labels], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("stored", [False, True])
def test_noise_is_drawn_in_training_and_constant_otherwise(stored: bool) -> None:
    synthesis = networks.Synthesis(8, 1, 6, 16, 512, True, stored_noise=stored)
    randomize(synthesis)
    w = tf.constant(np.random.default_rng(0).normal(size=(2, 4, 6)).astype(np.float32))
    np.testing.assert_array_equal(synthesis(w), synthesis(w))
    with random_draws(tf.constant([1, 2], tf.int64)):
        drawn = synthesis(w, training=True)
    assert np.abs(drawn - synthesis(w)).max() > 1e-2
    with without_noise():
        assert np.abs(synthesis(w) - drawn).max() > 1e-2


def test_styles_of_layers_that_are_not_there_do_not_count() -> None:
    gan = build(stable_kimg=0.016, fade_kimg=0.016)
    randomize(gan.ema_generator.synthesis)
    for v in gan.ema_generator.synthesis.variables:
        v.assign(np.random.default_rng(2).normal(size=v.shape))
    assert gan.num_layers == 6
    seeds = dict(seed_a=[1, 2], seed_b=[3, 4])
    at_8 = [gan.mix(**seeds, cutoff=cutoff) for cutoff in (0, 2, 4, 6)]
    assert np.any(at_8[0] != at_8[1])
    np.testing.assert_array_equal(at_8[2], at_8[3])  # 4 layers up to 8 px
    np.testing.assert_array_equal(at_8[0], gan.generate(2, seed=3))
    np.testing.assert_array_equal(at_8[0], double(at_8[0][:, ::2, ::2]))
    gan.begin_at(100)
    whole = [gan.mix(**seeds, cutoff=cutoff) for cutoff in (4, 6)]
    assert np.any(whole[0] != whole[1])


@pytest.mark.slow
def test_rates_and_averages_are_the_papers() -> None:
    gan = build(256, fmap_base=64, fmap_max=2, stable_kimg=0.0, fade_kimg=0.008)
    gan.compile()
    rates = {}
    for stage in gan.schedule.stages:
        gan.before_phase(stage)
        rates[stage.resolution] = float(gan.discriminator_optimizer.learning_rate.numpy())
    expected = {16: 0.001, 32: 0.001, 64: 0.001, 128: 0.0015, 256: 0.002}
    assert rates == {r: np.float32(rate) for r, rate in expected.items()}
    decay = gan.averaging_decay(tf.constant(32, tf.int64))
    np.testing.assert_allclose(decay ** (10_000 / 32), 0.5, rtol=1e-5)

    mean, of_average = (
        network.mapping.get_layer("mean_style").mean
        for network in (gan.generator, gan.ema_generator)
    )
    mean.assign(mean.numpy() + 1.0)
    make = tf.function(lambda: gan.finish_step(tf.constant(32, tf.int64)))
    gan.distribute_strategy.run(make)
    np.testing.assert_array_equal(of_average, mean)  # copied, as in the code

    assert "generator_optimizer" not in gan.get_compile_config()
    own = build(8, first_resolution=4, stable_kimg=0.008, fade_kimg=0.008)
    own.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.25))
    own.before_phase(own.schedule.stages[-1])
    assert float(own.generator_optimizer.learning_rate.numpy()) == 0.5
    assert "generator_optimizer" in own.get_compile_config()


@pytest.mark.parametrize("resolution", [8, 16])
def test_nothing_jumps_where_a_stage_changes(resolution: int) -> None:
    check_that_nothing_jumps(build(first_resolution=4), resolution)


def test_r1_is_that_of_images_at_the_last_resolution() -> None:
    """As the code computes it: the stage's images scaled up, and D seeing their means."""
    gan = build(16, r1=3.0, stable_kimg=1.0)
    gan.compile()
    assert gan.current_phase.resolution == 8
    images = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 1)).astype(np.float32)

    def penalty(x: tf.Tensor, see) -> float:
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = gan.discriminator(see(x), resolution=8)
        return float(np.mean(np.sum(tape.gradient(logits, x).numpy() ** 2, axis=(1, 2, 3))))

    large = penalty(tf.constant(double(images)), lambda x: tf.nn.avg_pool2d(x, 2, 2, "VALID"))
    ours = penalty(tf.constant(images), lambda x: x)
    np.testing.assert_allclose(gan._r1_weight() * ours, 3.0 / 2 * large, rtol=1e-4)


def test_a_share_of_images_is_mixed_within_the_stage() -> None:
    gan = build(16, mixing=0.5, stable_kimg=1.0)
    gan.compile()
    w = gan._draw_w(tf.constant(400), None, tf.constant([1, 2], tf.int64)).numpy()
    assert w.shape == (400, 6, 6)
    changes = np.any(w[:, 1:] != w[:, :-1], axis=2)
    assert changes.sum(axis=1).max() == 1
    # At 8 px there are 4 layers: the other latent comes in at 1, 2 or 3, or (unused) at 4.
    assert not changes[:, 4:].any()
    mixed = changes[:, :3].any(axis=1)
    assert 0.42 < mixed.mean() < 0.58
    assert changes[:, 0].sum() > 40
    assert changes[:, 2].sum() > 40


def test_bad_arguments_are_one_line() -> None:
    for changes, message in [
        (dict(resolution=12), "resolution must be a power of two from 8. Received: 12"),
        (dict(resolution=8, first_resolution=16), "at most the resolution, 8. Received: 16"),
        (dict(mixing=1.5), "mixing must be in .0, 1.. Received: 1.5"),
        (dict(r1=-1), "r1 must be at least 0. Received: -1"),
        (dict(ema_images=0), "ema_images must be more than 0. Received: 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            build(**changes)
    with pytest.raises(ValueError, match="cutoff must be an integer from 0 to 6.*Received: 7"):
        build().mix(1, 2, 7)


def test_a_step_is_the_papers() -> None:
    """Non-saturating, with R1: gamma / 2, here of images that are half the last resolution."""
    assert build().get_config()["r1"] == 10.0
    gan = build(16, mixing=0.0, noise=False, r1=8.0, stable_kimg=1.0)
    images = tf.random.stateless_uniform([8, 16, 16, 1], [0, 1], -1, 1)
    z = tf.random.stateless_normal([8, 6], [0, 2])
    gan.draw_latents = lambda shape, seed: z

    def formula():
        def discriminator(x: tf.Tensor) -> tf.Tensor:
            return gan.discriminator(x, training=True, resolution=8)

        w = tf.repeat(gan.generator.mapping(z)[:, None], 6, axis=1)
        fake = discriminator(gan.generator.synthesis(w, resolution=8))
        reals = tf.nn.avg_pool2d(images, 2, 2, "VALID")
        real = discriminator(reals)
        r1 = tf.reduce_mean(squared_gradients(discriminator, reals))
        # A pixel of 8 px is four of 16: the gradient with respect to each is a fourth.
        d_terms = [softplus(-real), softplus(fake), 8.0 / 2 / 4 * r1]
        g_loss = softplus(-fake)
        told = {"d_loss": sum(d_terms), "g_loss": g_loss, "r1_penalty": r1}
        return {"discriminator": d_terms, "generator": [g_loss]}, told

    check_step(gan, images, formula)
