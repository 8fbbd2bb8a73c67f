"""ProGAN: its networks and its growth against computations of their own."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from export import saved_model
from tests.eager import EAGER
from tests.zoo.steps import check_step, squared_gradients
from trainers.checkpoint import Checkpoints, state_of
from zoo.core.growing import GrowingGAN
from zoo.nn import progressive
from zoo.progan import networks

SIZES = dict(channels=1, latent_dim=6, fmap_base=16)


pytestmark = EAGER


def build(resolution: int = 16, stable: int = 16, fade: int = 16, **config) -> zoo.ProGAN:
    keras.utils.set_random_seed(0)
    gan = zoo.ProGAN(
        resolution, **{**SIZES, **config}, stable_kimg=stable / 1000, fade_kimg=fade / 1000
    )
    gan.compile(seed=3)
    return gan


def batches(count: int, resolution: int = 16, batch: int = 8) -> tf.data.Dataset:
    images = np.random.default_rng(0).uniform(-1, 1, (count * batch, resolution, resolution, 1))
    return tf.data.Dataset.from_tensor_slices(images.astype(np.float32)).batch(batch)


def randomize(network: keras.Model) -> None:
    """Biases too, which begin at 0."""
    rng = np.random.default_rng(1)
    for weight in network.trainable_variables:
        weight.assign(rng.normal(size=weight.shape))


@pytest.mark.parametrize(
    ("resolution", "expected"), [(1024, (23_079_115, 23_087_249)), (32, (20_719_628, 20_726_785))]
)
def test_parameters_are_the_papers(resolution: int, expected: tuple[int, int]) -> None:
    generator = networks.Generator(resolution, 3, 512, 8192, 512)
    discriminator = networks.Discriminator(resolution, 3, 8192, 512, 4)
    counted = tuple(
        sum(int(np.prod(v.shape)) for v in network.trainable_variables)
        for network in (generator, discriminator)
    )
    assert counted == expected


def test_feature_maps_are_the_papers() -> None:
    maps = [progressive.features(4 << i, 8192, 512) for i in range(9)]
    assert maps == [512, 512, 512, 512, 256, 128, 64, 32, 16]


def conv(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, gain: float) -> np.ndarray:
    """3x3 or 1x1 with equalized weights, in float64, tap by tap."""
    size, height, width = len(kernel), x.shape[1], x.shape[2]
    edge = size // 2
    padded = np.pad(x.astype(np.float64), [(0, 0), (edge, edge), (edge, edge), (0, 0)])
    scale = gain / np.sqrt(kernel[..., 0].size)
    return bias + sum(
        padded[:, i : i + height, j : j + width] @ (kernel[i, j] * scale)
        for i in range(size)
        for j in range(size)
    )


def leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.2 * x)


def pixel_norm(x: np.ndarray) -> np.ndarray:
    return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-8)


def double(x: np.ndarray) -> np.ndarray:
    return x.repeat(2, axis=1).repeat(2, axis=2)


def halve(x: np.ndarray) -> np.ndarray:
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))


ROOT2 = np.sqrt(2.0)


def test_generator_is_table_2() -> None:
    """8 px, in the middle of the fade, in numpy from the weights alone."""
    network = networks.Generator(8, 2, 6, 16, 512)
    randomize(network)
    weights = [v.numpy() for v in network.trainable_variables]
    by_name = {v.path: v.numpy() for v in network.trainable_variables}
    assert len(by_name) <= len(weights) == 12
    first, block = network.blocks
    z = np.random.default_rng(0).normal(size=(3, 6))
    x = pixel_norm(z) @ (first.dense.kernel.numpy() * ROOT2 / 4 / np.sqrt(6))
    x = pixel_norm(leaky(x.reshape(3, 4, 4, 8) + first.bias.numpy()))
    x = pixel_norm(leaky(conv(x, *first.conv.get_weights(), ROOT2)))
    y = pixel_norm(leaky(conv(double(x), *block.conv_up.get_weights(), ROOT2)))
    y = pixel_norm(leaky(conv(y, *block.conv.get_weights(), ROOT2)))
    before = double(conv(x, *network.to_rgb[0].get_weights(), 1.0))
    whole = conv(y, *network.to_rgb[1].get_weights(), 1.0)
    z = z.astype(np.float32)
    np.testing.assert_allclose(network(z), whole, rtol=1e-3, atol=1e-3)
    faded = network(z, resolution=8, alpha=tf.constant(0.3))
    np.testing.assert_allclose(faded, 0.7 * before + 0.3 * whole, rtol=1e-3, atol=1e-3)


def test_discriminator_is_table_2() -> None:
    network = networks.Discriminator(8, 2, 16, 512, 4)
    randomize(network)
    images = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 2))
    last, block = network.blocks
    x = leaky(conv(images, *network.from_rgb[1].get_weights(), ROOT2))
    x = leaky(conv(x, *block.conv.get_weights(), ROOT2))
    x = leaky(halve(conv(x, *block.conv_down.get_weights(), ROOT2)))
    y = leaky(conv(halve(images), *network.from_rgb[0].get_weights(), ROOT2))
    x = 0.7 * y + 0.3 * x
    std = np.mean(np.sqrt(x.var(axis=0) + 1e-8))
    x = np.concatenate([x, np.full((4, 4, 4, 1), std)], axis=-1)
    x = leaky(conv(x, *last.conv.get_weights(), ROOT2)).reshape(4, -1)
    kernel, bias = last.dense.get_weights()
    x = leaky(x @ (kernel * ROOT2 / np.sqrt(len(kernel))) + bias)
    kernel, bias = last.score.get_weights()
    expected = x @ (kernel / np.sqrt(len(kernel))) + bias
    scores = network(images.astype(np.float32), resolution=8, alpha=tf.constant(0.3), training=True)
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("resolution", [8, 16])
def test_nothing_jumps_where_a_stage_changes(resolution: int) -> None:
    check_that_nothing_jumps(build(), resolution)


def check_that_nothing_jumps(gan: GrowingGAN, resolution: int) -> None:
    """Fading in at 0 is the stage before, scaled up; at 1 it is the stage itself."""
    for network in (gan.generator, gan.discriminator):
        randomize(network)
    z = tf.constant(np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32))
    images = np.random.default_rng(1).uniform(-1, 1, (4, resolution, resolution, 1))
    images = images.astype(np.float32)
    zero, one = tf.constant(0.0), tf.constant(1.0)

    begun = gan.generator(z, resolution=resolution, alpha=zero)
    before = double(gan.generator(z, resolution=resolution // 2).numpy())
    np.testing.assert_array_equal(begun, before)
    np.testing.assert_allclose(
        gan.generator(z, resolution=resolution, alpha=one),
        gan.generator(z, resolution=resolution),
        atol=1e-5,
    )
    # The critic, of the real images that it is shown then.
    begun = gan.discriminator(
        gan.at_stage(images, resolution, zero), resolution=resolution, alpha=zero
    )
    before = gan.discriminator(halve(images).astype(np.float32), resolution=resolution // 2)
    np.testing.assert_allclose(begun, before, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        gan.discriminator(images, resolution=resolution, alpha=one),
        gan.discriminator(images, resolution=resolution),
        rtol=1e-4,
        atol=1e-4,
    )


def test_real_images_fade_in_too() -> None:
    gan = build()
    images = np.random.default_rng(0).uniform(-1, 1, (2, 16, 16, 1)).astype(np.float32)
    eight = halve(images)
    np.testing.assert_allclose(gan.at_stage(images, 8), eight, atol=1e-6)
    faded = gan.at_stage(images, 8, tf.constant(0.25))
    np.testing.assert_allclose(faded, 0.25 * eight + 0.75 * double(halve(eight)), atol=1e-6)


@pytest.mark.slow
def test_a_half_grown_model_is_drawn_as_far_as_it_is(tmp_path: pathlib.Path) -> None:
    """The training goes on from a preset, too: the position stands in its weights."""
    gan = build()
    gan.fit(batches(3), verbose=0)  # 24 images: 8 px, faded in by half
    images = gan.generate(4, seed=0)
    assert images.shape == (4, 16, 16, 1)
    np.testing.assert_array_equal(images, double(images[:, ::2, ::2]))
    z = gan.latents_from_seeds(tf.range(4, dtype=tf.int64))
    expected = gan.ema_generator(z, resolution=8, alpha=tf.constant(0.5))
    np.testing.assert_allclose(gan(z)[:, ::2, ::2], np.clip(expected, -1, 1), atol=1e-6)

    small = gan.generate(4, seed=0, resolution=4)
    assert small.shape == (4, 4, 4, 1)
    np.testing.assert_allclose(
        small, np.clip(gan.ema_generator(z, resolution=4) * 127.5 + 127.5, 0, 255), atol=0.51
    )
    for wrong in (8, 16, 5):
        with pytest.raises(ValueError, match=f"of a finished stage: 4. Received: {wrong}"):
            gan.generate(1, resolution=wrong)
    with pytest.raises(ValueError, match="resolution must be an integer"):
        gan.generate(1, resolution=4.0)

    gan.save_to_preset(tmp_path / "half")
    loaded = zoo.load(tmp_path / "half")
    np.testing.assert_array_equal(loaded.generate(4, seed=0), images)
    np.testing.assert_array_equal(loaded.discriminate(images), gan.discriminate(images))
    version = saved_model.export(loaded, tmp_path / "models", "half", source="a test")
    served = tf.saved_model.load(str(version)).signatures["generate"](
        seed=tf.range(4, dtype="int64")
    )
    np.testing.assert_array_equal(np.rint((served["images"] + 1) * 127.5), images)
    loaded.compile()
    assert (loaded.phase().resolution, loaded.phase().fading) == (8, True)
    loaded.fit(batches(1), verbose=0)
    assert loaded.images_shown() == 32
    assert loaded.phase() == gan.schedule.stages[2]


def test_the_new_discriminator_of_a_generator_alone_judges_at_the_generators_stage(
    tmp_path: pathlib.Path,
) -> None:
    config = {**SIZES, "stable_kimg": 0.016, "fade_kimg": 0.016}
    alone = zoo.ProGAN(16, **config, generator_alone=True)
    alone.begin_at(1000)
    alone.save_to_preset(tmp_path / "alone", samples=False)
    gan = zoo.load(tmp_path / "alone")
    assert gan.phase().resolution == 16
    gan.compile()
    gan.fit(batches(1), verbose=0)
    assert gan.images_shown() == 1008
    images = next(iter(batches(1)))
    expected = gan.discriminator(images, training=False, resolution=16)
    np.testing.assert_allclose(tf.squeeze(gan.judge(images)), tf.squeeze(expected), atol=1e-6)
    gan.save_to_preset(tmp_path / "both", samples=False)
    again = zoo.load(tmp_path / "both").judge(images)
    np.testing.assert_allclose(tf.squeeze(again), tf.squeeze(expected), atol=1e-6)


@pytest.mark.traced
def test_predict_draws_the_stage_of_now() -> None:
    gan = build(resolution=8)  # 16 images at 4 px, 16 more fade 8 px in
    z = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    for shown, stage in (
        (0, {"resolution": 4}),
        (24, {"resolution": 8, "alpha": tf.constant(0.5)}),
        (28, {"resolution": 8, "alpha": tf.constant(0.75)}),
        (1000, {"resolution": 8}),
    ):
        gan.begin_at(shown)
        expected = np.clip(gan.ema_generator(z, **stage), -1, 1)
        expected = double(expected) if stage["resolution"] == 4 else expected
        drawn = gan.predict_on_batch(z) if shown == 28 else gan.predict(z, verbose=0)
        np.testing.assert_allclose(drawn, expected, atol=1e-6)


def test_optimizers_begin_anew_where_a_fade_begins_and_ends() -> None:
    gan = build(resolution=8)
    seen, forgotten = [], []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(
                (
                    gan.schedule.stages[int(gan.stage_of_optimizers.numpy())].describe(0)[:4],
                    int(gan.generator_optimizer.iterations.numpy()),
                    int(gan.discriminator_optimizer.iterations.numpy()),
                )
            )
            for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
                first = seen[-1][1] == 1
                for m, v in zip(optimizer._momentums, optimizer._velocities, strict=True):
                    # Adam's betas are 0 and .99: m = g, and v = .01 g^2 after a step, not two.
                    alike = np.allclose(v, 0.01 * m.numpy() ** 2, rtol=1e-3, atol=1e-12)
                    assert alike or not first, m.path
                    forgotten.append(alike or not np.any(m))

    gan.discriminator_optimizer.learning_rate = 5e-4
    gan.fit(batches(6, 8), verbose=0, callbacks=[Watch()])
    iterations = [(g, d) for _, g, d in seen]
    assert iterations == [(1, 1), (2, 2), (1, 1), (2, 2), (1, 1), (2, 2)]
    assert not all(forgotten)  # after two steps it shows
    assert float(gan.discriminator_optimizer.learning_rate.numpy()) == np.float32(5e-4)


def test_layers_of_other_stages_stand_still() -> None:
    gan = build()
    before = {v.path: v.numpy() for v in gan.generator.trainable_variables}
    used = {
        v.path for layer in gan.generator.layers_at(4, False) for v in layer.trainable_variables
    }
    gan.fit(batches(1), verbose=0)
    for variable in gan.generator.trainable_variables:
        moved = np.abs(variable.numpy() - before[variable.path]).max() > 0
        assert moved == (variable.path in used), variable.path


@pytest.fixture(scope="module")
def unbroken(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[pathlib.Path, dict[str, np.ndarray]]:
    """Checkpoints, and the state, after one step at 4 px, two of a fade and two at 8 px."""
    gan = build(resolution=8, stable=8, fade=16)
    folder = tmp_path_factory.mktemp("unbroken")

    def save(batch: int, logs: dict[str, float]) -> None:
        checkpoints = Checkpoints(folder / str(batch + 1), gan)
        checkpoints.save(batch + 1)
        checkpoints.wait()

    saves = keras.callbacks.LambdaCallback(on_train_batch_end=save)
    gan.fit(batches(5, 8), verbose=0, shuffle=False, callbacks=[saves])
    return folder, {name: variable.numpy() for name, variable in state_of(gan).items()}


@pytest.mark.parametrize("stop", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3))])
def test_a_resumed_run_is_the_same_to_the_bit(
    stop: int, unbroken: tuple[pathlib.Path, dict[str, np.ndarray]]
) -> None:
    """As a fade begins, in its middle, and as it ends."""
    folder, whole = unbroken
    keras.utils.set_random_seed(9)
    resumed = zoo.ProGAN(8, **SIZES, stable_kimg=0.008, fade_kimg=0.016)
    resumed.compile(seed=3)
    assert Checkpoints(folder / str(stop), resumed).restore() == stop
    resumed.fit(batches(5, 8).skip(stop), verbose=0, shuffle=False)
    ours = state_of(resumed)
    assert ours.keys() == whole.keys()
    for name in ours:
        if not name.startswith("metrics"):
            np.testing.assert_array_equal(ours[name].numpy(), whole[name], err_msg=name)


def test_bad_arguments_are_one_line() -> None:
    with pytest.raises(ValueError, match="resolution must be a power of two from 4. Received: 28"):
        zoo.ProGAN(resolution=28)
    with pytest.raises(ValueError, match="fade_kimg must be at least 0. Received: -1"):
        zoo.ProGAN(8, fade_kimg=-1)
    with pytest.raises(ValueError, match="group must be at least 1. Received: 0"):
        zoo.ProGAN(8, group=0)
    gan = zoo.ProGAN(8, **SIZES)
    with pytest.raises(ValueError, match="steps_per_execution must be 1 for ProGAN"):
        gan.compile(steps_per_execution=2)
    gan.compile()
    with pytest.raises(ValueError, match="multiple of its group of 4.*Received: a batch of 6"):
        gan.fit(tf.zeros([6, 8, 8, 1]), batch_size=6, verbose=0)
    assert gan.images_shown() == 0


def test_a_step_is_the_papers() -> None:
    """WGAN-GP with drift, at a stage that is whole; the factors are the paper's by default."""
    papers = zoo.ProGAN(8, **SIZES).get_config()
    assert (papers["penalty_weight"], papers["drift_weight"]) == (10.0, 1e-3)
    gan = build(8, stable=1000, penalty_weight=3.0, drift_weight=0.5)
    gan.begin_at(5000)
    for network in (gan.generator, gan.discriminator):
        randomize(network)
    images = tf.random.stateless_uniform([8, 8, 8, 1], [0, 1], -1, 1)
    z = tf.random.stateless_normal([8, 6], [0, 2])
    gan.draw_latents = lambda shape, seed: z

    def formula():
        def critic(x: tf.Tensor) -> tf.Tensor:
            return gan.discriminator(x, training=True, resolution=8)

        fakes = gan.generator(z, resolution=8)
        real, fake = critic(images), critic(fakes)
        e = tf.random.stateless_uniform([8, 1, 1, 1], gan.step_seed("penalty"), alg="philox")
        between = tf.stop_gradient(e * images + (1 - e) * fakes)
        norms = tf.sqrt(squared_gradients(critic, between))
        penalty = tf.reduce_mean((norms - 1) ** 2)
        d_terms = [
            tf.reduce_mean(fake) - tf.reduce_mean(real),
            3.0 * penalty,
            0.5 * tf.reduce_mean(real**2),
        ]
        g_loss = -tf.reduce_mean(fake)
        told = {"d_loss": sum(d_terms), "g_loss": g_loss, "gradient_penalty": penalty}
        return {"discriminator": d_terms, "generator": [g_loss]}, told

    check_step(gan, images, formula)
