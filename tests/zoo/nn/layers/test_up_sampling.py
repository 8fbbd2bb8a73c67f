"""Upsampling against Pillow's."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from zoo.nn.layers import UpSampling2D


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_sizes_known_only_when_it_runs(interpolation: str, dtype: str) -> None:
    layer = UpSampling2D(2, interpolation=interpolation, dtype=dtype)
    run = tf.function(layer, input_signature=[tf.TensorSpec([None, None, None, 1], dtype)])
    images = np.random.default_rng(0).normal(size=(2, 5, 7, 1)).astype(dtype)
    made = run(images)
    assert made.dtype == dtype
    way = getattr(Image.Resampling, interpolation.upper())
    for image, enlarged in zip(images, made.numpy(), strict=True):
        pillow = Image.fromarray(image[..., 0].astype(np.float32)).resize((14, 10), way)
        np.testing.assert_allclose(
            enlarged[..., 0], pillow, atol=2e-3 if dtype == "float16" else 1e-6
        )
