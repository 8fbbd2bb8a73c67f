"""FIR resampling against scipy.signal."""

import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

from zoo.nn import layers

KERNELS = [(1.0, 3.0, 3.0, 1.0), (1.0, 2.0, 1.0)]


def filtered(x: np.ndarray, taps: tuple[float, ...], gain: float = 1.0) -> np.ndarray:
    """scipy's full convolution of [N, H, W, C], float64: [N, H + taps - 1, W + taps - 1, C]."""
    kernel = np.outer(taps, taps) / np.sum(taps) ** 2 * gain
    return scipy.signal.convolve(x.astype(np.float64), kernel[None, :, :, None], mode="full")


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 6, 8, 3)).astype(np.float32)


def cut(full: np.ndarray, taps: tuple[float, ...], first: int, rows: int, columns: int):
    """Of a full convolution, what begins with `first` zeros before the image."""
    start = len(taps) - 1 - first
    return full[:, start : start + rows, start : start + columns]


@pytest.mark.parametrize("taps", KERNELS)
def test_blur(x: np.ndarray, taps: tuple[float, ...]) -> None:
    expected = cut(filtered(x, taps), taps, len(taps) // 2, 6, 8)
    np.testing.assert_allclose(layers.fir_blur(x, taps), expected, atol=1e-6)


@pytest.mark.parametrize("taps", KERNELS)
def test_upsample(x: np.ndarray, taps: tuple[float, ...]) -> None:
    spread = np.zeros((2, 12, 16, 3))
    spread[:, ::2, ::2] = x
    expected = cut(filtered(spread, taps, 4.0), taps, (len(taps) + 1) // 2, 12, 16)
    np.testing.assert_allclose(layers.fir_upsample(x, taps), expected, atol=1e-6)


@pytest.mark.parametrize("taps", KERNELS)
def test_downsample(x: np.ndarray, taps: tuple[float, ...]) -> None:
    expected = cut(filtered(x, taps), taps, (len(taps) - 1) // 2, 6, 8)[:, ::2, ::2]
    np.testing.assert_allclose(layers.fir_downsample(x, taps), expected, atol=1e-6)


@pytest.mark.parametrize("taps", KERNELS)
@pytest.mark.parametrize("resample", [layers.fir_blur, layers.fir_upsample, layers.fir_downsample])
def test_gradients_are_those_of_the_map_as_a_matrix(resample, taps: tuple[float, ...]) -> None:
    basis = tf.reshape(tf.eye(48), [48, 6, 8, 1])  # an image for each pixel
    images = tf.random.stateless_normal([2, 6, 8, 1], [0, 1])
    with tf.GradientTape() as tape:
        tape.watch(images)
        made = resample(images, taps)
        upstream = tf.random.stateless_normal(tf.shape(made), [2, 3])
        total = tf.reduce_sum(made * upstream)
    expected = tf.einsum("phwc,nhwc->np", resample(basis, taps), upstream)
    gradient = tf.reshape(tape.gradient(total, images), [2, 48])
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_a_constant_stays_itself_inside() -> None:
    ones = tf.ones([1, 8, 8, 1])
    for resample in (layers.fir_blur, layers.fir_upsample, layers.fir_downsample):
        inner = resample(ones)[0, 2:-2, 2:-2, 0].numpy()
        if inner.size:
            np.testing.assert_allclose(inner, 1.0, rtol=1e-6)


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_downsampling_convolution(x: np.ndarray, kernel_size: int) -> None:
    """Filter, then correlate and drop, by scipy in float64."""
    layer = layers.DownsamplingConv2D(5, kernel_size, gain=0.7)
    outputs = layer(x).numpy()
    kernel, bias = (w.astype(np.float64) for w in layer.get_weights())
    assert outputs.shape == (2, 3, 4, 5)
    assert kernel.shape == (kernel_size, kernel_size, 3, 5)
    kernel = kernel * 0.7 / np.sqrt(kernel_size**2 * 3)
    pad = 2 if kernel_size == 3 else 1
    size = 2 * pad - 3
    blurred = cut(filtered(x, KERNELS[0]), KERNELS[0], pad, 6 + size, 8 + size)
    for n in range(2):
        for j in range(5):
            sums = sum(
                scipy.signal.correlate2d(blurred[n, :, :, i], kernel[:, :, i, j], "valid")
                for i in range(3)
            )
            expected = sums[::2, ::2] + bias[j]
            np.testing.assert_allclose(outputs[n, :, :, j], expected, atol=1e-5)


def test_second_derivatives_are_those_of_a_linear_map(x: np.ndarray) -> None:
    """d/dx of |A^T A x|^2 / 2 is (A^T A)^2 x; A by columns."""

    def resample(v):
        return layers.fir_upsample(layers.fir_blur(layers.fir_downsample(v)))

    v = tf.constant(x[:1, :4, :4, :1])
    basis = tf.reshape(tf.eye(16), [16, 4, 4, 1])
    a = tf.reshape(resample(basis), [16, 16]).numpy().T
    with tf.GradientTape() as outer:
        outer.watch(v)
        with tf.GradientTape() as inner:
            inner.watch(v)
            loss = tf.reduce_sum(tf.square(resample(v))) / 2
        gradient = inner.gradient(loss, v)
        norm = tf.reduce_sum(tf.square(gradient)) / 2
    flat = v.numpy().ravel()
    np.testing.assert_allclose(tf.reshape(gradient, [-1]), a.T @ a @ flat, atol=1e-5)
    expected = a.T @ a @ a.T @ a @ flat
    np.testing.assert_allclose(tf.reshape(outer.gradient(norm, v), [-1]), expected, atol=1e-5)
