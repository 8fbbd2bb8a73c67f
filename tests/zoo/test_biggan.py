"""BigGAN: networks by hand from their weights, counts from the tables, the game's bookkeeping."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests import small_biggan  # noqa: F401 (at 8 and 16 px)
from tests.zoo.steps import check_step
from trainers.checkpoint import state_of
from zoo.biggan import networks
from zoo.core.weights import trainable_parameters
from zoo.nn.layers import ConditionalBatchNormalization, SelfAttention, SpectralNormConv2D
from zoo.pictures.images import to_uint8

rng = np.random.default_rng(0)
TINY = dict(resolution=32, channels=1, num_classes=3, width=2, latent_dim=8, shared_dim=4)


SMALL = dict(resolution=8)  # where the size is not the subject


def build(**kwargs) -> zoo.BigGAN:
    keras.utils.set_random_seed(0)
    return zoo.BigGAN(**{**TINY, **kwargs})


@pytest.fixture(scope="module")
def gan() -> zoo.BigGAN:
    """With weights, biases and gains that are nowhere at their first values."""
    gan = build()
    for network in (gan.generator, gan.discriminator):
        for variable in network.trainable_variables:
            variable.assign(variable + rng.normal(scale=0.3, size=variable.shape))
    gan.ema_generator.set_weights(gan.generator.get_weights())
    return gan


def batch(count: int = 8, side: int = 8) -> tuple[tf.Tensor, tf.Tensor]:
    images = rng.uniform(-1, 1, (count, side, side, 1)).astype(np.float32)
    return tf.constant(images), tf.constant(np.arange(count) % 3)


# Steps run eagerly here: one of them is sooner made than traced. The battery compiles them.
def fit(gan: zoo.BigGAN, images_and_labels: tuple[tf.Tensor, tf.Tensor]) -> dict[str, list[float]]:
    return gan.fit(tf.data.Dataset.from_tensors(images_and_labels), verbose=0).history


# ---- networks


def normalized(layer: keras.layers.Layer) -> np.ndarray:
    """W / sigma(W), after one iteration from the layer's u."""
    kernel = layer.kernel.numpy().astype(np.float64)
    w = kernel.reshape(-1, kernel.shape[-1])
    v = w @ layer.u.numpy()
    v /= np.linalg.norm(v)
    return kernel / np.linalg.norm(w.T @ v)


def convolve(layer: keras.layers.Layer, x: np.ndarray) -> np.ndarray:
    kernel = normalized(layer)
    reach, size = len(kernel) // 2, x.shape[1]
    x = np.pad(x, [(0, 0), (reach, reach), (reach, reach), (0, 0)])
    places = range(len(kernel))
    return layer.bias.numpy() + sum(
        x[:, i : i + size, j : j + size] @ kernel[i, j] for i in places for j in places
    )


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def double(x: np.ndarray) -> np.ndarray:
    return x.repeat(2, axis=1).repeat(2, axis=2)


def halve(x: np.ndarray) -> np.ndarray:
    n, size, _, features = x.shape
    return x.reshape(n, size // 2, 2, size // 2, 2, features).mean(axis=(2, 4))


def convolutions(network: keras.Model, kernel_size: int) -> list[keras.layers.Layer]:
    layers = [layer for layer in network.layers if isinstance(layer, SpectralNormConv2D)]
    return [layer for layer in layers if layer.kernel_size == kernel_size]


def test_the_generator_is_that_of_figure_15(gan: zoo.BigGAN) -> None:
    z = rng.normal(size=(2, 8))
    labels = np.array([2, 0])
    network = gan.generator
    shared = network.get_layer("shared").kernel.numpy()[labels]
    (dense,) = (x for x in network.layers if type(x).__name__ == "SpectralNormDense")
    norms = [x for x in network.layers if isinstance(x, ConditionalBatchNormalization)]
    *threes, to_image = convolutions(network, 3)
    ones = convolutions(network, 1)
    x = (z[:, :2] @ normalized(dense) + dense.bias.numpy()).reshape(2, 4, 4, 8)
    for block in range(3):
        condition = np.concatenate([shared, z[:, 2 * block + 2 : 2 * block + 4]], axis=1)

        def batch_norm_relu(norm: keras.layers.Layer, x: np.ndarray, c: np.ndarray = condition):
            gain = 1 + c @ normalized(norm.gain)
            bias = c @ normalized(norm.bias)
            x = x / np.sqrt(1 + 1e-5)  # running statistics are 0 and 1
            return relu(x * gain[:, None, None] + bias[:, None, None])

        h = convolve(threes[2 * block], double(batch_norm_relu(norms[2 * block], x)))
        h = convolve(threes[2 * block + 1], batch_norm_relu(norms[2 * block + 1], h))
        x = h + convolve(ones[block], double(x))
    (last,) = (x for x in network.layers if type(x).__name__ == "StandingBatchNormalization")
    x = relu(x / np.sqrt(1 + 1e-5) * last.gamma.numpy() + last.beta.numpy())
    expected = np.tanh(convolve(to_image, x))
    assert np.abs(expected[0] - expected[1]).max() > 0.1
    outputs = network([z.astype(np.float32), labels.astype(np.int32)])
    print(f"largest difference {np.abs(outputs - expected).max():.1e}")
    np.testing.assert_allclose(outputs, expected, atol=1e-4)


def test_the_discriminator_is_that_of_figure_15_and_a_projection(gan: zoo.BigGAN) -> None:
    images = rng.uniform(-1, 1, (3, 32, 32, 1))
    labels = np.array([1, 1, 2])
    network = gan.discriminator
    threes, ones = convolutions(network, 3), convolutions(network, 1)
    x = images
    for block in range(4):
        h = relu(x) if block else x
        h = convolve(threes[2 * block + 1], relu(convolve(threes[2 * block], h)))
        x = halve(convolve(ones[block], x)) + halve(h) if block < 2 else x + h
    h = relu(x).sum(axis=(1, 2))
    embedding = network.get_layer("embedding")
    (dense,) = (
        x for x in network.layers if type(x).__name__ == "SpectralNormDense" and x is not embedding
    )
    expected = h @ normalized(dense) + dense.bias.numpy()
    # u is over the classes, the rows.
    kernel = embedding.kernel.numpy().astype(np.float64)
    v = embedding.u.numpy() @ kernel
    vectors = kernel / np.linalg.norm(kernel @ v / np.linalg.norm(v))
    expected += np.sum(vectors[labels] * h, axis=1, keepdims=True)
    outputs = network([images.astype(np.float32), labels.astype(np.int32)])
    print(f"largest difference {np.abs(outputs - expected).max():.1e}")
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)


def counted(
    resolution: int, channels: int, classes: int, ch: int, z: int, shared: int, skip_z: bool
) -> tuple[int, int]:
    """Parameters by the paper's tables: (G, D)."""
    g_factors = {32: "4444", 64: "ggd42", 128: "ggd421", 256: "ggdd421", 512: "ggdd4211"}
    d_factors = {32: "4444", 64: "124dg", 128: "124dgg", 256: "124ddgg", 512: "1124ddgg"}
    halvings = {32: 2, 64: 4, 128: 5, 256: 6, 512: 7}[resolution]
    sizes = {"g": 16, "d": 8, "4": 4, "2": 2, "1": 1}

    def conv(size: int, a: int, b: int) -> int:
        return size * size * a * b + b

    def attention(c: int) -> int:
        return 2 * c * (c // 8) + 2 * c * (c // 2) + 1

    f = [ch * sizes[factor] for factor in g_factors[resolution]]
    chunks = len(f) if skip_z else 1
    g = classes * shared + z // chunks * 16 * f[0] + 16 * f[0]
    condition = (shared or classes) + (z // chunks if skip_z else 0)
    side = 4
    for a, b in itertools.pairwise(f):
        side *= 2
        g += conv(3, a, b) + conv(3, b, b) + conv(1, a, b) + 2 * condition * (a + b)
        g += attention(b) if side == 64 else 0
    g += 2 * f[-1] + conv(3, f[-1], channels)

    f = [channels, *(ch * sizes[factor] for factor in d_factors[resolution])]
    d, side = 0, resolution
    for i, (a, b) in enumerate(itertools.pairwise(f)):
        d += conv(3, a, b) + conv(3, b, b) + (conv(1, a, b) if a != b or i < halvings else 0)
        side //= 2 if i < halvings else 1
        d += attention(b) if side == 64 and i < halvings else 0
    return g, d + f[-1] + 1 + classes * f[-1]


@pytest.mark.parametrize(
    ("config", "published"),
    [
        ((128, 3, 1000, 96, 120, 128, True), (70_433_988, 87_982_370)),
        ((32, 3, 10, 64, 128, 0, False), (4_304_387, 4_207_361)),
    ],
)
def test_the_formula_gives_the_published_counts(config: tuple, published: tuple) -> None:
    assert counted(*config) == published


@pytest.mark.parametrize(
    "config",
    [
        (32, 3, 10, 64, 128, 0, False),
        (32, 1, 7, 4, 16, 8, True),
        (64, 3, 5, 4, 10, 6, True),
        (128, 1, 5, 8, 12, 6, True),
        (256, 3, 5, 8, 14, 0, False),
        (512, 3, 5, 8, 16, 6, True),
    ],
)
def test_sizes_change_the_counts_as_in_the_tables(config: tuple) -> None:
    resolution, channels, classes, ch, z, shared, skip_z = config
    attention = 0 if resolution < 64 else 64
    generator = networks.generator(resolution, channels, classes, ch, z, shared, skip_z, attention)
    discriminator = networks.discriminator(resolution, channels, classes, ch, attention)
    counts = trainable_parameters(generator), trainable_parameters(discriminator)
    assert counts == counted(*config)
    assert generator.output_shape == (None, resolution, resolution, channels)
    sides = [
        [x.output.shape[1:3] for x in network.layers if isinstance(x, SelfAttention)]
        for network in (generator, discriminator)
    ]
    # D's first block halves images of 64 px at once, so that there it has none.
    assert sides == [[(64, 64)] if resolution >= side else [] for side in (64, 128)]


def test_z_is_20_a_chunk_by_default() -> None:
    assert zoo.BigGAN(resolution=32, width=1, num_classes=2).latent_dim == 80


# ---- the game


def test_each_step_of_d_has_its_own_part_of_the_batch() -> None:
    gan = build(**SMALL, d_steps=2)
    gan.compile(run_eagerly=True)
    parts = []
    step = gan._discriminator_step

    def spy(part):
        parts.append((part[0].numpy()[:, 0, 0, 0], part[1].numpy()))
        return step(part)

    gan._discriminator_step = spy
    images, labels = batch()
    fit(gan, (images, labels))
    assert len(parts) == 2
    for i, (pixels, of_part) in enumerate(parts):
        np.testing.assert_array_equal(pixels, images[i::2, 0, 0, 0])
        np.testing.assert_array_equal(of_part, labels[i::2])
    assert int(gan.discriminator_optimizer.iterations.numpy()) == 2
    assert int(gan.generator_optimizer.iterations.numpy()) == 1


@pytest.mark.slow
def test_parts_and_d_steps_go_together() -> None:
    gan = build(resolution=16, latent_dim=9, d_steps=2, attention=8, ema_start=0)
    gan.compile(accumulate=2, run_eagerly=True)
    networks = (gan.generator, gan.discriminator)
    before = [network.get_weights() for network in networks]
    for _ in range(2):  # in the first, attention's gain is 0 and its maps have no gradient
        history = fit(gan, batch(side=16))
    assert int(gan.discriminator_optimizer.iterations.numpy()) == 4
    assert int(gan.images_seen.numpy()) == 16
    assert set(history) == set(gan.tracked)
    for old, network in zip(before, networks, strict=True):
        assert all(np.abs(a - b).max() > 0 for a, b in zip(old, network.get_weights(), strict=True))


def test_the_batch_must_divide() -> None:
    gan = build(**SMALL, d_steps=2)
    gan.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="accumulate=1 .* of d_steps=2. Received: a batch of 7"):
        fit(gan, batch(7))
    unknown = tf.data.Dataset.from_tensor_slices(batch(7)).batch(8)  # of no static size
    with pytest.raises(ValueError, match="multiple of d_steps=2. Received: a batch of 7"):
        gan.fit(unknown, verbose=0)


def test_one_class_alone_trains() -> None:
    gan = build(**SMALL)
    gan.compile(run_eagerly=True)
    images, _ = batch(4)
    history = fit(gan, (images, tf.zeros([4], tf.int32)))
    assert np.isfinite(history["d_loss"]).all()


def test_the_embedding_is_not_regularized(gan: zoo.BigGAN) -> None:
    kernels = networks.regularized(gan.generator)
    # 1 dense layer, 3 x 3 + 1 convolutions, 6 gains and 6 biases.
    assert len(kernels) == 23
    matrices = sum(len(v.shape) >= 2 for v in gan.generator.trainable_variables)
    assert matrices == 23 + 1


@pytest.mark.slow
def test_the_average_equals_g_until_it_starts() -> None:
    gan = build(**SMALL, ema_start=1, ema_decay=0.75)
    gan.compile(run_eagerly=True)
    fit(gan, batch())
    first = [v.numpy() for v in gan.generator.trainable_variables]
    names = [v.path for v in gan.generator.trainable_variables]
    averages = {v.path.replace("ema_", ""): v for v in gan.ema_generator.variables}
    for name, value in zip(names, first, strict=True):
        np.testing.assert_allclose(averages[name], value, atol=1e-7)
    fit(gan, batch())
    for name, a, b in zip(names, first, gan.generator.trainable_variables, strict=True):
        np.testing.assert_allclose(averages[name], 0.75 * a + 0.25 * b.numpy(), atol=1e-6)


# ---- images


@pytest.mark.slow
def test_standing_statistics_are_the_mean_over_batches() -> None:
    """Of the first batch norm, whose input is a linear map of z's first chunk."""
    gan = build(**SMALL)
    gan.compile(run_eagerly=True)
    fit(gan, batch())
    network = gan.ema_generator
    gan.generate(1, seed=0)
    (dense,) = (x for x in network.layers if type(x).__name__ == "SpectralNormDense")
    norms = [x for x in network.layers if isinstance(x, ConditionalBatchNormalization)]
    means, variances = [], []
    for i in range(32):
        z = gan.draw_latents([64, 8], [i, 0]).numpy()
        x = (z[:, :4] @ normalized(dense) + dense.bias.numpy()).reshape(64 * 16, 8)
        means.append(x.mean(axis=0))
        variances.append(x.var(axis=0))
    standing = norms[0].normalization
    np.testing.assert_allclose(standing.moving_mean, np.mean(means, axis=0), atol=1e-5)
    np.testing.assert_allclose(standing.moving_variance, np.mean(variances, axis=0), rtol=1e-4)
    # And with them an ordinary pass is normalised, all the way up.
    latents, labels = gan.draw_latents([256, 8], [99, 0]), gan.draw_condition([256], [99, 1])
    inner = keras.Model(network.inputs, [norm.input[0] for norm in norms])
    for norm, x in zip(norms, inner([latents, labels]), strict=True):
        scale = np.sqrt(norm.normalization.moving_variance)
        shift = (tf.reduce_mean(x, [0, 1, 2]) - norm.normalization.moving_mean) / scale
        assert np.abs(shift).max() < 0.3
        spread = tf.math.reduce_std(x, [0, 1, 2]) / scale
        assert np.abs(spread - 1).max() < 0.3


@pytest.mark.slow
def test_a_run_does_not_depend_on_being_looked_at() -> None:
    data = [batch() for _ in range(2)]
    runs = []
    for looks in (False, True):
        gan = build(**SMALL)
        gan.compile(run_eagerly=True)
        fit(gan, data[0])
        if looks:  # a call settles what is shown as `generate` does
            seeds = tf.range(7, 9, dtype=tf.int64)
            called = gan((gan.latents_from_seeds(seeds), gan.condition_from_seeds(seeds)))
            np.testing.assert_array_equal(to_uint8(called), gan.generate(2, seed=7))
        fit(gan, data[1])
        runs.append(state_of(gan))
    for name, value in runs[0].items():
        np.testing.assert_array_equal(value.numpy(), runs[1][name].numpy(), err_msg=name)


def test_truncation_ends_at_one_image_a_class(gan: zoo.BigGAN) -> None:
    gan.generate(1, seed=0)
    spreads = []
    for threshold in (0.0, 0.3, 1.0, None):
        images = gan.generate(40, seed=0, labels=1, truncation=threshold)
        spreads.append(images.std(axis=0, dtype=np.float64).mean())
    print("spread of pixels:", *(f"{spread:.2f}" for spread in spreads))
    assert spreads[0] == 0
    assert spreads == sorted(set(spreads))
    of_classes = gan.generate(3, seed=0, labels=[0, 1, 2], truncation=0)
    assert len(np.unique(of_classes.reshape(3, -1), axis=0)) == 3


# ---- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(resolution=48), "one of .*32, 64, 128, 256, 512. Received: 48"),
        (dict(width=0), "width must be at least 1. Received: 0"),
        (dict(num_classes=0), "num_classes must be at least 1. Received: 0"),
        (dict(latent_dim=10), "latent_dim must be a multiple of 4 at 32 px.* Received: 10"),
        (dict(d_steps=0), "d_steps must be at least 1. Received: 0"),
        (dict(orthogonal=-1.0), "orthogonal must be at least 0. Received: -1.0"),
        (dict(ema_start=2.5), "ema_start must be an integer. Received: 2.5"),
        (dict(attention=16, width=1), "at least 8 features. Received: 4"),
    ],
)
def test_bad_arguments_are_one_line(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**arguments)


def test_a_step_is_the_papers() -> None:
    """Hinge, and G's orthogonal regularization (equation 3, beta 1e-4 by default)."""
    assert build().get_config()["orthogonal"] == 1e-4
    gan = build(**SMALL, d_steps=1, orthogonal=0.5)
    images, labels = batch()
    count = len(images)
    z = tf.random.stateless_normal([count, gan.latent_dim], [0, 2])
    gan.draw_latents = lambda shape, seed: z
    gan.draw_condition = lambda shape, seed: tf.cast(labels, tf.int32)
    for _ in range(30):  # till spectral norm's vectors stand still
        gan.discriminator([gan.generator([z, labels], training=True), labels], training=True)

    def formula():
        fakes = gan.generator([z, labels], training=True)
        real = gan.discriminator([images, labels], training=True)
        fake = gan.discriminator([fakes, labels], training=True)
        d_terms = [
            tf.reduce_mean(tf.maximum(0.0, 1.0 - real)),
            tf.reduce_mean(tf.maximum(0.0, 1.0 + fake)),
        ]
        orthogonal = 0.0
        for kernel in networks.regularized(gan.generator):
            w = tf.reshape(kernel, [-1, kernel.shape[-1]])
            products = tf.transpose(w) @ w
            orthogonal += tf.reduce_sum((products * (1.0 - tf.eye(len(products)))) ** 2)
        g_loss = -tf.reduce_mean(fake)
        told = {"d_loss": sum(d_terms), "g_loss": g_loss, "orthogonal_penalty": orthogonal}
        return {"discriminator": d_terms, "generator": [g_loss, 0.5 * orthogonal]}, told

    check_step(gan, (images, labels), formula)


def test_a_run_of_an_earlier_version_resumes(gan: zoo.BigGAN) -> None:
    """There u of D's embedding was over its features."""
    layer = gan.discriminator.get_layer("embedding")
    values = [variable.numpy() for variable in gan.variables]
    (at,) = (i for i, v in enumerate(gan.variables) if v is layer.u)
    classes, features = layer.kernel.shape
    assert classes != features
    earlier = list(values)
    earlier[at] = rng.normal(size=features).astype(np.float32)
    now = gan.from_earlier(list(earlier))
    expected = layer.kernel.numpy() @ earlier[at]
    np.testing.assert_allclose(now[at], expected / np.linalg.norm(expected), rtol=1e-5)
    same = gan.from_earlier(list(values))
    assert all(a is b for a, b in zip(same, values, strict=True))
