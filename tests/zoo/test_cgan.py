"""The conditional GAN: its networks against the paper, its parts against plain sums."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.zoo.steps import check_step, softplus
from zoo.cgan import networks
from zoo.cgan.optimizer import MirzaSGD
from zoo.nn.layers import LabelledConv2D, LabelledConv2DTranspose, OneHot


def counted(network: keras.Model) -> list[int]:
    """Trainable numbers of each layer that has some, in the order of the layers' inputs."""
    counts = [sum(int(np.prod(v.shape)) for v in x.trainable_variables) for x in network.layers]
    return sorted(count for count in counts if count)


def test_the_papers_layers_are_as_large_as_it_says() -> None:
    z_200, y_1000 = 100 * 200 + 200, 10 * 1000 + 1000
    joint_1200, pixels = (200 + 1000) * 1200 + 1200, 1200 * 784 + 784
    generator = networks.mlp_generator(28, 1, 10, 100, 1200, dropout=True)
    assert counted(generator) == sorted([z_200, y_1000, joint_1200, pixels])
    x_240, y_50 = (784 + 1) * 240 * 5, (10 + 1) * 50 * 5
    joint_240, logit = (240 + 50 + 1) * 240 * 4, 240 + 1
    discriminator = networks.mlp_discriminator(28, 1, 10, 1200, dropout=True)
    assert counted(discriminator) == sorted([x_240, y_50, joint_240, logit])


@pytest.mark.parametrize(("r", "c", "k", "w", "u"), [(28, 1, 10, 64, 1024), (32, 3, 5, 8, 16)])
def test_the_convolutional_layers_are_the_codes(r: int, c: int, k: int, w: int, u: int) -> None:
    start = (r // 4) ** 2 * 2 * w
    generator = networks.conv_generator(r, c, k, 100, w, u)
    g = [(100 + k) * u, (u + k) * start, 25 * (2 * w + k) * w, 25 * (w + k) * c]
    assert counted(generator) == sorted(g)
    d = [25 * (c + k) * w, 25 * (w + k) * 2 * w, (start + k) * u, u + k]
    discriminator = networks.conv_discriminator(r, c, k, w, u)
    assert counted(discriminator) == sorted(d)
    assert generator.output_shape == (None, r, r, c)
    assert discriminator.output_shape == (None, 1)


@pytest.mark.parametrize(
    ("kind", "shape", "filters"),
    [
        ("down", (4, 28, 28, 1), 5),  # an image, by DCGAN's detour
        ("down", (4, 14, 14, 6), 5),
        ("down", (4, 7, 9, 6), 5),
        ("up", (4, 7, 8, 6), 5),
        ("up", (4, 14, 14, 6), 1),
    ],
)
def test_labels_are_constant_planes(kind: str, shape: tuple, filters: int) -> None:
    """TensorFlow's convolution of the features and the planes joined, and its gradients."""
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=shape), tf.float32)
    y = tf.one_hot([0, 2, 1, 2], 3)
    layer = {"down": LabelledConv2D, "up": LabelledConv2DTranspose}[kind](filters)
    with tf.GradientTape() as tape:
        tape.watch(x)
        ours = layer([x, y])
        loss = tf.reduce_sum(ours * ours)
    of_features, of_labels = layer.features.kernel.value, layer.label_kernel.value
    gradients = tape.gradient(loss, [x, of_features, of_labels])

    with tf.GradientTape() as tape:
        tape.watch(x)
        planes = tf.broadcast_to(y[:, None, None, :], [*shape[:3], 3])
        joined = tf.concat([x, planes], axis=-1)
        if kind == "down":
            kernel = tf.concat([of_features, tf.transpose(of_labels, [1, 2, 0, 3])], axis=2)
            expected = tf.nn.conv2d(joined, kernel, 2, "SAME")
        else:
            kernel = tf.concat([of_features, tf.transpose(of_labels, [1, 2, 3, 0])], axis=3)
            size = [4, 2 * shape[1], 2 * shape[2], filters]
            expected = tf.nn.conv2d_transpose(joined, kernel, size, 2, "SAME")
        loss = tf.reduce_sum(expected * expected)
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    assert tuple(layer.compute_output_shape([shape, (4, 3)])) == tuple(expected.shape)
    for a, b in zip(gradients, tape.gradient(loss, [x, of_features, of_labels]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)


def test_layers_are_rebuilt_from_their_config() -> None:
    for layer in (OneHot(3), LabelledConv2D(2, activation="sigmoid"), LabelledConv2DTranspose(2)):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        assert type(again) is type(layer)
        assert again.get_config() == layer.get_config()


def test_the_mlp_is_the_formulas() -> None:
    """By hand in numpy, from the weights alone."""
    rng = np.random.default_rng(0)
    gan = zoo.CGAN(resolution=4, num_classes=3, latent_dim=5, width=24)
    for network in (gan.generator, gan.discriminator):
        network.set_weights([rng.normal(size=w.shape) for w in network.get_weights()])
    z, labels = rng.uniform(0, 1, (6, 5)).astype(np.float32), np.array([0, 1, 2, 2, 1, 0])
    y = np.eye(3)[labels]
    wz, bz, wy, by, wh, bh, wx, bx = gan.generator.get_weights()
    h = np.concatenate([np.maximum(z @ wz + bz, 0), np.maximum(y @ wy + by, 0)], axis=1)
    x = 1 / (1 + np.exp(-(np.maximum(h @ wh + bh, 0) @ wx + bx)))
    images = gan.generator([tf.constant(z), tf.constant(labels)])
    np.testing.assert_allclose(images, 2 * x.reshape(6, 4, 4, 1) - 1, atol=1e-5)

    def maxout(h, w, b, pieces):
        return (h @ w + b).reshape(6, -1, pieces).max(axis=-1)

    wx, bx, wy, by, wh, bh, wl, bl = gan.discriminator.get_weights()
    h = np.concatenate([maxout(x, wx, bx, 5), maxout(y, wy, by, 5)], axis=1)
    logits = maxout(h, wh, bh, 4) @ wl + bl
    ours = gan.discriminator([images, tf.constant(labels)])
    np.testing.assert_allclose(ours, logits, rtol=1e-4, atol=1e-3)


def test_latents() -> None:
    paper, conv = zoo.CGAN(), zoo.CGAN(architecture="conv", width=4, dense_units=4)
    z = paper.draw_latents([20_000], [1, 2]).numpy()
    assert 0 <= z.min() < 0.001
    assert 0.999 < z.max() < 1
    z = conv.draw_latents([20_000], [1, 2]).numpy()
    assert -1 <= z.min() < -0.999
    assert 0.999 < z.max() < 1


def test_weights_decay_as_in_the_code() -> None:
    """SGD of rate 1 on a loss that does not reach some weights moves them by -L2 w alone."""
    gan = zoo.CGAN(architecture="conv", resolution=8, num_classes=3, width=4, dense_units=4)
    gan.compile(keras.optimizers.SGD(1.0), keras.optimizers.SGD(1.0))
    images = tf.random.stateless_uniform([4, 8, 8, 1], [1, 2], -1, 1)
    labels = tf.zeros([4], tf.int32)
    layer = next(x for x in gan.discriminator.layers if isinstance(x, LabelledConv2D))
    layer.label_kernel.assign(tf.ones_like(layer.label_kernel))
    gan.fit(tf.data.Dataset.from_tensors((images, labels)), verbose=0)
    # Class 0 alone was seen; of the others nothing but the decay.
    np.testing.assert_allclose(layer.label_kernel[1:], 1 - 2.5e-5, atol=1e-7)
    assert np.abs(layer.label_kernel[0] - (1 - 2.5e-5)).max() > 1e-6


@pytest.mark.parametrize("updates", [0, 600 * 100, 600 * 400])
def test_the_optimizer_is_the_papers_schedule(updates: int) -> None:
    variable = keras.Variable([2.0])
    optimizer = MirzaSGD()
    optimizer.build([variable])
    optimizer.iterations.assign(updates)
    velocity, expected = 0.0, 2.0
    for t in (updates, updates + 1):
        momentum = 0.5 + 0.2 * min(t // 600 / 249, 1.0)
        velocity = momentum * velocity - max(0.1 * 1.00004**-t, 1e-6) * 3.0
        expected += velocity
        optimizer.apply([tf.constant([3.0])], [variable])
    np.testing.assert_allclose(variable.numpy(), [expected], rtol=1e-4)


@pytest.mark.slow
def test_it_learns_which_class_is_which() -> None:
    """Two classes, dark and bright images: G draws what it is asked for."""
    keras.utils.set_random_seed(0)
    gan = zoo.CGAN(
        architecture="conv", resolution=8, num_classes=2, latent_dim=4, width=8, dense_units=16
    )
    gan.compile(keras.optimizers.Adam(2e-3, 0.5), keras.optimizers.Adam(2e-3, 0.5))
    labels = np.arange(64) % 2
    rng = np.random.default_rng(0)
    images = (
        rng.uniform(-0.2, 0.2, (64, 8, 8, 1)) + np.where(labels, 0.7, -0.7)[:, None, None, None]
    )
    rows = tf.data.Dataset.from_tensors((images.astype(np.float32), labels)).repeat(150)
    gan.fit(rows, verbose=0)
    dark, bright = (gan.generate(8, seed=0, labels=c).mean() for c in (0, 1))
    print(f"asked for dark and bright: {dark:.0f} and {bright:.0f} of 255")
    assert dark < 80
    assert bright > 175


def test_bad_arguments_are_one_line() -> None:
    for arguments, message in [
        (dict(architecture="resnet"), "must be 'mlp' or 'conv'. Received: 'resnet'"),
        (dict(num_classes=1), "num_classes must be at least 2. Received: 1"),
        (dict(num_classes=2.5), "num_classes must be an integer. Received: 2.5"),
        (dict(dense_units=8), "belongs to architecture='conv'. Received: 8 for 'mlp'"),
        (dict(width=8), "width must be at least 24. Received: 8"),
        (dict(architecture="conv", resolution=30), "a multiple of 4 from 8 .* Received: 30"),
    ]:
        with pytest.raises(ValueError, match=message):
            zoo.CGAN(**arguments)


def test_a_step_is_the_papers() -> None:
    """Equation 2: both sides of D's game and the fakes are of the batch's own labels."""
    keras.utils.set_random_seed(0)
    gan = zoo.CGAN(resolution=4, num_classes=3, latent_dim=3, width=240, dropout=False)
    images = tf.random.stateless_uniform([6, 4, 4, 1], [0, 1], -1, 1)
    labels = tf.constant([0, 1, 2, 2, 1, 0])
    z = tf.random.stateless_uniform([6, 3], [0, 2])
    gan.draw_latents = lambda shape, seed: z

    def formula():
        real = gan.discriminator([images, labels])
        fake = gan.discriminator([gan.generator([z, labels]), labels])
        d_terms, g_loss = [softplus(-real), softplus(fake)], softplus(-fake)
        told = {"d_loss": sum(d_terms), "g_loss": g_loss}
        return {"discriminator": d_terms, "generator": [g_loss]}, told

    check_step(gan, (images, labels), formula)
