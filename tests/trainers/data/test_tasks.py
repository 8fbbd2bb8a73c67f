"""The tasks: what is done to the images, drawn from the seed of each row alone."""

import functools
from collections.abc import Callable

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from PIL import Image

from trainers import data
from trainers.data import tasks

DRAWN = ("inpaint", "denoise", "derain", "deblur")


def seeds(*rows: int) -> tf.Tensor:
    return tf.constant([[7, row] for row in rows], tf.int64)


@functools.cache
def compiled(name: str) -> Callable:
    return tf.function(tasks.TASKS[name].degrade)


def run(name: str, images: np.ndarray, *rows: int) -> np.ndarray:
    rows = rows or range(len(images))
    return compiled(name)(tf.constant(images), seeds(*rows)).numpy()


def flat(value: int, count: int = 1, size: int = 64) -> np.ndarray:
    return np.full((count, size, size, 3), value, np.uint8)


@pytest.mark.parametrize("name", tasks.TASKS)
def test_a_row_depends_on_its_image_and_seed_alone(name, squares):
    together = run(name, squares[:4], 0, 1, 2, 3)
    assert together.shape == (4, 64, 64, tasks.TASKS[name].source_channels)
    assert together.dtype == np.uint8
    np.testing.assert_array_equal(run(name, squares[2:3], 2), together[2:3])
    assert not np.array_equal(together[..., :3], squares[:4])


@pytest.mark.parametrize("name", tasks.TASKS)
def test_other_seeds_give_other_sources_where_something_is_drawn(name, squares):
    one, other = run(name, np.stack([squares[0]] * 2), 0, 1)
    assert np.array_equal(one, other) == (name not in DRAWN)


def test_colorize_is_the_luma(squares):
    out = run("colorize", squares)[..., 0]
    np.testing.assert_array_equal(out[3], np.asarray(Image.fromarray(squares[3]).convert("L")))
    assert np.abs(out - squares @ [0.299, 0.587, 0.114]).max() <= 0.51


def test_a_grey_source_may_be_repeated(squares):
    task = tasks.get("colorize")
    out = task.with_channels(3)(tf.constant(squares[:2]), seeds(0, 1)).numpy()
    np.testing.assert_array_equal(out, np.repeat(run("colorize", squares[:2]), 3, axis=-1))
    assert task.with_channels(4) is None
    assert tasks.get("denoise").with_channels(1) is None


def test_inpaint_covers_what_its_mask_says(squares):
    images = np.concatenate([squares] * 4)
    out = run("inpaint", images)
    missing = out[..., 3] == 0
    assert set(np.unique(out[..., 3])) == {0, 255}
    assert (out[..., :3][missing] == 128).all()
    np.testing.assert_array_equal(out[..., :3][~missing], images[~missing])
    share = missing.mean(axis=(1, 2))
    assert 0 < share.min() < 0.05 < 0.3 < share.max() < 0.76  # 3 rectangles of 1/4 at most
    assert 0.1 < share.mean() < 0.25
    # Rectangles fill the box around each of them, strokes of a brush do not.
    parts = [scipy.ndimage.label(mask) for mask in missing]
    alone = [(mask, part) for mask, (part, n) in zip(missing, parts, strict=True) if n == 1]
    one = [mask[scipy.ndimage.find_objects(part)[0]] for mask, part in alone]
    filled = np.array([mask.mean() for mask in one])
    assert 0.1 < (filled == 1).mean() < 0.9


def test_denoise_has_the_noise_that_it_states():
    noise = run("denoise", flat(128, 60)).astype(float) - 128
    sigma = noise.std(axis=(1, 2, 3))
    assert np.hypot(2, 10) * 0.9 < sigma.min() < 16
    assert 28 < sigma.max() < np.hypot(20, 33) * 1.1
    assert np.abs(noise.mean(axis=(1, 2, 3))).max() < 1.5
    # Shot noise grows with the light: in the dark, read noise alone is left (half of it, above 0).
    dark = np.sqrt(2 * (run("denoise", flat(0, 60)).astype(float) ** 2).mean(axis=(1, 2, 3)))
    assert 1.8 < dark.min() < 4 < 18 < dark.max() < 22
    assert (dark < sigma).all()


def test_derain_draws_bright_streaks_from_top_to_bottom(squares):
    assert (run("derain", squares) >= squares).all()
    rain = run("derain", flat(0, 30, 96))
    np.testing.assert_array_equal(rain[..., 0], rain[..., 2])
    assert (rain.max(axis=(1, 2, 3)) <= round(0.8 * 255)).all()
    rain = rain[..., 0].astype(float)
    assert 0.02 < (rain > 20).mean() < 0.4
    down = np.abs(np.diff(rain, axis=1)).mean(axis=(1, 2))
    across = np.abs(np.diff(rain, axis=2)).mean(axis=(1, 2))
    assert (down < across).all()
    np.testing.assert_array_equal(run("derain", flat(255)), flat(255))


def test_deblur_takes_detail_and_leaves_the_light(squares):
    out = run("deblur", squares).astype(float)
    assert np.abs(out.mean(axis=(1, 2)) - squares.mean(axis=(1, 2))).max() < 4  # borders repeat
    detail = [np.abs(np.diff(i.astype(float), axis=2)).mean(axis=(1, 2, 3)) for i in (out, squares)]
    assert (detail[0] < 0.9 * detail[1]).all()
    np.testing.assert_array_equal(run("deblur", flat(77, 4)), flat(77, 4))


def test_filters_agree_with_scipy(squares):
    image = squares[0].astype(np.float32)
    line = tasks._line(tf.constant(11.0), tf.constant(0.4), 10).numpy()
    assert line.shape == (21, 21)
    assert abs(line.sum() - 11) < 1  # one pixel wide
    for kernel in (line / line.sum(), np.outer(np.hanning(7), np.hanning(7))[1:-1, 1:-1]):
        expected = [
            scipy.ndimage.correlate(image[..., c], kernel, mode="nearest") for c in range(3)
        ]
        out = tasks._filtered(tf.constant(image), tf.constant(kernel, tf.float32))
        np.testing.assert_allclose(out, np.stack(expected, -1), atol=2e-2)


def test_edges_are_thin_dark_lines_where_the_gradient_is_steep(squares):
    grey = run("colorize", squares)[..., 0].astype(float)
    size = np.stack(
        [
            np.hypot(*(scipy.ndimage.sobel(g, axis, mode="mirror") / 4 for axis in (0, 1)))
            for g in grey
        ]
    )
    out = run("edges_to_photo", squares)[..., 0]
    ink = out < 255
    assert np.abs(out - 255 * (1 - np.minimum(size / 64, 1)))[ink].max() <= 0.51
    assert size[ink].min() >= 8
    assert ink.sum() < 0.6 * (size >= 8).sum()


def test_edges_of_a_step():
    image = flat(20)
    image[:, :, 30:] = 70
    out = run("edges_to_photo", image)[0, :, :, 0]
    columns = np.flatnonzero((out < 255).all(axis=0))
    assert len(columns) == 1
    assert columns[0] in (29, 30)
    assert (out[:, columns[0]] == round(255 * (1 - 50 / 64))).all()
    assert (np.delete(out, columns, axis=1) == 255).all()


def test_super_resolve_is_pillows_bicubic(squares):
    out = run("super_resolve", squares[:2])
    for image, source in zip(squares, out, strict=False):
        small = Image.fromarray(image).resize((16, 16), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(small.resize((64, 64), Image.Resampling.BICUBIC), source)
    with pytest.raises(data.DataError, match=r"multiples of 4\. Received: 30x30\."):
        tasks.super_resolve(tf.constant(flat(0, 1, 30)), seeds(0))


def test_unknown_task():
    with pytest.raises(data.DataError) as error:
        tasks.get("colourize")
    assert str(error.value) == (
        "Unknown task. Did you mean 'colorize'? The tasks are: colorize, inpaint, denoise, derain, "
        "deblur, edges_to_photo, super_resolve. Received: 'colourize'."
    )
