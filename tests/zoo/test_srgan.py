"""SRGAN: its networks, its two phases and its game against computations of their own."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.zoo.steps import check_step, softplus
from zoo.nn import features
from zoo.srgan import networks

SIZES = dict(resolution=16, width=4, blocks=1, features="none", pretrain_steps=0)


def build(**config) -> zoo.SRGAN:
    keras.utils.set_random_seed(0)
    return zoo.SRGAN(**{**SIZES, **config})


def batches(count: int, scale: int = 4) -> tf.data.Dataset:
    high = np.random.default_rng(0).uniform(-1, 1, (2 * count, 16, 16, 3)).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices((high[:, ::scale, ::scale], high)).batch(2)


def parameters(network: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def generator_count(scale: int, width: int, blocks: int, doubling: int) -> int:
    """Kernels, biases, gains and slopes of figure 4; `doubling` is one doubling without PReLU."""
    outer = 81 * 3 * width + width + width + 81 * width * 3 + 3
    normalised = 9 * width**2 + width + 2 * width
    doublings = scale.bit_length() - 1
    return outer + blocks * (2 * normalised + width) + normalised + doublings * (doubling + width)


def test_counts_are_the_papers() -> None:
    assert generator_count(4, 64, 16, 9 * 64 * 256 + 256) == 1_550_659
    assert parameters(networks.generator(4, 3, 64, 16, "pixel_shuffle")) == 1_550_659
    assert parameters(networks.discriminator(96, 3, 64)) == 23_565_505


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("upsampling", networks.UPSAMPLING)
def test_counts_and_sizes_follow_the_arguments(scale: int, upsampling: str) -> None:
    doubling = {
        "pixel_shuffle": 9 * 6 * 24 + 24,
        "nearest": 9 * 6 * 6 + 6,
        "bilinear": 9 * 6 * 6 + 6,
        "transposed": 16 * 6 * 6 + 6,
    }[upsampling]
    network = networks.generator(scale, 3, 6, 2, upsampling)
    assert parameters(network) == generator_count(scale, 6, 2, doubling)
    low = np.zeros((1, 5, 7, 3), np.float32)
    whatever = tf.function(network, input_signature=[tf.TensorSpec([None, None, None, 3])])
    assert whatever(low).shape == (1, 5 * scale, 7 * scale, 3)


def test_the_discriminator_is_figure_4() -> None:
    network = networks.discriminator(32, 1, 4)
    convolutions = [
        (layer.kernel_size[0], layer.strides[0], layer.filters)
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    multiples = [1, 1, 2, 2, 4, 4, 8, 8]
    assert convolutions == [(3, 1 + i % 2, 4 * m) for i, m in enumerate(multiples)]
    assert len([layer for layer in network.layers if "batch_norm" in layer.name]) == 7
    assert network.output_shape == (None, 1)
    flat = 32 // 16 * 32 // 16 * 32
    dense = [v.shape for v in network.trainable_variables if len(v.shape) == 2]
    assert dense == [(flat, 64), (64, 1)]


def test_low_is_taken_to_0_and_1() -> None:
    network = networks.generator(2, 3, 4, 1, "pixel_shuffle")
    first = next(layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D))
    seen = keras.Model(network.input, first.input)(np.array([[[[-1.0, 0.0, 1.0]]]], np.float32))
    np.testing.assert_allclose(seen[0, 0, 0], [0.0, 0.5, 1.0])


def some_features(name: str) -> keras.Model:
    return keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.Conv2D(5, 3, 2, activation="relu")]
    )


def test_a_step_of_the_game_is_the_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "weights_file", lambda name: None)
    monkeypatch.setattr(features, "feature_network", some_features)
    gan = build(features="vgg19", adversarial=0.25)
    gan.content.build()
    (low, high), *_ = batches(1)

    def formula():
        made = gan.generator(low, training=True)
        real, fake = (gan.discriminator(x, training=True) for x in (high, made))
        g_loss = softplus(-fake)
        d_terms = [softplus(-real), softplus(fake)]
        network = gan.content._features
        content_loss = tf.reduce_mean((network(made) - network(high)) ** 2)
        told = {
            "d_loss": sum(d_terms),
            "g_loss": g_loss,
            "content_loss": content_loss,
            "mse_loss": tf.reduce_mean((made - high) ** 2),
        }
        return {"generator": [content_loss, 0.25 * g_loss], "discriminator": d_terms}, told

    check_step(gan, (low, high), formula, tolerance=3e-4)


def test_the_generator_is_trained_alone_at_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """One fit goes through both phases, with an optimizer for each; a file holds them all."""
    read, seen = [], []
    monkeypatch.setattr(features, "weights_file", lambda name: None)
    monkeypatch.setattr(
        features, "feature_network", lambda name: read.append(name) or some_features(name)
    )
    gan = build(features="hed", pretrain_steps=2)
    sgd = keras.optimizers.SGD(0.01)
    gan.compile("sgd", "sgd", pretraining_optimizer=sgd, run_eagerly=True)
    (low, high), *_ = batches(1)
    kernel = gan.generator.trainable_variables[0]
    with tf.GradientTape() as tape:
        mse = tf.reduce_mean((gan.generator(low, training=True) - high) ** 2)
    expected = kernel.numpy() - 0.01 * tape.gradient(mse, kernel.value).numpy()
    discriminator = gan.discriminator.trainable_variables[0]
    variables = len(gan.variables)

    def note(batch: int, logs: dict[str, float]) -> None:
        optimizers = (
            gan.pretraining_optimizer,
            gan.generator_optimizer,
            gan.discriminator_optimizer,
        )
        updates = [int(optimizer.iterations.numpy()) for optimizer in optimizers]
        seen.append((updates, len(read), kernel.numpy(), discriminator.numpy(), logs["mse_loss"]))

    data = batches(1).repeat(4)
    gan.fit(data, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=note)])
    assert [updates for updates, *_ in seen] == [[1, 0, 0], [2, 0, 0], [2, 1, 1], [2, 2, 2]]
    assert [count for _, count, *_ in seen] == [0, 0, 1, 1]  # read when the game begins, once
    assert seen[0][-1] == pytest.approx(float(mse), rel=1e-4)
    np.testing.assert_allclose(seen[0][2], expected, atol=1e-6)
    np.testing.assert_array_equal(seen[0][3], seen[1][3])
    assert np.abs(seen[1][3] - seen[2][3]).max() > 0
    assert len(gan.variables) == variables
    assert gan.phase() == "adversarial"

    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert float(loaded.pretraining_optimizer.learning_rate) == np.float32(0.01)
    assert int(loaded.pretraining_optimizer.iterations.numpy()) == 2


def test_a_preset_goes_on_where_its_pretraining_was(tmp_path: pathlib.Path) -> None:
    gan = build(pretrain_steps=3)
    gan.compile(run_eagerly=True)
    for trained, left in [(2, 1), (4, 0)]:
        gan.fit(batches(2), verbose=0)
        assert int(gan.steps.numpy()) == trained
        gan.save_to_preset(tmp_path / "gan")
        loaded = zoo.load(tmp_path / "gan")
        assert loaded.get_config() == gan.get_config() | {"pretrain_steps": left}
        assert gan.get_config()["pretrain_steps"] == 3  # of the live model
    before = loaded.discriminator.trainable_variables[0].numpy()
    loaded.compile(run_eagerly=True)
    loaded.fit(batches(1), verbose=0)
    assert np.abs(loaded.discriminator.trainable_variables[0].numpy() - before).max() > 0


def test_the_bundled_weights_are_past_their_pretraining() -> None:
    assert zoo.load("srgan_photos_x4").phase() == "adversarial"
    untrained = zoo.load("srgan_photos_x4", load_weights=False)
    assert (untrained.phase(), untrained.pretrain_steps) == ("pretraining", 24_000)


def test_the_rate_is_a_tenth_after_half_of_the_game() -> None:
    gan = build(decay_after=10)
    gan.compile()
    assert float(gan.pretraining_optimizer.learning_rate) == pytest.approx(1e-4)
    assert gan.pretraining_optimizer.epsilon == 1e-8
    for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
        assert optimizer.beta_1 == 0.9
        assert optimizer.epsilon == 1e-8
        rates = []
        for updates in (0, 9, 10, 1000):
            optimizer.iterations.assign(updates)
            rates.append(float(optimizer.learning_rate))
        np.testing.assert_allclose(rates, [1e-4, 1e-4, 1e-5, 1e-5], rtol=1e-5)


@pytest.mark.slow
def test_images_are_normalised_by_running_statistics() -> None:
    gan = build(scale=2)
    gan.compile(run_eagerly=True)
    gan.fit(batches(2, scale=2), verbose=0)
    images = np.random.default_rng(1).uniform(-1, 1, (3, 5, 9, 3)).astype(np.float32)
    together = gan.images_from(images).numpy()
    assert together.shape == (3, 10, 18, 3)
    np.testing.assert_allclose(together[1:2], gan.images_from(images[1:2]), atol=1e-6)
    np.testing.assert_allclose(together, gan.ema_generator(images, training=False), atol=1e-6)
    small = np.random.default_rng(1).integers(0, 256, (2, 1, 3, 3), np.uint8)
    large = gan.upscale(small)
    assert large.shape == (2, 2, 6, 3)
    np.testing.assert_array_equal(large, gan.translate(small))
    with pytest.raises(ValueError, match=r"SRGAN takes uint8 images \[N, H, W, 3\], of any size"):
        gan.upscale(small[..., :1])


def test_missing_weights_are_told_before_pretraining(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    gan = build(features="vgg19", pretrain_steps=1000)
    gan.compile()
    with pytest.raises(ValueError, match="features='vgg19' needs Keras's file of VGG19"):
        gan.fit(batches(1), verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(scale=3), "scale must be 2 or 4. Received: 3"),
        (dict(channels=4), "channels must be 1 .grey. or 3 .RGB.. Received: 4"),
        (dict(resolution=40), "resolution must be a multiple of 16. Received: 40"),
        (dict(resolution=0), "resolution must be a multiple of 16. Received: 0"),
        (dict(blocks=0), "blocks must be at least 1. Received: 0"),
        (
            dict(upsampling="bicubic"),
            "one of pixel_shuffle, nearest, bilinear, transposed. Received: 'bicubic'",
        ),
        (
            dict(features="vgg"),
            "features must be one of vgg19, vgg19_22, hed, hed_22, none. Received: 'vgg'",
        ),
        (dict(pretrain_steps=-1), "pretrain_steps must be at least 0. Received: -1"),
        (dict(pretrain_steps=0.5), "pretrain_steps must be an integer. Received: 0.5"),
        (dict(decay_after=0), "decay_after must be at least 1. Received: 0"),
        (dict(adversarial=-1.0), "adversarial must be at least 0. Received: -1.0"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**arguments)


def test_the_first_of_a_pair_is_the_smaller() -> None:
    gan = build()
    gan.compile(run_eagerly=True)
    with pytest.raises(ValueError, match=r"first of a pair, trains on images \[N, 4, 4, 3\]"):
        gan.fit(batches(1).map(lambda low, high: (high, low)), verbose=0)
    with pytest.raises(ValueError, match=r"pairs of images, \(low, high\). Received: one tensor"):
        gan.fit(batches(1).map(lambda low, high: high), verbose=0)


@pytest.mark.slow
def test_the_scalars_of_a_phase_are_told_apart_from_those_that_are_0() -> None:
    gan = build(pretrain_steps=2)
    gan.compile(run_eagerly=True)
    told = []

    def note(batch: int, logs: dict[str, float]) -> None:
        told.append(gan.told)
        if batch == 0:
            gan.reset_metrics()
            assert gan.told == told[0]  # until the next step

    callback = keras.callbacks.LambdaCallback(on_train_batch_end=note)
    gan.fit(batches(4), verbose=0, callbacks=[callback])
    pretraining = {"mse_loss", "g_gradient_norm"}
    assert told[0] == told[1] == pretraining
    assert told[2] == told[3] == set(gan.tracked)  # the means of both phases
    gan.reset_metrics()
    gan.fit(batches(1), verbose=0)
    assert gan.told == set(gan.tracked)
