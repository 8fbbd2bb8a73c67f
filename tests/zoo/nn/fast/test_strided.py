"""The stride-2 strided computed at stride 1: Keras's own layers are the reference."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.nn.fast import strided

CASES = {
    # name: (layer, arguments, input shape, whether the detour is taken)
    "image_in": ("Conv2D", dict(filters=6), (2, 28, 28, 1), True),
    "colour_image_in_bias": ("Conv2D", dict(filters=6, use_bias=True), (2, 8, 12, 3), True),
    "features_in": ("Conv2D", dict(filters=6), (2, 8, 8, 5), False),
    "odd_size_in": ("Conv2D", dict(filters=6), (2, 7, 8, 1), False),
    "stride_1_in": ("Conv2D", dict(filters=6, strides=1), (2, 8, 8, 1), False),
    "image_out": ("Conv2DTranspose", dict(filters=1, activation="tanh"), (2, 14, 14, 8), True),
    "colour_image_out_bias": ("Conv2DTranspose", dict(filters=3), (2, 5, 4, 8), True),
    "features_out": ("Conv2DTranspose", dict(filters=5), (2, 4, 4, 8), False),
}


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients_are_keras(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, arguments, shape, detour = CASES[name]
    arguments = {"kernel_size": 5, "strides": 2, "padding": "same"} | arguments
    used = []
    taps = strided._taps_by_parity
    monkeypatch.setattr(strided, "_taps_by_parity", lambda kernel: used.append(1) or taps(kernel))
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=shape).astype(np.float32))
    results, weights = [], None
    for layer in (
        getattr(strided, kind)(**arguments),
        getattr(keras.layers, kind)(**arguments),
    ):
        layer.build(shape)
        weights = weights or [rng.normal(size=w.shape) for w in layer.get_weights()]
        layer.set_weights(weights)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(
                y * tf.sin(tf.reshape(tf.range(tf.size(y), dtype=y.dtype), y.shape))
            )
        results.append([y, *tape.gradient(loss, [x, *(v.value for v in layer.variables)])])
    assert bool(used) == detour
    for ours, theirs in zip(*results, strict=True):
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(ours / scale, theirs / scale, atol=5e-6)


def test_layers_keep_their_names_in_weights_files() -> None:
    assert strided.Conv2D(1, 5).name.startswith("conv2d")
    assert strided.Conv2DTranspose(1, 5).name.startswith("conv2d_transpose")
    layer = strided.Conv2D(4, 5, 2, padding="same")
    copy = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(copy) is strided.Conv2D
