"""Transparent pictures: laid on white, and taken off it again."""

import numpy as np
from PIL import Image

from zoo.pictures import decoder, transparency


def test_every_level_on_white() -> None:
    """In the graph as by Pillow, whose rounding training uses, and as exact arithmetic has it."""
    colours, alpha = np.meshgrid(np.arange(256), np.arange(256))
    exact = np.rint(colours * (alpha / 255) + 255 * (1 - alpha / 255)).astype(np.uint8)
    colours, alpha = (part.astype(np.uint8)[..., None] for part in (colours, alpha))
    laid = transparency.on_white(colours, alpha).numpy()[..., 0]
    np.testing.assert_array_equal(laid, exact)
    image = Image.fromarray(np.dstack([colours, alpha]))
    np.testing.assert_array_equal(decoder.on_white(image, 1), exact)


def test_a_copy_is_the_picture() -> None:
    """What a model leaves as it is comes back in its own colours, also where it is faint."""
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (32, 32, 3), np.uint8)
    alpha = random.integers(0, 256, (32, 32, 1), np.uint8)
    made = transparency.on_white(colours, alpha)
    out = transparency.off_white(made, colours, alpha).numpy()
    np.testing.assert_array_equal(out[..., 3:], alpha)
    shown = alpha[..., 0] > 0
    assert np.abs(out[shown][:, :3].astype(int) - colours[shown]).max() <= 1
    assert (out[~shown] == [255, 255, 255, 0]).all()


def test_what_is_half_opaque_is_the_models_on_white() -> None:
    random = np.random.default_rng(1)
    colours = random.integers(100, 156, (32, 32, 3), np.uint8)
    alpha = random.integers(128, 256, (32, 32, 1), np.uint8)
    made = transparency.on_white(colours, alpha).numpy() + random.integers(-9, 10, (32, 32, 3))
    out = transparency.off_white(made.astype(np.uint8), colours, alpha).numpy()
    share = out[..., 3:] / 255
    assert np.abs(out[..., :3] * share + 255 * (1 - share) - made).max() <= 1


def test_grey_and_colour() -> None:
    """A model of grey gets luma, one that colours gets grey."""
    colours = np.full((4, 4, 3), [200, 100, 50], np.uint8)
    alpha = np.full((4, 4, 1), 128, np.uint8)
    grey = transparency.on_white(colours, alpha).numpy() @ [0.299, 0.587, 0.114]
    out = transparency.off_white(np.rint(grey).astype(np.uint8)[..., None], colours, alpha)
    assert out.shape == (4, 4, 2)
    assert (
        np.abs(out.numpy()[..., 0].astype(int) - 124).max() <= 2
    )  # .299 x 200 + .587 x 100 + .114 x 50
