"""EfficientNet-Lite0 against convolutions in numpy, straight from the weights file."""

import numpy as np
import pytest

from trainers.metrics import extractor
from trainers.metrics.trunks import EFFICIENTNET_LITE0


@pytest.fixture(scope="module")
def weights():
    with EFFICIENTNET_LITE0.weights_file().open("rb") as file, np.load(file) as arrays:
        return {name: array.astype(np.float64) for name, array in arrays.items()}


@pytest.fixture(scope="module")
def network():
    return EFFICIENTNET_LITE0.pretrained()


def convolve(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """TensorFlow's "SAME" convolution of [H, W, C], depthwise where the kernel is [h, w, C, 1]."""
    size, depthwise = len(kernel), kernel.shape[-1] == 1
    out = [-(-side // stride) for side in x.shape[:2]]
    total = [max((o - 1) * stride + size - side, 0) for o, side in zip(out, x.shape, strict=False)]
    x = np.pad(x, [*((t // 2, t - t // 2) for t in total), (0, 0)])  # more on the far side
    rows = []
    for i in range(0, out[0] * stride, stride):
        for j in range(0, out[1] * stride, stride):
            patch = x[i : i + size, j : j + size]
            if depthwise:
                rows.append((patch * kernel[..., 0]).sum((0, 1)))
            else:
                rows.append(np.tensordot(patch, kernel, 3))
    return np.reshape(rows, [*out, -1])


def conv_norm(weights, x, conv, norm, stride=1, relu6=True):
    x = convolve(x, weights[f"{conv}/kernel"], stride)
    gamma, beta, mean, variance = (
        weights[f"{norm}/{kind}"] for kind in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    x = gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta
    return np.clip(x, 0, 6) if relu6 else x


def test_stem_and_blocks_equal_convolutions_in_numpy(network, weights):
    """To the end of the first block that filters 5x5, of stride 2, and the residual one behind."""
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.float64)
    x = conv_norm(weights, (image - 127) / 128, "_conv_stem", "_bn0", 2)
    strides = {0: 1, 1: 2, 2: 1, 3: 2, 4: 1}
    for i, stride in strides.items():
        name, y = f"_blocks.{i}", x
        if i:
            y = conv_norm(weights, y, f"{name}._expand_conv", f"{name}._bn0")
        y = conv_norm(weights, y, f"{name}._depthwise_conv", f"{name}._bn1", stride)
        y = conv_norm(weights, y, f"{name}._project_conv", f"{name}._bn2", relu6=False)
        x = x + y if i in (2, 4) else y
    import keras

    add = [layer for layer in network.layers if isinstance(layer, keras.layers.Add)][1]
    part = keras.Model(network.input, add.output)
    ours = part(((image[None] - 127) / 128).astype(np.float32))[0]
    assert x.shape == (4, 4, 40)
    np.testing.assert_allclose(ours, x, rtol=1e-3, atol=1e-3)


def test_the_features_are_seen_through_the_extractor(network):
    images = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), np.uint8)
    features = extractor.Features(network="efficientnet_lite0")
    expected = network((images.astype(np.float32) - 127) / 128)
    np.testing.assert_allclose(features([images]), expected, rtol=1e-4, atol=1e-4)
    assert features.describe()["network"].startswith("EfficientNet-Lite0")
    assert features.describe()["network_sha256"] == EFFICIENTNET_LITE0.weights_sha256()


def test_the_parameters_are_as_the_paper_s_table_counts_them(weights):
    # 4,652,008 of the whole network, less the classifier's 1,280 x 1,000 + 1,000.
    kinds = ("kernel", "gamma", "beta")
    assert sum(a.size for name, a in weights.items() if name.endswith(kinds)) == 3_371_008


def test_weights_are_small_data_with_their_licence():
    file = EFFICIENTNET_LITE0.weights_file()
    assert len(file.read_bytes()) < 8_000_000
    assert "Apache License" in (file.parent / "LICENSE.efficientnet_lite0.txt").read_text("utf-8")
