"""Large images in tiles: what stands where two meet."""

import itertools

import numpy as np
import pytest

from tests.translating import Centred, Doubling, TwoWays, colours
from zoo.pictures import tiles


@pytest.mark.parametrize("blended", [True, False])
@pytest.mark.parametrize(
    ("size", "side", "overlap", "scale"),
    [(100, 32, 8, 1), (33, 32, 8, 2), (32, 32, 8, 1), (65, 32, 31, 4), (9, 4, 1, 1)],
)
def test_tiles_cover_every_pixel_once(
    size: int, side: int, overlap: int, scale: int, blended: bool
) -> None:
    starts = tiles.starts(size, side, overlap)
    assert starts[0] == 0
    assert starts[-1] + side == size
    assert all(b - a <= side - overlap for a, b in itertools.pairwise(starts))
    given = tiles.weights(starts, side, size, scale, overlap, blended)
    total = np.zeros(scale * size)
    for start, row in zip(starts, given, strict=True):
        total[scale * start : scale * (start + side)] += row
    np.testing.assert_allclose(total, 1, atol=1e-6)
    if not blended:
        # A pixel is taken from a tile that reaches half the overlap further.
        for start, row in zip(starts, given, strict=True):
            (taken,) = np.nonzero(row)
            if start:
                assert taken[0] >= scale * (overlap // 2)
            if start + side < size:
                assert taken[-1] < scale * (side - overlap // 2)


def test_an_image_in_tiles_is_what_it_is_in_one_piece(
    fashion: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    gan = Doubling()
    image = colours(fashion, 3, 4)[:-5, :-3]
    whole = gan.translate(image[None])[0]
    assert whole.std() > 20
    assert np.array_equal(tiles.translate_large(gan, image), whole)  # it is small enough

    monkeypatch.setattr(tiles, "TILE", 64)
    sides, told = [], []
    translated = gan.translated
    monkeypatch.setattr(
        gan, "translated", lambda images, *a: sides.append(images.shape) or translated(images, *a)
    )
    in_tiles = tiles.translate_large(gan, image, progress=lambda *told_: told.append(told_))
    assert in_tiles.shape == whole.shape == (158, 218, 3)
    assert np.abs(in_tiles.astype(int) - whole).max() <= 1
    assert set(sides) == {(1, 32, 32, 3)}
    assert told == [(i + 1, len(sides)) for i in range(len(sides))]
    # Without context the edges of the tiles show.
    monkeypatch.setattr(Doubling, "context", 0)
    assert np.abs(tiles.translate_large(gan, image).astype(int) - whole).max() > 2


def test_statistics_of_tiles_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    gan = Centred()
    monkeypatch.setattr(tiles, "TILE", 64)
    ramp = np.broadcast_to(np.linspace(90, 160, 300), [100, 300]).astype(np.uint8)[..., None]
    made = tiles.translate_large(gan, ramp)
    # Tiles stand 17 grey levels apart; blended over 16 pixels that is a little more than one each.
    steps = np.abs(np.diff(made[..., 0].astype(int), axis=1))
    assert steps.max() <= 3
    monkeypatch.setattr(Centred, "context", 0)
    cut = tiles.translate_large(gan, ramp)
    assert np.abs(np.diff(cut[..., 0].astype(int), axis=1)).max() > 8


def test_directions_go_through(fashion: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    gan, image = TwoWays(), colours(fashion, 2, 2)
    monkeypatch.setattr(tiles, "TILE", 24)
    for direction, expected in [
        (None, 255 - image),
        ("a_to_b", 255 - image),
        ("b_to_a", image[..., ::-1]),
    ]:
        assert np.array_equal(tiles.translate_large(gan, image, direction=direction), expected)
        assert np.array_equal(gan.translate(image[None], direction=direction)[0], expected)
    with pytest.raises(ValueError, match="one of a_to_b, b_to_a of TwoWays. Received: 'b'"):
        tiles.translate_large(gan, image, direction="b")
    with pytest.raises(ValueError, match="Doubling translates one way only.* Received: direct"):
        Doubling().translate(image[None], direction="a_to_b")


def test_only_images_go_through() -> None:
    with pytest.raises(ValueError, match=r"TwoWays takes uint8 .* Received: float64 \[1, 4, 4, 3"):
        tiles.translate_large(TwoWays(), np.zeros([4, 4, 3]))
    with pytest.raises(ValueError, match=r"Received: uint8 \[1, 4, 4, 1\]"):
        tiles.translate_large(TwoWays(), np.zeros([4, 4, 1], np.uint8))
