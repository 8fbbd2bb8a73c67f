"""Pix2Pix: its networks and its game against computations of their own."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.zoo.steps import check_adam_step, check_step
from zoo.nn.layers import NoiseDropout
from zoo.pix2pix import networks

SIZES = dict(resolution=16, width=4, patch=16)


def build(**config) -> zoo.Pix2Pix:
    keras.utils.set_random_seed(0)
    return zoo.Pix2Pix(**{**SIZES, **config})


def batches(count: int, batch: int = 2) -> tf.data.Dataset:
    images = np.random.default_rng(0).uniform(-1, 1, (2, count * batch, 16, 16, 3))
    return tf.data.Dataset.from_tensor_slices(tuple(images.astype(np.float32))).batch(batch)


def parameters(network: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def generator_count(features: list[int], source_channels: int, channels: int) -> int:
    """The encoder's kernels, the decoder's of twice as many inputs, and the norms."""
    count = 16 * source_channels * features[0]
    for a, b in itertools.pairwise(features):
        count += 16 * a * b + 2 * b  # down, and its norm
    count -= 2 * features[-1]  # the bottleneck has none
    inputs = features[-1]
    for b in reversed(features[:-1]):
        count += 16 * inputs * b + 2 * b  # up, and its norm
        inputs = 2 * b
    return count + 16 * inputs * channels + channels


@pytest.mark.parametrize(
    ("resolution", "width", "source_channels", "channels"),
    [(256, 64, 3, 3), (64, 64, 1, 3), (16, 6, 4, 1)],
)
def test_counts_follow_the_sizes(
    resolution: int, width: int, source_channels: int, channels: int
) -> None:
    network = networks.generator(resolution, source_channels, channels, width, dropout=0.5)
    features = networks.widths(resolution, width)
    assert parameters(network) == generator_count(features, source_channels, channels)
    assert len([layer for layer in network.layers if isinstance(layer, NoiseDropout)]) == 3
    if resolution == 256:
        assert features == [64, 128, 256, 512, 512, 512, 512, 512]
        assert parameters(network) == 54_413_955


def mean_log(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.math.log(x))


@pytest.mark.parametrize(
    ("adversarial", "job", "source_channels"),
    [
        ("bce", None, 3),
        ("least_squares", None, 3),
        pytest.param("bce", "tint", 1, marks=pytest.mark.slow),
        pytest.param("bce", "fill", 4, marks=pytest.mark.slow),
        ("bce", "overlay", 3),
    ],
)
def test_a_step_is_the_papers(adversarial: str, job: str | None, source_channels: int) -> None:
    jobs = {job: True} if job else {}
    gan = build(dropout=0.0, adversarial=adversarial, source_channels=source_channels, **jobs)
    (source, target), *_ = batches(1)
    source = tf.concat([source, target[..., :1]], axis=-1)[..., :source_channels]
    given = source
    if job == "fill":  # alpha is noise: all is drawn in part
        alpha = (source[..., 3:] + 1.0) / 2.0
        source = tf.concat([alpha * source[..., :3], source[..., 3:]], axis=-1)

    def formula():
        made = gan.generator(source, training=True)
        if job == "fill":
            made = alpha * given[..., :3] + (1.0 - alpha) * made
        if job == "overlay":
            over = 0.5 * (made[..., 3:] + 1.0)
            made = over * made[..., :3] + source - over * source
        if job == "tint":  # the luma of the source, and as much colour as that has room for
            red, green, blue = tf.unstack(made, axis=-1)
            chroma = made - (0.299 * red + 0.587 * green + 0.114 * blue)[..., None]
            share = (1.0 - tf.sign(chroma) * source) / tf.abs(chroma)
            made = source + chroma * tf.minimum(1.0, tf.reduce_min(share, -1, keepdims=True))
        real = gan.discriminator([source, target], training=True)
        fake = gan.discriminator([source, made], training=True)
        if adversarial == "bce":
            d_terms = [-0.5 * mean_log(tf.sigmoid(real)), -0.5 * mean_log(1.0 - tf.sigmoid(fake))]
            g_loss = -mean_log(tf.sigmoid(fake))
        else:
            d_terms = [0.5 * tf.reduce_mean((real - 1.0) ** 2), 0.5 * tf.reduce_mean(fake**2)]
            g_loss = tf.reduce_mean((fake - 1.0) ** 2)
        l1 = tf.reduce_mean(tf.abs(made - target))
        told = {"d_loss": sum(d_terms), "g_loss": g_loss, "l1_loss": l1}
        return {"discriminator": d_terms, "generator": [g_loss, 100.0 * l1]}, told

    check_step(gan, (given, target), formula)
    if job is None:
        gan.steps.assign(0)
        check_adam_step(gan, (given, target), formula)


def test_noise_only_with_a_seed() -> None:
    gan = build()
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    quiet = gan.translate(images)
    np.testing.assert_array_equal(quiet, gan.translate(images))
    noisy = gan.translate(images, seed=7)
    assert np.any(noisy != quiet)
    np.testing.assert_array_equal(noisy, gan.translate(images, seed=7))
    np.testing.assert_array_equal(noisy[1:], gan.translate(images[1:], seed=8))
    assert np.any(noisy != gan.translate(images, seed=17))


def test_no_image_depends_on_its_neighbours() -> None:
    gan = build()
    images = np.random.default_rng(0).uniform(-1, 1, (3, 12, 20, 3)).astype(np.float32)
    together = gan.images_from(images).numpy()
    assert together.shape == images.shape
    assert together.std() > 1e-4
    np.testing.assert_allclose(together[1:2], gan.images_from(images[1:2]), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(resolution=48), "resolution must be a power of two from 16. Received: 48"),
        (dict(channels=0), r"channels must be 1 \(grey\) or 3 \(RGB\). Received: 0"),
        (dict(patch=64), "patch must be one of 1, 16, 34, 70, 142, 286. Received: 64"),
        (dict(patch=70), "patch=70 needs images of 24 px at least.* Received: resolution=16"),
        (dict(adversarial="gan"), "one of bce, least_squares. Received: 'gan'"),
        (dict(l1=-1.0), "l1 must be at least 0. Received: -1.0"),
        (dict(dropout=1.0), r"dropout must be in \[0, 1\). Received: 1.0"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**arguments)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((1, 8, 8, 1), np.uint8),
        np.zeros((0, 8, 8, 3), np.uint8),
    ],
)
def test_what_cannot_be_translated(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"takes uint8 images \[N, H, W, 3\], of any size. Rec"):
        build().translate(images)


def test_what_is_opaque_is_kept_and_what_lies_under_a_hole_is_not_seen() -> None:
    gan = build(source_channels=4, fill=True)
    images = np.random.default_rng(0).integers(0, 256, (2, 24, 20, 4), np.uint8)
    images[..., 3] = 255
    images[:, 4:12, 5:15, 3] = 0
    hole = images[..., 3] == 0
    made = gan.translate(images)
    np.testing.assert_array_equal(made[~hole], images[~hole][:, :3])
    assert np.abs(made[hole].astype(int) - images[hole][:, :3]).mean() > 20
    other = images.copy()
    other[hole, :3] = 7
    np.testing.assert_array_equal(gan.translate(other), made)

    # Half of what was there, and half of what is made: grey where that is grey.
    for layer in gan.ema_generator.layers:
        layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
    images[..., 3] = 128
    half = 127.5 + (images[..., :3] - 127.5) * 128 / 255
    assert np.abs(gan.translate(images) - half).max() <= 0.51
    with pytest.raises(
        ValueError, match=r"fill needs source_channels=4.* Received: source_channels=3"
    ):
        build(fill=True)


def test_a_tint_keeps_the_luma() -> None:
    gan = build(source_channels=1, tint=True)
    grey = np.random.default_rng(0).integers(0, 256, (2, 24, 20, 1), np.uint8)
    grey[0, :6, :6], grey[1, :6, :6] = 0, 255
    # Colours as strong as can be: G's last convolution draws the like.
    gan.ema_generator.layers[-2].bias.assign([9.0, -9.0, 0.3])
    made = gan.translate(grey)
    assert made.shape == (2, 24, 20, 3)
    assert made.std(axis=-1).mean() > 20
    assert np.abs(made @ np.array([0.299, 0.587, 0.114]) - grey[..., 0]).max() <= 0.51
    with pytest.raises(
        ValueError, match=r"tint needs source_channels=1.* source_channels=1, channels=1"
    ):
        build(source_channels=1, channels=1, tint=True)


def test_an_overlay_keeps_what_it_does_not_cover() -> None:
    gan = build(overlay=True)
    images = np.random.default_rng(0).integers(0, 256, (2, 24, 20, 3), np.uint8)
    last = gan.ema_generator.layers[-2]
    for alpha, expected in ((-9.0, images), (9.0, np.broadcast_to([255, 0, 255], images.shape))):
        last.bias.assign([9.0, -9.0, 9.0, alpha])
        np.testing.assert_array_equal(gan.translate(images), expected)
    with pytest.raises(ValueError, match=r"overlay needs .* source_channels=1, channels=3"):
        build(source_channels=1, overlay=True)
    with pytest.raises(ValueError, match=r"overlay needs .* fill=True"):
        build(source_channels=4, fill=True, overlay=True)
