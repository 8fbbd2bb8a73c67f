"""Spectral norm against numpy's singular values, and what is fused against its plain parts."""

import numpy as np
import pytest
import tensorflow as tf

from tests.zoo.nn.layers.power_iteration import iterate
from zoo.nn.layers import Orthogonal, SpectralNormConv2D, SpectralNormDense

rng = np.random.default_rng(0)


def built(layer: SpectralNormConv2D, inputs: int) -> tuple[SpectralNormConv2D, np.ndarray]:
    """The layer with a kernel and a bias from N(0, 1), and the kernel."""
    layer.build((None, 8, 8, inputs))
    kernel = rng.normal(size=layer.kernel.shape).astype(np.float32)
    layer.kernel.assign(kernel)
    if layer.use_bias:
        layer.bias.assign(rng.normal(size=layer.bias.shape))
    return layer, kernel


@pytest.mark.parametrize("layer", [SpectralNormDense(7), SpectralNormConv2D(7)])
def test_the_largest_singular_value_becomes_one(layer: SpectralNormConv2D) -> None:
    layer, kernel = built(layer, 5)
    iterate(layer, 300)
    normalized = layer.normalized_kernel(training=True)
    largest = np.linalg.svd(kernel.reshape(-1, 7), compute_uv=False)[0]
    by_layer = (kernel / normalized.numpy()).flat[0]
    print(f"sigma by svd {largest:.6f}, by the layer {by_layer:.6f}")
    np.testing.assert_allclose(normalized, kernel / largest, rtol=1e-5, atol=1e-6)


def test_one_pass_is_one_iteration_and_inference_forgets_it() -> None:
    layer, kernel = built(SpectralNormDense(4, use_bias=False), 6)
    u = layer.u.numpy()
    v = kernel @ u / np.linalg.norm(kernel @ u)
    after = kernel.T @ v / np.linalg.norm(kernel.T @ v)
    x = rng.normal(size=(3, 6)).astype(np.float32)
    expected = x @ kernel / (v @ kernel @ after)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5)
    np.testing.assert_array_equal(layer.u, u)
    np.testing.assert_allclose(layer(x, training=True), expected, rtol=1e-5)
    np.testing.assert_allclose(layer.u, after, rtol=1e-5)


def embedding() -> tuple[SpectralNormDense, np.ndarray]:
    layer = SpectralNormDense(4, use_bias=False, embeds=True)
    layer.build((None, 6))
    kernel = rng.normal(size=(6, 4)).astype(np.float32)
    layer.kernel.assign(kernel)
    return layer, kernel


def test_an_embedding_keeps_u_over_its_classes() -> None:
    """As BigGAN's code: v = u W, u = v W^T, W [classes, features], its rows being the outputs."""
    layer, kernel = embedding()
    u = layer.u.numpy()
    assert u.shape == (6,)
    v = u @ kernel / np.linalg.norm(u @ kernel)
    after = kernel @ v / np.linalg.norm(kernel @ v)
    one_hot = np.eye(6, dtype=np.float32)
    expected = kernel / (v @ kernel.T @ after)
    np.testing.assert_allclose(layer(one_hot, training=True), expected, rtol=1e-5)
    np.testing.assert_allclose(layer.u, after, rtol=1e-5)


def test_an_earlier_embedding_is_read() -> None:
    """Its u was over the features: half an iteration on, it follows the same sigma."""
    layer, kernel = embedding()
    left, singular, right = np.linalg.svd(kernel, full_matrices=False)
    layer.load_own_variables({"0": kernel, "1": right[0].astype(np.float32)})
    np.testing.assert_allclose(np.abs(layer.u), np.abs(left[:, 0]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        layer.normalized_kernel(training=False), kernel / singular[0], rtol=1e-5
    )
    store = {}
    layer.save_own_variables(store)
    layer.load_own_variables(store)
    np.testing.assert_allclose(np.abs(layer.u), np.abs(left[:, 0]), rtol=1e-4, atol=1e-5)


def test_the_gradient_goes_through_sigma() -> None:
    """d/dW of <W / sigma, D> with u and v fixed (Miyato et al. 2018, equation 12)."""
    layer, kernel = built(SpectralNormDense(4), 6)
    d = rng.normal(size=(6, 4))
    v = kernel @ layer.u.numpy()
    v /= np.linalg.norm(v)
    u = kernel.T @ v
    u /= np.linalg.norm(u)
    sigma = v @ kernel @ u
    expected = (d - np.sum(d * kernel) / sigma * np.outer(v, u)) / sigma
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer.normalized_kernel(training=False) * d.astype(np.float32))
    np.testing.assert_allclose(
        tape.gradient(loss, layer.kernel.value), expected, rtol=1e-4, atol=1e-5
    )


def convolved(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """3x3 taps on zeros around the image, in float64."""
    size = x.shape[1]
    padded = np.pad(x.astype(np.float64), [(0, 0), (1, 1), (1, 1), (0, 0)])
    return sum(
        padded[:, i : i + size, j : j + size] @ kernel[i, j] for i in range(3) for j in range(3)
    )


@pytest.mark.parametrize("resample", [None, "up", "down"])
def test_resampling_is_doubling_before_or_the_mean_after(resample: str | None) -> None:
    layer, kernel = built(SpectralNormConv2D(4, resample=resample), 3)
    iterate(layer, 300)
    kernel = kernel / np.linalg.svd(kernel.reshape(-1, 4), compute_uv=False)[0]
    x = rng.normal(size=(2, 6, 6, 3)).astype(np.float32)
    plain = x.repeat(2, axis=1).repeat(2, axis=2) if resample == "up" else x
    expected = convolved(plain, kernel) + layer.bias.numpy()
    if resample == "down":
        expected = expected.reshape(2, 3, 2, 3, 2, 4).mean(axis=(2, 4))
    outputs = layer(x)
    assert outputs.shape == layer.compute_output_shape(x.shape)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_bad_resampling_is_one_line() -> None:
    with pytest.raises(ValueError, match="a kernel_size of 3 'up' or 'down'. Received: 'up' with"):
        SpectralNormConv2D(4, kernel_size=1, resample="up")


@pytest.mark.parametrize("shape", [(3, 3, 8, 16), (1, 1, 16, 16), (5, 40), (200, 10)])
def test_weights_are_orthogonal_at_first(shape: tuple[int, ...]) -> None:
    draw = Orthogonal()
    w = draw(shape).numpy().reshape(-1, shape[-1])
    gram = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=2e-6)
    assert np.abs(draw(shape) - w.reshape(shape)).max() > 0.01  # every call draws anew


def test_orthogonal_draws_lean_nowhere() -> None:
    """Uniform on the orthogonal 2x2 matrices: each entry has mean 0 and variance 1/2."""
    draw = Orthogonal()
    entries = np.stack([draw((2, 2)).numpy() for _ in range(400)])
    np.testing.assert_allclose(entries.mean(axis=0), 0, atol=0.15)
    np.testing.assert_allclose(entries.var(axis=0), 0.5, atol=0.1)
