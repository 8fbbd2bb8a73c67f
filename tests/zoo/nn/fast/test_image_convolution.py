"""The convolution column by column: Keras's own is the reference."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.nn.fast import image_convolution
from zoo.nn.layers import ImageConv2D

CASES = {
    # name: (arguments, input shape, whether the detour is taken)
    "srgan": (dict(filters=3, kernel_size=9, padding="same"), (2, 12, 10, 32), True),
    "cyclegan": (dict(filters=3, kernel_size=7), (2, 12, 10, 40), True),
    "even": (dict(filters=1, kernel_size=(4, 6), padding="same", use_bias=False),
             (1, 9, 8, 33), True),
    "activated": (dict(filters=2, kernel_size=3, activation="softplus"), (1, 5, 6, 32), True),
    "narrow": (dict(filters=3, kernel_size=7), (2, 8, 8, 16), False),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients_are_keras(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, shape, detour = CASES[name]
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=shape).astype(np.float32))
    results, weights = [], None
    splits = []
    split = tf.split
    monkeypatch.setattr(
        image_convolution.tf, "split", lambda *a, **k: splits.append(1) or split(*a, **k)
    )
    for kind in (ImageConv2D, keras.layers.Conv2D):
        layer = kind(**arguments)
        layer.build(shape)
        weights = weights or [rng.normal(size=w.shape) for w in layer.get_weights()]
        layer.set_weights(weights)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(tf.square(y))
        results.append([y, *tape.gradient(loss, [x, *(v.value for v in layer.variables)])])
    assert bool(splits) == detour
    for ours, theirs in zip(*results, strict=True):
        assert ours.shape == theirs.shape
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(ours / scale, theirs / scale, atol=5e-6)


def test_images_of_any_size_in_a_graph() -> None:
    images = keras.Input((None, None, 32))
    network = keras.Model(images, ImageConv2D(3, 9, padding="same")(images))
    assert network.output_shape == (None, None, None, 3)
    for size in ((5, 4), (17, 30)):
        assert network(tf.zeros([1, *size, 32])).shape == (1, *size, 3)


def test_half_precision() -> None:
    layer = ImageConv2D(3, 7, dtype="mixed_float16")
    assert layer(tf.zeros([1, 8, 8, 32])).dtype == tf.float16


def test_it_is_saved_and_loaded() -> None:
    layer = ImageConv2D(3, 9, padding="same")
    assert type(keras.layers.deserialize(keras.layers.serialize(layer))) is ImageConv2D
