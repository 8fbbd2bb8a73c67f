"""uint8, grids and PNG, against Pillow and by hand."""

import io
import pathlib

import numpy as np
import pytest
from PIL import Image

from zoo.pictures import images


def test_to_uint8_rounds_to_the_nearest_level_and_clips() -> None:
    levels = np.arange(256)
    np.testing.assert_array_equal(images.to_uint8(levels / 127.5 - 1.0), levels)
    np.testing.assert_array_equal(
        images.to_uint8(np.array([-1.5, 1.5, 0.3 / 127.5 - 1])), [0, 255, 0]
    )


def test_grid_lays_out_row_by_row() -> None:
    batch = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 1), np.uint8)
    sheet = images.grid(batch, columns=3, border=1)
    assert sheet.shape == (2 * 3 + 1, 3 * 4 + 1, 1)
    assert (sheet[1:3, 1:4] == 0).all()
    assert (sheet[1:3, 9:12] == 2).all()
    assert (sheet[4:6, 5:8] == 4).all()
    assert (sheet[0] == 255).all()
    assert (sheet[4:6, 9:12] == 255).all()  # the place left over


@pytest.mark.parametrize(
    "bad", [np.zeros((0, 2, 2, 1), np.uint8), np.zeros((2, 2, 1), np.uint8), np.zeros((1, 2, 2, 1))]
)
def test_grid_refuses_what_is_no_batch(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"uint8 images \[N, H, W, C\], N >= 1. Received: "):
        images.grid(bad)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_is_lossless(channels: int, tmp_path: pathlib.Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    images.write_png(tmp_path / "new" / "a.png", image)
    decoded = np.asarray(Image.open(io.BytesIO((tmp_path / "new" / "a.png").read_bytes())))
    np.testing.assert_array_equal(decoded.reshape(image.shape), image)
