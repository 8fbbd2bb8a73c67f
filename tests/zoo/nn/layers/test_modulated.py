"""Modulated convolution against weights scaled for each sample, in numpy and scipy."""

import keras
import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

from zoo.nn.layers import ModulatedConv2D


def by_sample(
    x: np.ndarray, style: np.ndarray, kernel: np.ndarray, demodulate: bool, upsample: bool
) -> np.ndarray:
    """Equations 1 and 3 as they stand, then a plain convolution of one sample at a time."""
    x, style, kernel = (a.astype(np.float64) for a in (x, style, kernel))
    size, _, fan_in, filters = kernel.shape
    kernel = kernel / np.sqrt(size * size * fan_in)
    outputs = []
    for sample, s in zip(x, style, strict=True):
        w = kernel * s[None, None, :, None]
        if demodulate:
            w = w / np.sqrt(np.sum(w**2, axis=(0, 1, 2)) + 1e-8)
        if upsample:
            height, width, _ = sample.shape
            spread = np.zeros((2 * height - 1, 2 * width - 1, fan_in))
            spread[::2, ::2] = sample
            taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64.0 * 4.0
            convolve = [
                scipy.signal.convolve2d(
                    sum(
                        scipy.signal.convolve2d(spread[:, :, i], w[:, :, i, j])
                        for i in range(fan_in)
                    ),
                    taps,
                )[2:-2, 2:-2]
                for j in range(filters)
            ]
        else:
            convolve = [
                sum(
                    scipy.signal.correlate2d(sample[:, :, i], w[:, :, i, j], "same")
                    for i in range(fan_in)
                )
                for j in range(filters)
            ]
        outputs.append(np.stack(convolve, axis=-1))
    return np.stack(outputs)


@pytest.mark.parametrize(
    ("size", "upsample", "demodulate"),
    [(3, False, True), (3, True, True), (1, False, False), (3, True, False)],
)
def test_it_is_a_convolution_with_scaled_weights(
    size: int, upsample: bool, demodulate: bool
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 4, 6, 5)).astype(np.float32)
    style = rng.normal(1.0, 0.5, size=(3, 5)).astype(np.float32)
    layer = ModulatedConv2D(7, size, upsample, demodulate, gain=1.5)
    outputs = layer([x, style])
    (kernel,) = layer.get_weights()
    expected = 1.5 * by_sample(x, style, kernel, demodulate, upsample)
    assert outputs.shape == expected.shape
    np.testing.assert_allclose(outputs, expected, atol=2e-5)


def test_demodulated_outputs_have_the_deviation_of_the_gain() -> None:
    """The statistical assumption of section 2.2: inputs of variance 1, whatever the style."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 64, 64, 16)).astype(np.float32)
    style = np.stack([np.full(16, 0.01), rng.uniform(5, 50, 16)]).astype(np.float32)
    keras.utils.set_random_seed(0)
    outputs = ModulatedConv2D(8, gain=2.0)([x, style]).numpy()[:, 1:-1, 1:-1]
    assert np.all(np.abs(outputs.std(axis=(1, 2)) - 2.0) < 0.1)


def test_half_precision_survives_a_strong_style() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 8, 8, 4)).astype(np.float32)
    style = rng.uniform(1e3, 3e4, size=(2, 4)).astype(np.float32)
    layer = ModulatedConv2D(3, dtype="mixed_float16")
    outputs = layer([x, style])
    assert outputs.dtype == tf.float16
    (kernel,) = layer.get_weights()
    expected = by_sample(x, style, kernel, True, False)
    np.testing.assert_allclose(outputs, expected, atol=0.02)


def test_config_survives() -> None:
    layer = ModulatedConv2D(7, 1, demodulate=False, gain=0.5)
    assert ModulatedConv2D.from_config(layer.get_config()).get_config() == layer.get_config()
