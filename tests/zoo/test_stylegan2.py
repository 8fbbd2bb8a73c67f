"""StyleGAN2 against the paper's formulas, in numpy from the weights alone."""

import functools
import zlib

import keras
import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

import zoo
from tests.zoo.nn.layers.test_modulated import by_sample
from tests.zoo.steps import check_step, softplus, squared_gradients
from trainers.strategy import make_strategy
from zoo.core.style_based import MeanStyle
from zoo.nn.layers import (
    DownsamplingConv2D,
    EqualizedConv2D,
    EqualizedDense,
    ModulatedConv2D,
    Noise,
)
from zoo.stylegan2 import networks

SMALL = dict(resolution=8, latent_dim=6, fmap_base=20, fmap_max=7, mapping_layers=2, group=2)


def build(**config) -> zoo.StyleGAN2:
    keras.utils.set_random_seed(0)
    return zoo.StyleGAN2(**{**SMALL, **config})


@pytest.fixture(scope="module")
def gan() -> zoo.StyleGAN2:
    return shaken(build())


@pytest.fixture(scope="module")
def conditional() -> zoo.StyleGAN2:
    return shaken(build(num_classes=3, channels=1))


def shaken(gan: zoo.StyleGAN2) -> zoo.StyleGAN2:
    """With biases, noise strengths and mean styles that are not 0."""
    rng = np.random.default_rng(0)
    for network in (gan.generator, gan.discriminator):
        for variable in network.variables:
            if not np.any(variable.numpy()):
                variable.assign(rng.normal(0, 0.3, variable.shape))
    gan.ema_generator.set_weights(gan.generator.get_weights())
    return gan


# ---- the networks


@pytest.mark.parametrize(
    ("config", "generator", "discriminator"),
    [
        # Of the classes of NVlabs/stylegan2-ada-pytorch, instantiated at these sizes.
        (
            dict(resolution=32, fmap_base=16384, mapping_layers=2, num_classes=10),
            20_215_315,
            23_876_096,
        ),
        (
            dict(resolution=128, channels=1, latent_dim=256, fmap_base=4096, fmap_max=256),
            6_136_657,
            5_973_185,
        ),
        (
            dict(
                resolution=64,
                latent_dim=64,
                fmap_base=1024,
                fmap_max=100,
                mapping_layers=4,
                num_classes=5,
            ),
            671_876,
            853_948,
        ),
    ],
)
def test_sizes_change_the_counts_as_in_the_reference(
    config: dict, generator: int, discriminator: int
) -> None:
    sizes = {**dict(channels=3, latent_dim=512, fmap_max=512, mapping_layers=8), **config}
    maps = (sizes["fmap_base"], sizes["fmap_max"])
    resolution, channels, z = (sizes[k] for k in ("resolution", "channels", "latent_dim"))
    classes = sizes.get("num_classes", 0)
    built = [
        networks.mapping_network(z, sizes["mapping_layers"], classes),
        networks.synthesis_network(resolution, channels, z, *maps, True),
        networks.discriminator(resolution, channels, classes, *maps, 4),
    ]
    f, g, d = (sum(int(np.prod(v.shape)) for v in n.trainable_variables) for n in built)
    assert (f + g, d) == (generator, discriminator)


def lrelu(x: np.ndarray) -> np.ndarray:
    """As the reference: followed by sqrt 2."""
    return np.where(x > 0, x, 0.2 * x) * np.sqrt(2)


# Beginnings of the names of layers, in the order of the data.
ORDER = {
    "mapping": ["label_embedding", "dense"],
    "synthesis": ["4_constant", "4_conv1", "4_to_rgb", "8_conv0", "8_conv1", "8_to_rgb"],
    "discriminator": [
        *("from_rgb", "8_skip", "8_conv0", "8_conv1", "4_conv", "4_dense"),
        *("label_embedding", "label_dense", "4_out"),
    ],
}


def ordered(network: keras.Model, kind: type) -> list:
    """Layers of exactly one class, in the order in which their data goes through them."""

    def place(layer: keras.layers.Layer) -> tuple[int, str]:
        (found,) = (i for i, name in enumerate(ORDER[network.name]) if layer.name.startswith(name))
        return found, layer.name

    return sorted((layer for layer in network.layers if type(layer) is kind), key=place)


def dense(x: np.ndarray, layer: EqualizedDense, bias: np.ndarray, rate: float = 1.0) -> np.ndarray:
    kernel = layer.kernel.numpy().astype(np.float64)
    return x @ kernel * rate / np.sqrt(len(kernel)) + rate * bias


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.sqrt(np.mean(x**2, axis=1, keepdims=True) + 1e-8)


def embedded(network: keras.Model, labels: np.ndarray) -> np.ndarray:
    layer = next(e for e in ordered(network, EqualizedDense) if e.kernel.shape[0] == 3)
    return unit(dense(np.eye(3)[labels], layer, layer.bias.numpy()))


def mapped(gan: zoo.StyleGAN2, z: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    mapping = gan.generator.get_layer("mapping")
    x = unit(z.astype(np.float64))
    if labels is not None:
        x = np.concatenate([x, embedded(mapping, labels)], axis=1)
    layers = [e for e in ordered(mapping, EqualizedDense) if not e.use_bias]
    for layer, bias in zip(layers, ordered(mapping, networks.Bias), strict=True):
        x = lrelu(dense(x, layer, bias.bias.numpy(), 0.01))
    return x


def upsampled(images: np.ndarray) -> np.ndarray:
    spread = np.zeros((len(images), *(2 * s for s in images.shape[1:3]), images.shape[3]))
    spread[:, ::2, ::2] = images
    taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1])[None, :, :, None] / 16
    return scipy.signal.convolve(spread, taps)[:, 1:-2, 1:-2]


def synthesized(gan: zoo.StyleGAN2, w: np.ndarray) -> np.ndarray:
    """w [N, L, W] -> images, layer by layer (figures 2c and 7b)."""
    network = gan.generator.get_layer("synthesis")
    affine, conv, bias, noise = (
        iter(ordered(network, kind))
        for kind in (EqualizedDense, ModulatedConv2D, networks.Bias, Noise)
    )

    def modulated(x: np.ndarray, w: np.ndarray, upsample: bool = False, rgb: bool = False):
        a, layer = next(affine), next(conv)
        style = dense(w, a, 1.0 + a.bias.numpy())
        return by_sample(x, style, layer.kernel.numpy(), not rgb, upsample)

    def styled(x: np.ndarray, w: np.ndarray, upsample: bool = False) -> np.ndarray:
        x = modulated(x, w, upsample)
        layer = next(noise)
        x = x + layer.constant * layer.strength.numpy()
        return lrelu(x + next(bias).bias.numpy())

    def rgb(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        return modulated(x, w, rgb=True) + next(bias).bias.numpy()

    (constant,) = ordered(network, networks.Constant)
    x = np.repeat(constant.constant.numpy(), len(w), axis=0)
    x = styled(x, w[:, 0])
    images = rgb(x, w[:, 1])
    for i in range(1, w.shape[1] - 1, 2):
        x = styled(x, w[:, i], upsample=True)
        x = styled(x, w[:, i + 1])
        images = upsampled(images) + rgb(x, w[:, i + 2])
    return images


@pytest.mark.parametrize(
    "labels", [None, pytest.param(np.array([2, 0, 1]), marks=pytest.mark.slow)]
)
def test_the_generator_is_the_paper_by_hand(
    request: pytest.FixtureRequest, labels: np.ndarray | None
) -> None:
    gan = request.getfixturevalue("gan" if labels is None else "conditional")
    z = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    w = mapped(gan, z, labels)
    np.testing.assert_allclose(gan.map(z, labels)[:, 3], w, atol=1e-5)
    images = synthesized(gan, np.repeat(w[:, None], 4, axis=1))
    inputs = z if labels is None else [z, labels]
    np.testing.assert_allclose(gan.generator(inputs), images, atol=1e-4)
    # A style a layer: each goes to its own.
    w = np.random.default_rng(1).normal(size=(2, 4, 6)).astype(np.float32)
    expected = synthesized(gan, w)
    np.testing.assert_allclose(gan.generator.get_layer("synthesis")(w), expected, atol=1e-4)


def convolved(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A "same" correlation with an equalized kernel, in float64."""
    kernel = kernel.astype(np.float64) / np.sqrt(np.prod(kernel.shape[:3]))
    return np.stack(
        [
            np.stack(
                [
                    sum(
                        scipy.signal.correlate2d(image[:, :, i], kernel[:, :, i, j], "same")
                        for i in range(kernel.shape[2])
                    )
                    for j in range(kernel.shape[3])
                ],
                axis=-1,
            )
            for image in x
        ]
    )


def blurred(x: np.ndarray, pad: int) -> np.ndarray:
    taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1])[None, :, :, None] / 64
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    return scipy.signal.convolve(padded, taps, mode="valid")


@pytest.mark.parametrize("labels", [None, np.array([2, 0, 1, 1])])
def test_the_discriminator_is_the_paper_by_hand(
    request: pytest.FixtureRequest, labels: np.ndarray | None
) -> None:
    gan = request.getfixturevalue("gan" if labels is None else "conditional")
    d, channels = gan.discriminator, gan.image_shape[2]
    images = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, channels))
    conv, down, bias, full = (
        iter(ordered(d, kind))
        for kind in (EqualizedConv2D, DownsamplingConv2D, networks.Bias, EqualizedDense)
    )

    def biased(x: np.ndarray) -> np.ndarray:
        return lrelu(x + next(bias).bias.numpy())

    x = biased(convolved(images, next(conv).kernel.numpy()))
    skip = convolved(blurred(x, 1)[:, ::2, ::2], next(conv).kernel.numpy())
    x = biased(convolved(x, next(conv).kernel.numpy()))
    # 9 x 9 after the filter; a "same" convolution at the odd places is the "valid" one of stride 2.
    x = biased(convolved(blurred(x, 2), next(down).kernel.numpy())[:, 1::2, 1::2])
    x = (skip + x) / np.sqrt(2)
    groups = x.reshape(2, 2, 4, 4, -1)
    deviation = np.sqrt(groups.var(axis=1) + 1e-8).mean(axis=(1, 2, 3))
    maps = np.repeat(deviation, 2)[:, None, None, None] * np.ones((4, 4, 4, 1))
    x = biased(convolved(np.concatenate([x, maps], axis=-1), next(conv).kernel.numpy()))
    x = lrelu(dense(x.reshape(4, -1), next(full), next(bias).bias.numpy()))
    if labels is None:
        out = next(full)
        expected = dense(x, out, out.bias.numpy())
        np.testing.assert_allclose(d(images, training=True), expected, atol=1e-5)
        return
    next(full)
    y = embedded(d, labels)
    for _ in range(8):
        y = lrelu(dense(y, next(full), next(bias).bias.numpy(), 0.01))
    out = next(full)
    product = np.sum(dense(x, out, out.bias.numpy()) * y, axis=1, keepdims=True)
    expected = product / np.sqrt(y.shape[1])
    np.testing.assert_allclose(d([images, labels], training=True), expected, atol=1e-5)


# ---- styles


@pytest.mark.slow
def test_truncation_moves_styles_to_the_mean(
    gan: zoo.StyleGAN2, conditional: zoo.StyleGAN2
) -> None:
    z = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    w = gan.map(z)
    assert w.shape == (3, 4, 6)
    (mean,) = gan.ema_generator.get_layer("mapping").get_layer("mean_style").mean.numpy()
    assert np.any(mean != 0)
    half = gan.map(z, truncation=0.5, cutoff=2)
    np.testing.assert_allclose(half[:, :2], (w[:, :2] + mean) / 2, atol=1e-6)
    np.testing.assert_array_equal(half[:, 2:], w[:, 2:])
    np.testing.assert_allclose(gan.map(z, truncation=0.0), np.tile(mean, (3, 4, 1)), atol=1e-6)
    np.testing.assert_array_equal(gan.map(z, truncation=1.0), w)
    np.testing.assert_array_equal(gan.generate(4, seed=3, truncation=1.0), gan.generate(4, seed=3))
    assert len(np.unique(gan.generate(4, seed=3, truncation=0.0), axis=0)) == 1
    means = conditional.ema_generator.get_layer("mapping").get_layer("mean_style").mean.numpy()
    of_classes = conditional.map(z, [0, 2, 2], truncation=0.0)[:, 0]
    np.testing.assert_allclose(of_classes, means[[0, 2, 2]], atol=1e-6)


def test_synthesize_is_what_generate_does(gan: zoo.StyleGAN2) -> None:
    z = gan.latents_from_seeds(tf.range(5, 8, dtype=tf.int64))
    images = gan.synthesize(gan.map(z))
    assert images.dtype == np.uint8
    assert np.abs(images.astype(int) - gan.generate(3, seed=5)).max() <= 1
    silent = gan.synthesize(gan.map(z), noise="none")
    assert np.any(silent != images)
    strengths = [
        n.strength for n in gan.ema_generator.get_layer("synthesis").layers if isinstance(n, Noise)
    ]
    kept = [s.numpy() for s in strengths]
    for s in strengths:
        s.assign(0.0)
    np.testing.assert_array_equal(gan.synthesize(gan.map(z)), silent)
    for s, value in zip(strengths, kept, strict=True):
        s.assign(value)


def test_mix_takes_styles_of_both(gan: zoo.StyleGAN2, conditional: zoo.StyleGAN2) -> None:
    a, b = (gan.generate(1, seed=seed) for seed in (3, 9))

    def near(x: np.ndarray, y: np.ndarray) -> bool:
        return np.abs(x.astype(int) - y).max() <= 1

    assert near(gan.mix(3, 9, 4), a)
    assert near(gan.mix(3, 9, 0), b)
    w = gan.map(gan.latents_from_seeds(tf.constant([3, 9], tf.int64)))
    mixed = gan.synthesize(np.concatenate([w[:1, :2], w[1:, 2:]], axis=1))
    assert near(gan.mix(3, 9, 2), mixed)
    assert not near(mixed, a)
    assert not near(mixed, b)
    several = gan.mix([3, 3, 3], 9, [0, 2, 4])
    assert near(several, np.concatenate([b, mixed, a]))
    images = conditional.mix(3, 9, 4, labels=2)
    assert near(images, conditional.generate(1, seed=3, labels=2))
    assert near(conditional.mix(3, 9, 0), conditional.generate(1, seed=9))


def test_training_mixes_as_many_as_it_should(gan: zoo.StyleGAN2) -> None:
    w = gan._draw_w(tf.constant(2000), None, tf.constant([1, 2], tf.int64)).numpy()
    changes = np.any(w[:, 1:] != w[:, :-1], axis=2)
    assert np.all(changes.sum(axis=1) <= 1)
    assert abs(changes.any(axis=1).mean() - 0.9) < 0.03
    assert np.all(np.abs(changes.mean(axis=0) - 0.3) < 0.05)  # each layer as likely
    plain = build(mixing=0.0)._draw_w(tf.constant(20), None, tf.constant([1, 2], tf.int64))
    assert np.all(plain == plain[:, :1])


@pytest.mark.parametrize("replicas", [1, 2])
def test_the_mean_style_is_a_running_mean_of_each_class(replicas: int) -> None:
    strategy = make_strategy("mirrored") if replicas == 2 else tf.distribute.get_strategy()
    rng = np.random.default_rng(0)
    w = rng.normal(size=(3, 8, 5)).astype(np.float32)
    labels = np.array([[0, 0, 1, 0, 0, 0, 0, 0], [2] * 8, [0, 1, 2, 0, 1, 2, 0, 1]], np.int32)
    with strategy.scope():
        layer = MeanStyle(3, decay=0.9)
        layer.build([(None, 5), (None,)])
    expected = np.zeros((3, 5))

    @tf.function
    def step(w: tf.Tensor, labels: tf.Tensor) -> None:
        def on_replica() -> None:
            i = tf.distribute.get_replica_context().replica_id_in_sync_group
            rows = slice(None) if replicas == 1 else slice(4 * i, 4 * i + 4)
            layer([w[rows], labels[rows]], training=True)

        strategy.run(on_replica)

    for batch, of in zip(w, labels, strict=True):
        step(tf.constant(batch), tf.constant(of))
        for c in set(of):
            expected[c] += 0.1 * (batch[of == c].mean(axis=0) - expected[c])
    np.testing.assert_allclose(layer.mean.numpy(), expected, atol=1e-6)


# ---- the game


def data(batch: int = 4, channels: int = 3) -> tf.data.Dataset:
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (batch, 8, 8, channels)).astype(np.float32)
    return tf.data.Dataset.from_tensors(images).repeat()


@pytest.mark.slow
def test_regularizers_run_when_they_are_due() -> None:
    gan = build(r1_interval=3, path_length_interval=2)
    gan.compile(run_eagerly=True)
    due = []
    for _ in range(5):
        due.append(gan.phase())
        gan.fit(data(), steps_per_epoch=1, verbose=0)
    path, r1 = zip(*due, strict=True)
    assert path == (True, False, True, False, True)
    assert r1 == (True, False, False, True, False)
    assert int(gan.generator_optimizer.iterations.numpy()) == 5 + 3
    assert int(gan.discriminator_optimizer.iterations.numpy()) == 5 + 2
    assert float(gan.mean_path_length.numpy()) > 0
    with pytest.raises(ValueError, match="steps_per_execution must be 1 for StyleGAN2"):
        gan.compile(steps_per_execution=2)


@pytest.mark.slow
def test_adam_is_slowed_down_for_lazy_regularizers() -> None:
    gan = build(r1_interval=16, path_length_interval=4)
    gan.compile()
    for optimizer, k in ((gan.discriminator_optimizer, 16), (gan.generator_optimizer, 4)):
        # k + 1 updates move and forget as much as the paper's k.
        assert (k + 1) * float(optimizer.learning_rate) == pytest.approx(k * 0.002)
        assert optimizer.beta_2 ** (k + 1) == pytest.approx(0.99**k)
        assert optimizer.beta_1 == 0.0
        assert optimizer.epsilon == 1e-8
    plain = build(r1=0.0, path_length=0.0, learning_rate=0.003)
    plain.compile()
    for optimizer in (plain.discriminator_optimizer, plain.generator_optimizer):
        assert float(optimizer.learning_rate) == pytest.approx(0.003)
        assert optimizer.beta_2 == 0.99
    assert set(plain.tracked) == set(zoo.GAN.tracked)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["generator", "discriminator"])
def test_lazy_regularization_is_the_unlazy_in_expectation(which: str) -> None:
    """Under SGD of a small rate the weights move as far, in 4 steps and the same direction."""
    weights = (
        dict(r1=200.0, path_length=0.0)
        if which == "discriminator"
        else dict(r1=0.0, path_length=3.0)
    )

    def moved(**config) -> np.ndarray:
        gan = shaken(build(mixing=0.0, noise=False, **{**weights, **config}))
        gan.compile(keras.optimizers.SGD(1e-5), keras.optimizers.SGD(1e-5), run_eagerly=True)
        # The same latents and y at every step: of the expectation, one sample.
        gan.step_seed = lambda name: tf.constant([7, zlib.crc32(name.encode())], tf.int64)
        network = getattr(gan, which)
        before = [v.numpy() for v in network.trainable_variables]
        gan.fit(data(), steps_per_epoch=4, verbose=0)
        after = [v.numpy() for v in network.trainable_variables]
        return np.concatenate([(b - a).ravel() for a, b in zip(before, after, strict=True)])

    lazy = moved(r1_interval=4, path_length_interval=4)
    every = moved(r1_interval=1, path_length_interval=1)
    without = moved(r1=0.0, path_length=0.0)
    size = np.linalg.norm(every)
    difference, effect = (np.linalg.norm(every - x) / size for x in (lazy, without))
    print(f"{which}: lazy against every step {difference:.4f}, against none {effect:.2f}")
    assert difference < 0.05  # a, the mean length, has moved otherwise
    assert effect > 0.5


@pytest.mark.slow
def test_the_average_has_the_half_life_in_images() -> None:
    for ramp in (None, 0.5):
        gan = build(ema_images=100.0, ema_ramp=ramp, path_length=0.0, r1=0.0)
        gan.compile(run_eagerly=True)
        average = gan.ema_generator.get_weights()
        for step in range(3):
            gan.fit(data(8), steps_per_epoch=1, verbose=0)
            half_life = 100.0 if ramp is None else min(100.0, 8 * step * ramp)
            decay = 0.5 ** (8 / half_life) if half_life else 0.0
            average = [
                decay * a + (1 - decay) * w.numpy() if w.trainable else w.numpy()
                for a, w in zip(average, gan.generator.weights, strict=True)
            ]
        # The mean style is copied, as in the paper's code.
        assert not all(w.trainable for w in gan.generator.weights)
        for a, b in zip(average, gan.ema_generator.get_weights(), strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ada", "diffaugment"])
def test_both_networks_learn_through_augmentations(kind: str) -> None:
    gan = build(augment=kind)
    gan.compile(run_eagerly=True)
    if kind == "ada":
        gan.ada.p.assign(0.8)
    before = gan.generator.get_weights() + gan.discriminator.get_weights()
    history = gan.fit(data(), steps_per_epoch=4, verbose=0).history
    after = gan.generator.get_weights() + gan.discriminator.get_weights()
    assert all(np.any(a != b) for a, b in zip(before, after, strict=True))
    assert all(np.isfinite(values).all() for values in history.values())
    assert set(history) == set(gan.tracked)
    if kind == "ada":
        expected = 0.8 + np.array([-1, 1]) * 16 / 500_000  # R1's logits count, not its images
        assert np.min(np.abs(float(gan.ada.p.numpy()) - expected)) < 1e-6


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (dict(resolution=24), "resolution must be a power of two from 8. Received: 24"),
        (dict(mapping_layers=0), "mapping_layers must be at least 1. Received: 0"),
        (dict(num_classes=-1), "num_classes must be at least 0. Received: -1"),
        (dict(r1=-1.0), "r1 must be at least 0. Received: -1.0"),
        (dict(mixing=1.5), "mixing must be in .0, 1.. Received: 1.5"),
        (dict(augment="flip"), "augment must be one of .*'ada'.* Received: 'flip'"),
        (dict(augment="ada", channels=4), "ADA takes images of 1 or 3 channels. Received: 4"),
        (dict(learning_rate=0.0), "learning_rate must be more than 0. Received: 0.0"),
        (dict(ema_ramp=-0.1), "ema_ramp must be more than 0, or None. Received: -0.1"),
    ],
)
def test_bad_arguments_are_one_line(config: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**config)


def test_bad_styles_are_one_line(gan: zoo.StyleGAN2, conditional: zoo.StyleGAN2) -> None:
    z = np.zeros((2, 6), np.float32)
    for call, message in [
        (lambda: gan.mix(1, 2, 5), "cutoff must be an integer from 0 to 4, .* Received: 5"),
        (lambda: gan.mix(1, 2, -1), "cutoff must be an integer from 0 to 4, .* Received: -1"),
        (lambda: gan.mix(1, 2, 1.5), "cutoff must be an integer from 0 to 4, .* Received: 1.5"),
        (lambda: gan.mix([1, 2], [1, 2, 3], 1), "each one or as many as the others. Received"),
        (lambda: gan.mix("a", 2, 1), "must be integers, .* Received: 'a', 2, 1"),
        (lambda: gan.map(z, truncation=0.5, cutoff=9), "cutoff must be .* Received: 9"),
        (lambda: gan.map(z, truncation=-0.5), "truncation must be .* Received: -0.5"),
        (lambda: gan.map(z[:, :3]), r"takes latents .N, 6.. Received: \(2, 3\)"),
        (lambda: gan.map(z, labels=1), "has no labels here"),
        (lambda: conditional.map(z), "Labels must be integers from 0 to 2.* Received: None"),
        (lambda: gan.synthesize(z), r"synthesizes w .N, 4, 6.. Received: \(2, 6\)"),
        (
            lambda: gan.synthesize(gan.map(z), noise="fixed"),
            "noise must be one of constant, none. Received: 'fixed'",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.slow
def test_a_batch_that_cannot_be_grouped_is_refused() -> None:
    gan = build(group=4)
    gan.compile()
    with pytest.raises(ValueError, match="^Minibatch standard .* group of 4, .* a batch of 6.$"):
        gan.fit(data(6), steps_per_epoch=1, verbose=0)
    assert int(gan.steps.numpy()) == 0


# ---- what a step minimises


def still(**config) -> zoo.StyleGAN2:
    """Whose latents are always the same, without noise; `latents` has them."""
    gan = shaken(build(channels=1, mixing=0.0, noise=False, **config))
    gan.latents = tf.random.stateless_normal([4, 6], [0, 2])
    gan.draw_latents = lambda shape, seed: gan.latents[: shape[0]]
    return gan


IMAGES = tf.random.stateless_uniform([4, 8, 8, 1], [0, 1], -1, 1)


def styles(gan: zoo.StyleGAN2, count: int) -> tf.Tensor:
    w = gan.generator.get_layer("mapping")(gan.latents[:count])
    return tf.repeat(w[:, None], gan.num_layers, axis=1)


def test_the_game_is_the_papers() -> None:
    gan = still(r1=0.0, path_length=0.0)

    def formula():
        discriminator = functools.partial(gan.discriminator, training=True)
        fakes = gan.generator.get_layer("synthesis")(styles(gan, 4))
        real, fake = discriminator(IMAGES), discriminator(fakes)
        d_terms, g_loss = [softplus(-real), softplus(fake)], softplus(-fake)
        told = {"d_loss": sum(d_terms), "g_loss": g_loss}
        return {"discriminator": d_terms, "generator": [g_loss]}, told

    check_step(gan, IMAGES, formula)


def test_lazy_regularizers_are_the_papers() -> None:
    """gamma / 2 of R1 and the weight of path lengths, each times its interval, in its own update.

    The game itself is left out.
    """
    papers = build().get_config()
    assert (papers["r1"], papers["path_length"]) == (10.0, 2.0)
    gan = still(r1=6.0, r1_interval=5, path_length=3.0, path_length_interval=7)
    gan._update = lambda game, batch, *networks: {}
    y_seed = gan.step_seed("path_length_y")

    def formula():
        discriminator = functools.partial(gan.discriminator, training=True)
        r1 = tf.reduce_mean(squared_gradients(discriminator, IMAGES))
        w = styles(gan, 2)  # of half the batch
        with tf.GradientTape() as tape:
            tape.watch(w)
            images = gan.generator.get_layer("synthesis")(w)
            y = tf.random.stateless_normal(images.shape, y_seed, alg="philox") / 8.0
            projection = tf.reduce_sum(images * y)
        squares = tf.reduce_sum(tape.gradient(projection, w) ** 2, axis=2)
        lengths = tf.sqrt(tf.reduce_mean(squares, axis=1))
        path = tf.reduce_mean((lengths - 0.01 * tf.reduce_mean(lengths)) ** 2)  # a was 0
        terms = {"discriminator": [5 * 6.0 / 2 * r1], "generator": [7 * 3.0 * path]}
        return terms, {"r1_penalty": r1, "path_length_penalty": path}

    check_step(gan, IMAGES, formula, alternating=False)
