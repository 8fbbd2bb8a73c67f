"""CycleGAN: its networks and its game against computations of their own."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.zoo.steps import check_adam_step, check_step
from trainers.checkpoint import Checkpoints, state_of
from zoo.cyclegan.schedule import LinearDecay

SIZES = dict(resolution=16, width=4, blocks=1, patch=16, pool=0)


def build(**config) -> zoo.CycleGAN:
    keras.utils.set_random_seed(0)
    return zoo.CycleGAN(**{**SIZES, **config})


def batches(count: int, batch: int = 2, channels: tuple[int, int] = (3, 3)) -> tf.data.Dataset:
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(-1, 1, (count * batch, 16, 16, c)).astype(np.float32) for c in channels)
    return tf.data.Dataset.from_tensor_slices((a, b)).batch(batch, drop_remainder=True)


def parameters(network: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


@pytest.mark.slow
def test_resized_instead_of_transposed_and_a_wider_d() -> None:
    for upsampling in ("nearest", "bilinear"):
        gan = build(width=6, blocks=1, upsampling=upsampling, discriminator_width=9)
        kinds = [type(layer).__name__ for layer in gan.generator_a_to_b.layers]
        assert kinds.count("UpSampling2D") == 2
        assert "Conv2DTranspose" not in kinds
        assert parameters(gan.generator_a_to_b) == translator_count(6, 1)
        assert gan.discriminator_b.layers[1].filters == 9
        assert gan.translate(np.zeros((1, 9, 14, 3), np.uint8)).shape == (1, 9, 14, 3)
    assert zoo.CycleGAN(**gan.get_config()).get_config() == gan.get_config()
    with pytest.raises(
        ValueError, match="one of transposed, nearest, bilinear. Received: 'bicubic'"
    ):
        build(upsampling="bicubic")
    with pytest.raises(ValueError, match="discriminator_width must be at least 1. Received: 0"):
        build(discriminator_width=0)


def test_skips_lay_the_large_features_beside_those_of_the_way_up() -> None:
    gan = build(width=6, upsampling="nearest", skips=True)
    network = gan.generator_a_to_b
    # u64 reads 2 x 12 features in place of 12, the last convolution 2 x 6 and the image's 3.
    more = 9 * 12 * 6 + 49 * (6 + 3) * 3
    assert parameters(network) == translator_count(6, 1) + more
    assert zoo.CycleGAN(**gan.get_config()).get_config() == gan.get_config()
    for side, features in ((8, 12), (16, 6)):
        (joined,) = (
            layer
            for layer in network.layers
            if isinstance(layer, keras.layers.Concatenate)
            and layer.output.shape[-1] == 2 * features
        )
        small, large = keras.Model(network.input, joined.input)(np.ones((1, 16, 16, 3)))
        assert small.shape == large.shape == (1, side, side, features)

    # Without what came through the blocks, the last convolution sees the first one's features
    # and the image.
    last, rng = network.layers[-2], np.random.default_rng(0)
    kernel = rng.normal(size=last.kernel.shape).astype(np.float32)
    kernel[:, :, :6] = 0.0
    last.kernel.assign(kernel)
    image = rng.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    first = next(layer for layer in network.layers if isinstance(layer, keras.layers.ReLU))
    features = keras.Model(network.input, first.output)(image)
    beside = tf.concat([features, image], axis=-1)
    padded = tf.pad(beside, [[0, 0], [3, 3], [3, 3], [0, 0]], "REFLECT")
    expected = tf.tanh(tf.nn.conv2d(padded, kernel[:, :, 6:], 1, "VALID"))
    np.testing.assert_allclose(network(image), expected, atol=1e-5)


def translator_count(width: int, blocks: int, source: int = 3, made: int = 3) -> int:
    """Kernels and biases of c7s1, d, d, R, u, u, c7s1."""
    count = 49 * source * width + width
    for a, b in ((1, 2), (2, 4), (4, 2), (2, 1)):
        count += 9 * a * b * width**2 + b * width
    count += blocks * 2 * (9 * 16 * width**2 + 4 * width)
    return count + 49 * width * made + made


def test_counts_are_the_references_and_follow_the_sizes() -> None:
    assert translator_count(64, 9) == 11_378_179
    gan = build(resolution=32, width=6, blocks=None, source_channels=1, identity=0.0)
    assert gan.get_config()["blocks"] == 6  # below 256 px
    assert parameters(gan.generator_a_to_b) == translator_count(6, 6, 1, 3)
    assert parameters(gan.generator_b_to_a) == translator_count(6, 6, 3, 1)
    assert parameters(gan.generator) == 2 * translator_count(6, 6) - 2 * 2 * 49 * 6 - 2
    assert gan.source_shape == (32, 32, 1)
    assert gan.image_shape == (32, 32, 3)


def test_the_generator_is_the_papers() -> None:
    network = build(width=8, blocks=2).generator_a_to_b
    kernels = [
        (type(layer).__name__, layer.kernel_size[0], layer.strides[0], layer.filters)
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Conv2DTranspose)
    ]
    assert kernels == [
        ("Conv2D", 7, 1, 8),
        ("Conv2D", 3, 2, 16),
        ("Conv2D", 3, 2, 32),
        *[("Conv2D", 3, 1, 32)] * 4,
        ("Conv2DTranspose", 3, 2, 16),
        ("Conv2DTranspose", 3, 2, 8),
        ("ImageConv2D", 7, 1, 3),
    ]
    assert abs(network.layers[-2].kernel.numpy().std() - 0.02) < 0.002


def squares(logits: tf.Tensor, target: float) -> tf.Tensor:
    return tf.reduce_mean((logits - target) ** 2)


def networks_of(gan: zoo.CycleGAN) -> tuple[keras.Model, ...]:
    """G, F, D_X and D_Y."""
    return (
        gan.generator_a_to_b,
        gan.generator_b_to_a,
        gan.discriminator_a,
        gan.discriminator_b,
    )


def mean_log(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.math.log(x))


def absolute(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.abs(x - y))


def test_a_step_is_the_papers() -> None:
    """Losses and both updates, G's first and D's on what the pools hand out."""
    gan = build(pool=5)
    (a, b), (old_a, old_b) = batches(2)
    gan.pool_a = lambda images, seed: old_a
    gan.pool_b = lambda images, seed: old_b
    g, f, d_a, d_b = networks_of(gan)

    def formula():
        fake_b, fake_a = g(a), f(b)
        games = [squares(d_b(fake_b), 1.0), squares(d_a(fake_a), 1.0)]
        cycle = absolute(f(fake_b), a) + absolute(g(fake_a), b)
        identity = absolute(g(b), b) + absolute(f(a), a)
        d_terms = [
            0.5 * squares(d_a(a), 1.0),
            0.5 * squares(d_a(old_a), 0.0),
            0.5 * squares(d_b(b), 1.0),
            0.5 * squares(d_b(old_b), 0.0),
        ]
        told = {
            "g_loss": sum(games),
            "cycle_loss": cycle,
            "identity_loss": identity,
            "d_loss": sum(d_terms),
        }
        g_terms = [*games, 10.0 * cycle, 5.0 * identity]
        return {"generator": g_terms, "discriminator": d_terms}, told

    check_step(gan, (a, b), formula)
    gan.steps.assign(0)
    check_adam_step(gan, (a, b), formula, rounding=1e-6)


def test_another_loss_keeps_the_balance_of_the_authors_code() -> None:
    """As its `--gan_mode vanilla`: G's part in full beside lambda, D's halved."""
    gan = build(identity=0.0)
    a, b = next(iter(batches(1)))
    g, f, d_a, d_b = networks_of(gan)

    def formula():
        fake_b, fake_a = g(a), f(b)
        games = [-mean_log(tf.sigmoid(d_b(fake_b))), -mean_log(tf.sigmoid(d_a(fake_a)))]
        cycle = absolute(f(fake_b), a) + absolute(g(fake_a), b)
        d_terms = [-0.5 * mean_log(tf.sigmoid(d(real))) for d, real in ((d_a, a), (d_b, b))]
        d_terms += [
            -0.5 * mean_log(1.0 - tf.sigmoid(d(fake))) for d, fake in ((d_a, fake_a), (d_b, fake_b))
        ]
        told = {"g_loss": sum(games), "cycle_loss": cycle, "d_loss": sum(d_terms)}
        return {"generator": [*games, 10.0 * cycle], "discriminator": d_terms}, told

    losses = dict(generator_loss="non_saturating", discriminator_loss="minimax")
    check_step(gan, (a, b), formula, alternating=False, **losses)


@pytest.mark.slow
def test_a_resumed_run_hands_out_the_same_history(tmp_path: pathlib.Path) -> None:
    data = batches(2)
    whole = build(pool=1, identity=0.0)
    whole.compile(seed=3, run_eagerly=True)
    whole.fit(data.take(1), verbose=0)
    assert int(whole.pool_a.shown.numpy()) == int(whole.pool_b.shown.numpy()) == 2
    checkpoints = Checkpoints(tmp_path, whole)
    checkpoints.save(1)
    checkpoints.wait()
    whole.fit(data.skip(1), verbose=0)

    keras.utils.set_random_seed(99)
    resumed = zoo.CycleGAN(**{**SIZES, "pool": 1, "identity": 0.0})
    resumed.compile(seed=3, run_eagerly=True)
    assert Checkpoints(tmp_path, resumed).restore() == 1
    resumed.fit(data.skip(1), verbose=0)
    ours, theirs = state_of(resumed), state_of(whole)
    assert int(resumed.pool_a.shown.numpy()) == 4
    for name in ours:
        if not name.startswith("metrics"):
            np.testing.assert_array_equal(ours[name].numpy(), theirs[name].numpy(), err_msg=name)


def test_pools_are_no_part_of_a_preset(tmp_path: pathlib.Path) -> None:
    gan = build(pool=3)
    gan.save_to_preset(tmp_path / "mine")
    loaded = zoo.load(tmp_path / "mine")
    assert loaded.get_config() == gan.get_config()
    for ours, theirs in zip(
        loaded.ema_generator.get_weights(), gan.ema_generator.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_no_image_depends_on_its_neighbours() -> None:
    gan = build()
    images = np.random.default_rng(0).uniform(-1, 1, (3, 12, 20, 3)).astype(np.float32)
    for direction in ("a_to_b", "b_to_a"):
        together = gan.images_from(images, direction=direction).numpy()
        alone = gan.images_from(images[1:2], direction=direction).numpy()
        assert together.shape == images.shape
        assert together.std() > 1e-4
        np.testing.assert_allclose(together[1:2], alone, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (16, 16), (30, 17)])
def test_images_of_any_size(size: tuple[int, int]) -> None:
    gan = build()
    images = np.random.default_rng(0).uniform(-1, 1, (1, *size, 3)).astype(np.float32)
    assert gan.images_from(images).shape == images.shape


def test_the_sheet_goes_there_and_back() -> None:
    gan = build(source_channels=1, identity=0.0)
    assert gan.sample_sheet() is None
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (2, 16, 16, 1), np.uint8)
    b = rng.integers(0, 256, (2, 16, 16, 3), np.uint8)
    gan.examples = a, b
    sheet, columns = gan.sample_sheet()
    assert (sheet.shape, columns) == ((12, 16, 16, 3), 6)
    there = gan.translate(a)
    np.testing.assert_array_equal(sheet[0::6], np.broadcast_to(a, b.shape))
    np.testing.assert_array_equal(sheet[1::6], there)
    back = gan.translate(there, "b_to_a")
    np.testing.assert_array_equal(sheet[2::6], np.broadcast_to(back, b.shape))
    np.testing.assert_array_equal(sheet[3::6], b)
    for wrong in (a, there[0], there.astype(np.float32)):
        with pytest.raises(ValueError, match=r"takes uint8 images \[N, H, W, 3\], of any size"):
            gan.translate(wrong, "b_to_a")
    with pytest.raises(ValueError, match="direction must be one of a_to_b, b_to_a .* 'a_to_a'"):
        gan.translate(a, "a_to_a")


def test_the_rate_is_flat_and_then_falls_to_zero() -> None:
    schedule = LinearDecay(2e-4, 100, 50)
    steps = [0, 99, 100, 125, 149, 150, 1000]
    expected = [2e-4, 2e-4, 2e-4, 1e-4, 4e-6, 0.0, 0.0]
    np.testing.assert_allclose([schedule(step) for step in steps], expected, atol=1e-10)
    gan = build(flat_steps=100, decay_steps=50)
    gan.compile()
    for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
        assert optimizer.beta_1 == 0.5
        assert optimizer.epsilon == 1e-8
        optimizer.iterations.assign(125)
        assert float(optimizer.learning_rate) == pytest.approx(1e-4)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert copy.get_config() == schedule.get_config()
    constant = build()
    constant.compile()
    constant.generator_optimizer.iterations.assign(10**6)
    assert float(constant.generator_optimizer.learning_rate) == pytest.approx(2e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(resolution=30), "resolution must be a multiple of 4 from 8. Received: 30"),
        (dict(resolution=4), "resolution must be a multiple of 4 from 8. Received: 4"),
        (dict(width=0), "width must be at least 1. Received: 0"),
        (dict(blocks=-1), "blocks must be at least 0. Received: -1"),
        (dict(pool=1.5), "pool must be an integer. Received: 1.5"),
        (dict(pool=-1), "pool must be at least 0. Received: -1"),
        (dict(patch=64), "patch must be one of 1, 16, 34, 70, 142, 286. Received: 64"),
        (dict(patch=70), "patch=70 needs images of 24 px at least.* Received: resolution=16"),
        (dict(cycle=-1.0), "cycle must be at least 0. Received: -1.0"),
        (
            dict(source_channels=1),
            "identity must be 0 where A and B differ .* Received: 0.5 for 1 and 3 channels",
        ),
        (dict(flat_steps=5), "flat_steps and decay_steps go together.* Received: 5 and None"),
        (
            dict(flat_steps=0, decay_steps=0),
            "decay_steps must be at least 1. Received: 0",
        ),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**arguments)


def test_one_image_is_no_pair() -> None:
    gan = build()
    gan.compile(run_eagerly=True)
    with pytest.raises(ValueError, match=r"trains on pairs of images, \(a, b\). Received: one"):
        gan.fit(batches(1).map(lambda a, b: a), verbose=0)
