"""Likeness against sums by hand, and against what an eye would say."""

import numpy as np
import pytest

from trainers.metrics import likeness


@pytest.fixture(scope="module")
def images(fashion: np.ndarray) -> np.ndarray:
    """uint8 [6, 28, 28, 3], three shades of clothes."""
    grey = np.uint8((fashion[:6] + 1.0) * 127.5)
    return np.concatenate([grey, grey // 2, 255 - grey], axis=-1)


def noisy(images: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0.0, sigma, images.shape)
    return np.uint8(np.clip(np.rint(images + noise), 0, 255))


def test_psnr_and_l1_by_hand(images: np.ndarray) -> None:
    made = noisy(images, 10.0)
    for i in range(len(images)):
        difference = made[i, 2:-2, 2:-2].astype(float) - images[i, 2:-2, 2:-2]
        expected = 20 * np.log10(255 / np.sqrt((difference**2).mean()))
        np.testing.assert_allclose(likeness.psnr(made, images, crop=2)[i], expected)
    difference = np.abs(made.astype(float) - images)
    np.testing.assert_allclose(likeness.l1(made, images), difference.mean((1, 2, 3)) / 255)
    np.testing.assert_allclose(likeness.psnr(images, images), 20 * np.log10(255 * np.sqrt(12)))


def test_luma_is_that_of_papers() -> None:
    colours = np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0]], np.uint8)[:, None, None]
    np.testing.assert_allclose(likeness.luma(colours)[:, 0, 0, 0], [16, 235, 81.481], atol=1e-9)
    white = np.full([1, 1, 1, 1], 255, np.uint8)
    np.testing.assert_allclose(likeness.luma(white).ravel(), [235])
    made = colours.repeat(4, axis=1).repeat(4, axis=2)
    other = made[::-1]
    mse = np.square(likeness.luma(made) - likeness.luma(other)).mean((1, 2, 3))
    expected = 10 * np.log10(255**2 / np.maximum(mse, 1 / 12))
    np.testing.assert_allclose(likeness.psnr(made, other, y=True), expected)


def test_ssim_by_hand(images: np.ndarray) -> None:
    made = noisy(images, 20.0)
    x, y = (likeness.luma(a)[0, 5:16, 5:16, 0] for a in (made, images))
    at = np.arange(11) - 5
    window = np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    mean_x, mean_y = (window * x).sum(), (window * y).sum()
    var_x, var_y = (window * (x - mean_x) ** 2).sum(), (window * (y - mean_y) ** 2).sum()
    covariance = (window * (x - mean_x) * (y - mean_y)).sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    expected = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    expected /= (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    one_window = likeness.ssim(made[:1, 5:16, 5:16], images[:1, 5:16, 5:16], y=True)
    np.testing.assert_allclose(one_window, [expected], atol=1e-4)
    np.testing.assert_allclose(likeness.ssim(images, images), 1.0, atol=1e-5)
    with pytest.raises(ValueError, match="SSIM needs images of 11 pixels .* Received: 10x10 left"):
        likeness.ssim(images[:, :14, :14], images[:, :14, :14], crop=2)


@pytest.mark.slow
def test_perceptual_distance_grows_with_the_damage(images: np.ndarray) -> None:
    distances = [likeness.perceptual(noisy(images, s), images).mean() for s in (2.0, 8.0, 32.0)]
    assert 0.0 < distances[0] < distances[1] < distances[2]
    np.testing.assert_array_equal(likeness.perceptual(images, images), 0.0)
    together = likeness.perceptual(noisy(images, 8.0), images)
    alone = likeness.perceptual(noisy(images, 8.0)[3:4], images[3:4])
    np.testing.assert_allclose(together[3:4], alone, rtol=1e-3)


def test_what_cannot_be_compared_is_refused(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8 images .* of one shape .* Received: uint8"):
        likeness.psnr(images, images[:, :20])
    with pytest.raises(ValueError, match="uint8 images .* Received: float64"):
        likeness.l1(images / 255.0, images)
    with pytest.raises(ValueError, match="crop must leave something .* Received: 14"):
        likeness.psnr(images, images, crop=14)
