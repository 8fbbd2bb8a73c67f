"""Images to features: sizes, colours, batches, bad input."""

import numpy as np
import pytest

from trainers.metrics.extractor import Features


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1), np.uint8)


def test_features_do_not_depend_on_how_images_are_batched(features, images, monkeypatch):
    whole = features([images])
    assert whole.shape == (6, 1280)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(features([images[:1], images[1:]]), whole, atol=1e-4)
    monkeypatch.setattr(features, "batch_size", 4)
    np.testing.assert_allclose(features([images]), whole, atol=1e-4)


def test_grey_is_the_same_as_its_rgb(features, images):
    np.testing.assert_array_equal(features([images]), features([np.repeat(images, 3, axis=-1)]))


def test_shrinking_averages(features):
    board = (np.indices((128, 128)).sum(axis=0) % 2 * 255).astype(np.uint8)[None, :, :, None]
    inner = features._resized(board[0])[4:-4, 4:-4]
    assert abs(inner.astype(int) - 128).max() <= 1


def test_nothing_gives_no_rows(features):
    assert features([]).shape == (0, 1280)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros([2, 28, 28, 1], np.float32),
        np.zeros([28, 28, 1], np.uint8),
        np.zeros([2, 28, 28, 4], np.uint8),
    ],
)
def test_other_shapes_and_types_are_refused(features, bad):
    with pytest.raises(ValueError, match=rf"uint8 \[N, H, W, C\].*Received: {bad.dtype}"):
        features([bad])


def test_a_resize_below_the_networks_stride_is_refused():
    with pytest.raises(ValueError, match=r"at least 32 pixels. Received: 16"):
        Features(resize=16)
