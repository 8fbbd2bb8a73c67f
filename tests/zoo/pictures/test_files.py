"""Picture files through a GAN: every kind that cameras and painters save, and damaged ones."""

import io
import os
import pathlib

import numpy as np
import pytest
from PIL import Image

import zoo
from tests.translating import (
    FINE,
    LYING,
    Doubling,
    TwoWays,
    colours,
    encoded,
    jpeg_of_size,
    lying,
    png_of_size,
)
from zoo import __main__ as zoo_main
from zoo.pictures import files, tiles
from zoo.pictures.files import PictureError
from zoo.pictures.marks import Mark

MARK = Mark("a test", "1")


@pytest.fixture(scope="module")
def photo(fashion: np.ndarray) -> np.ndarray:
    return colours(fashion, 1, 2)  # uint8 [28, 56, 3]


def laid_on_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return np.rint(colours * share + 255 * (1 - share)).astype(np.uint8)


def read(tmp_path: pathlib.Path, data: bytes, *arguments: int) -> files.Picture:
    path = tmp_path / "picture"
    path.write_bytes(data)
    return files.read(path, *(arguments or (3,)))


# ---- files in


def test_modes_become_what_the_model_takes(tmp_path: pathlib.Path, photo: np.ndarray) -> None:
    grey, alpha = photo[..., 0], photo[..., 1]
    of_grey = np.stack([grey] * 3, -1)
    clear = np.dstack([photo, alpha])
    palette = Image.fromarray(photo).convert("P")
    of_palette = np.asarray(palette.convert("RGB"))
    see_through = bytes(index % 256 for index in range(256))
    cmyk = Image.fromarray(photo).convert("CMYK")
    wide = grey.astype(np.uint16) * 256 + 255
    for data, expected, expected_alpha in [
        (encoded(photo, "PNG"), photo, None),
        (encoded(photo, "BMP"), photo, None),
        (encoded(photo, "WEBP", lossless=True), photo, None),
        (encoded(grey, "PNG"), of_grey, None),
        (encoded(wide, "PNG"), of_grey, None),
        (encoded(wide, "TIFF"), of_grey, None),
        (encoded(clear, "PNG"), photo, alpha),
        (encoded(np.dstack([grey, alpha]), "PNG"), of_grey, alpha),
        (encoded(palette, "PNG"), of_palette, None),
        (encoded(palette, "PNG", transparency=see_through), of_palette, np.asarray(palette)),
        (encoded(Image.fromarray(grey > 99), "PNG"), np.uint8(255) * (of_grey > 99), None),
        (encoded(cmyk, "TIFF"), np.asarray(cmyk.convert("RGB")), None),
    ]:
        picture = read(tmp_path, data)
        if expected_alpha is None:
            assert picture.clear is None
        else:
            np.testing.assert_array_equal(picture.clear, np.dstack([expected, expected_alpha]))
            expected = laid_on_white(expected, expected_alpha)
        np.testing.assert_array_equal(picture.given, expected)
        assert picture.note == ""
    jpeg = read(tmp_path, encoded(cmyk, "JPEG", **FINE))
    assert np.abs(jpeg.given.astype(int) - photo).mean() < 4
    # Models of grey, and of colours with alpha.
    weights = np.array([0.299, 0.587, 0.114])
    of_one = read(tmp_path, encoded(clear, "PNG"), 1)
    on_white = laid_on_white(photo, alpha) @ weights
    assert np.abs(of_one.given[..., 0] - on_white).max() <= 1
    np.testing.assert_array_equal(of_one.clear[..., 3], alpha)
    of_four = read(tmp_path, encoded(clear, "PNG"), 4)
    np.testing.assert_array_equal(of_four.given, clear)
    assert of_four.clear is None
    assert np.all(read(tmp_path, encoded(photo, "PNG"), 4).given[..., 3] == 255)


def test_a_photo_stands_upright(tmp_path: pathlib.Path, photo: np.ndarray) -> None:
    for orientation in LYING:
        picture = read(tmp_path, lying(photo, orientation, "PNG"))
        np.testing.assert_array_equal(picture.given, photo)
        picture = read(tmp_path, lying(photo, orientation, "JPEG", **FINE))
        assert np.abs(picture.given.astype(int) - photo).mean() < 4


def test_of_an_animation_the_first_frame_is_taken(
    tmp_path: pathlib.Path, photo: np.ndarray
) -> None:
    others = [Image.fromarray(photo[::-1]), Image.fromarray(photo[:, ::-1])]
    data = encoded(photo, "PNG", save_all=True, append_images=others)
    picture = read(tmp_path, data)
    np.testing.assert_array_equal(picture.given, photo)
    assert picture.note == "the first of 3 frames is taken"


def test_of_a_jpeg_of_several_pictures_the_first_is_taken(
    tmp_path: pathlib.Path, photo: np.ndarray
) -> None:
    """As many phones write them: the others are previews, and no news."""
    others = [Image.fromarray(photo[::-1])]
    jpeg = encoded(photo, "MPO", save_all=True, append_images=others, **FINE)
    assert Image.open(io.BytesIO(jpeg)).n_frames == 2
    picture = read(tmp_path, jpeg)
    assert np.abs(picture.given.astype(int) - photo).mean() < 4
    assert picture.note == ""


def test_what_is_no_picture_is_refused(tmp_path: pathlib.Path, photo: np.ndarray) -> None:
    jpeg, png = encoded(photo, "JPEG"), encoded(photo, "PNG")
    floats = encoded(Image.fromarray(photo[..., 0].astype(np.float32)), "TIFF")
    for data, message in [
        (b"", "A picture must be a PNG, a JPEG or .* Received: a file of another kind."),
        (b"plain text", "Received: a file of another kind."),
        (jpeg[: len(jpeg) // 2], "must be a whole file. Received: image file is truncated"),
        (png[: len(png) // 2], "must be a whole file. Received: "),
        (floats, "8 or 16 bits a channel. Received: Pillow's mode 'F'."),
        (png_of_size(20_000, 7_000), "at most 134,217,728 pixels. Received: 140,000,000."),
        (png_of_size(100_000, 100_000), "at most 134,217,728 .* Received: 10,000,000,000."),
        (jpeg_of_size(65_000, 60_000), "at most 134,217,728 .* Received: 3,900,000,000."),
    ]:
        with pytest.raises(PictureError, match=message):
            read(tmp_path, data)
    with pytest.raises(
        PictureError,
        match="and 268,435,456 once it is enlarged 4 times. Received: 25,000,000.",
    ):
        read(tmp_path, png_of_size(5_000, 5_000), 3, 4)
    with pytest.raises(PictureError, match="Received: No such file or directory."):
        files.read(tmp_path / "nowhere.png", 3)


# ---- files out


def test_alpha_is_kept(tmp_path: pathlib.Path, photo: np.ndarray) -> None:
    alpha = photo[..., 1]
    picture = read(tmp_path, encoded(np.dstack([photo, alpha]), "PNG"))
    made = picture.given.repeat(2, 0).repeat(2, 1)
    files.write(tmp_path / "a.png", made, picture, MARK)
    written = np.asarray(Image.open(tmp_path / "a.png")).astype(int)
    # In floats: of 8 bits, Pillow clips between the two axes.
    fitted = Image.fromarray(alpha.astype(np.float32)).resize((112, 56), Image.Resampling.BICUBIC)
    fitted = np.clip(fitted, 0, 255)
    assert np.abs(written[..., 3] - fitted).max() <= 1
    # Laid on white, what is half opaque or more is the model's.
    share = written[..., 3:] / 255
    on_white = written[..., :3] * share + 255 * (1 - share)
    unclipped = (fitted > 128)[..., None] & (written[..., :3] > 0) & (written[..., :3] < 255)
    assert unclipped.mean() > 0.08
    assert np.abs(on_white - made)[unclipped].max() <= 2
    assert (written[written[..., 3] == 0] == [255, 255, 255, 0]).all()
    files.write(tmp_path / "grey.png", made[..., :1], picture, MARK)
    assert Image.open(tmp_path / "grey.png").mode == "LA"
    # A JPEG has none.
    files.write(tmp_path / "a.JPG", made, picture, MARK)
    assert np.abs(np.asarray(Image.open(tmp_path / "a.JPG")) - on_white).mean() < 8
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.JPG", "a.png", "grey.png", "picture"]


def disc(size: int, colour: tuple[int, int, int], hidden: int) -> np.ndarray:
    """uint8 [size, size, 4]: a disc with a soft edge, and a colour that nobody sees around it."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    alpha = np.clip(size * 0.35 - np.hypot(x, y) + 0.5, 0, 1) * 255
    colours = np.where(alpha[..., None] > 0, colour, hidden)
    return np.rint(np.dstack([colours, alpha])).astype(np.uint8)


def enlarged(image: np.ndarray) -> np.ndarray:
    """What a perfect model makes: bicubic interpolation."""
    height, width = image.shape[:2]
    return np.asarray(
        Image.fromarray(image).resize((4 * width, 4 * height), Image.Resampling.BICUBIC)
    )


@pytest.mark.parametrize("colour", [(255, 255, 255), (255, 220, 0), (0, 0, 0), (20, 40, 160)])
def test_a_disc_is_enlarged_without_a_rim(tmp_path: pathlib.Path, colour: tuple) -> None:
    """Hidden colours make no difference, and white does not bleed into the edge, either."""
    written = []
    for hidden in (0, 255):
        picture = read(tmp_path, encoded(disc(24, colour, hidden), "PNG"))
        files.write(tmp_path / "out.png", enlarged(picture.given), picture, MARK)
        written.append(np.asarray(Image.open(tmp_path / "out.png")).astype(int))
    np.testing.assert_array_equal(*written)
    colours, alpha = written[0][..., :3], written[0][..., 3]
    # Bicubic interpolation overshoots by 8 % beside an edge; a rim would be 127 off.
    assert np.abs(colours - colour)[alpha > 0].max() <= 20
    assert ((alpha > 0) & (alpha < 255)).sum() > 200


def test_rows_are_finished_some_at_a_time(photo: np.ndarray, monkeypatch) -> None:
    clear = np.dstack([photo, photo[..., 1]])
    made = photo[::-1].repeat(2, 0).repeat(2, 1)
    whole = files._off_white(made, clear)
    monkeypatch.setattr(files, "PIXELS_AT_A_TIME", 112 * 2 * 5)
    np.testing.assert_array_equal(files._off_white(made, clear), whole)


def test_a_colour_profile_is_kept(tmp_path: pathlib.Path, photo: np.ndarray) -> None:
    profile = b"a profile that nobody reads"
    picture = read(tmp_path, encoded(photo, "JPEG", icc_profile=profile))
    for name in ("a.png", "a.jpg"):
        files.write(tmp_path / name, photo, picture, MARK)
        assert Image.open(tmp_path / name).info["icc_profile"] == profile


# ---- the command


@pytest.fixture
def two_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo_main, "_load", lambda name: {"two": TwoWays, "up": Doubling}[name]())


def failure(capsys: pytest.CaptureFixture, *arguments: object) -> str:
    with pytest.raises(SystemExit) as end:
        zoo_main.main([str(argument) for argument in arguments])
    assert end.value.code == 1
    return capsys.readouterr().err


def test_translate_a_photo(
    tmp_path: pathlib.Path,
    photo: np.ndarray,
    two_ways: None,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, out = tmp_path / "in.png", tmp_path / "new" / "out.png"
    source.write_bytes(lying(photo, 6, "PNG"))
    zoo_main.main(["translate", "two", str(source), str(out)])
    assert capsys.readouterr() == (f"Wrote {out}: 56x28 px\n", "")
    np.testing.assert_array_equal(Image.open(out), 255 - photo)

    monkeypatch.setattr(tiles, "TILE", 32)
    zoo_main.main(["translate", "two", str(source), str(out), "--direction=b_to_a"])
    np.testing.assert_array_equal(Image.open(out), photo[..., ::-1])
    progress = capsys.readouterr().err
    assert [part.split(",")[0] for part in progress.split("\r")[1:]] == [
        "1 of 2 tiles",
        "2 of 2 tiles",
    ]
    assert progress.endswith("0 s left" + " " * 28 + "\n")


def test_a_folder_goes_on_after_a_bad_file(
    tmp_path: pathlib.Path, photo: np.ndarray, two_ways: None, capsys: pytest.CaptureFixture
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "a.png").write_bytes(encoded(photo, "PNG"))
    (source / "a.JPG").write_bytes(encoded(photo, "JPEG", **FINE))
    (source / "b.jpg").write_bytes(encoded(photo, "JPEG")[:-99])
    (source / "c.gif").write_bytes(
        encoded(photo, "GIF", save_all=True, append_images=[Image.fromarray(photo[::-1])])
    )
    gif = (source / "c.gif").read_bytes()
    (source / "cut.gif").write_bytes(gif[: gif.rindex(b"!\xf9") + 12])  # in the second frame
    (source / "d.png").write_bytes(png_of_size(60_000, 60_000))
    (source / "notes.txt").write_text("beside the pictures")
    (source / ".hidden.png").write_text("nothing")
    error = failure(capsys, "translate", "two", source, out)
    assert sorted(path.name for path in out.iterdir()) == ["a.JPG.png", "a.png.png", "c.png"]
    np.testing.assert_array_equal(Image.open(out / "a.png.png"), 255 - photo)
    lines = [line for part in error.split("\n") for line in part.split("\r") if line.strip()]
    progress = [line.split(",")[0] for line in lines if " left" in line]
    assert progress == [f"{i} of 6 pictures" for i in range(1, 7)]
    skipped, *told = [line for line in lines if " left" not in line]
    assert skipped == (
        f"{source}: 2 files are not pictures and were skipped: .hidden.png, notes.txt."
    )
    assert told[0].startswith(f"{source / 'b.jpg'}: A picture must be a whole file. Received: ")
    assert told[1] == f"{source / 'c.gif'}: the first of 2 frames is taken"
    assert told[2].startswith(f"{source / 'cut.gif'}: A picture must be a whole file. Received: ")
    assert told[3].startswith(f"{source / 'd.png'}: A picture must have at most 134,217,728 pixels")
    assert told[4:] == ["error: 3 of 6 pictures could not be translated; they are named above."]
    (source / "a.png.gif").write_bytes(gif)
    assert (
        "have different names in OUT: rename one. Received: a.png and a.png.gif, both a.png.png."
        in failure(capsys, "translate", "two", source, out)
    )


@pytest.mark.parametrize("name", [b"caf\xe9", "café".encode(), "cafe\u0301".encode(), b"a" * 251])
def test_names_of_every_kind(
    tmp_path: pathlib.Path, photo: np.ndarray, two_ways: None, name: bytes
) -> None:
    """Not UTF-8, both forms of Unicode, and as long as may be: written under the same name."""
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    file = source / os.fsdecode(name + b".png")
    file.write_bytes(encoded(photo, "PNG"))
    zoo_main.main(["translate", "two", str(source), str(out)])
    assert os.listdir(os.fsencode(out)) == [name + b".png"]
    zoo_main.main(["translate", "two", str(file), str(out / file.name)])


def test_upscale(
    tmp_path: pathlib.Path, photo: np.ndarray, two_ways: None, capsys: pytest.CaptureFixture
) -> None:
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    source.write_bytes(encoded(photo, "PNG"))
    zoo_main.main(["upscale", "up", str(source), str(out)])
    assert capsys.readouterr().out == f"Wrote {out}: 112x56 px\n"
    np.testing.assert_array_equal(Image.open(out), Doubling().translate(photo[None])[0])
    wide = tmp_path / "wide.png"
    wide.write_bytes(encoded(np.zeros([1, 33_000, 3], np.uint8), "PNG"))
    assert "at most 65,535 pixels a side: write a PNG. Received: 66000x2." in failure(
        capsys, "upscale", "up", wide, tmp_path / "out.jpg"
    )
    assert (
        "Use upscale: 'up' of family 'doubling' enlarges pictures 2 times. Received: transl"
        in failure(capsys, "translate", "up", source, out)
    )
    for command in (("upscale", "two", source, out), ("sample", "two")):
        assert failure(capsys, *command) == (
            "error: Use translate: 'two' of family 'two_ways' translates pictures and keeps their "
            f"size. Received: {command[0]}.\n"
        )
    assert failure(capsys, "mix", "two") == (
        "error: mix needs a StyleGAN. Received: 'two' of family 'two_ways'.\n"
    )


def test_an_unknown_preset_is_told_before_tensorflow_starts(
    tmp_path: pathlib.Path,
    photo: np.ndarray,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(zoo_main, "quiet_tensorflow")  # a call would be a NameError
    source = tmp_path / "in.png"
    source.write_bytes(encoded(photo, "PNG"))
    for arguments in (
        ("translate", "pix2pix_inpainy", source, tmp_path / "out.png"),
        ("sample", "pix2pix_inpainy"),
        ("mix", "pix2pix_inpainy"),
    ):
        assert "Did you mean 'pix2pix_inpaint'" in failure(capsys, *arguments)


def test_a_preset_translates(
    tmp_path: pathlib.Path, photo: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    gan = zoo.Pix2Pix(resolution=16, width=4, patch=16)
    gan.save_to_preset(tmp_path / "preset")
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    source.write_bytes(encoded(photo, "PNG"))
    zoo_main.main(["translate", str(tmp_path / "preset"), str(source), str(out)])
    made = np.asarray(Image.open(out)).astype(int)
    assert np.abs(made - gan.translate(photo[None])[0]).max() <= 1
    zoo_main.main(["translate", str(tmp_path / "preset"), str(source), str(out), "--seed=3"])
    noisy = np.asarray(Image.open(out)).astype(int)
    assert np.abs(noisy - gan.translate(photo[None], seed=3)[0]).max() <= 1
    assert np.abs(noisy - made).max() > 1
    assert "Pix2Pix translates one way only: leave direction out. Received: dire" in failure(
        capsys, "translate", tmp_path / "preset", source, out, "--direction=a_to_b"
    )


@pytest.mark.slow
def test_a_mask_says_what_to_fill(
    tmp_path: pathlib.Path, photo: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    gan = zoo.Pix2Pix(resolution=16, source_channels=4, width=4, patch=16, fill=True)
    gan.save_to_preset(tmp_path / "preset")
    missing = np.zeros([28, 56], np.uint8)
    missing[5:20, 10:30] = 255
    source, mask, out = (tmp_path / name for name in ("in.png", "mask.png", "out.png"))
    source.write_bytes(encoded(photo, "PNG"))
    mask.write_bytes(encoded(missing, "PNG"))
    command = ("translate", str(tmp_path / "preset"), str(source), str(out))
    error = failure(capsys, *command)
    assert f"{source}: A picture must be transparent where it is to be filled" in error
    assert error.endswith("Received: an opaque one; pass --mask.\n")
    assert not out.exists()
    zoo_main.main([*command, f"--mask={mask}"])
    made = np.asarray(Image.open(out))
    erased = np.dstack([photo, 255 - missing])
    np.testing.assert_array_equal(made, gan.translate(erased[None])[0])
    np.testing.assert_array_equal(made[missing == 0], photo[missing == 0])
    # As though the picture had been erased there.
    source.write_bytes(encoded(erased, "PNG"))
    zoo_main.main([*command])
    np.testing.assert_array_equal(Image.open(out), made)
    for pixels, message in [
        (
            missing[:, :-1],
            f"{source}: A mask must be as large as the picture. Received: 55x28 px for",
        ),
        (missing * 0, f"A mask must be white where something is missing. Received: {mask}, black."),
    ]:
        mask.write_bytes(encoded(pixels, "PNG"))
        assert message in failure(capsys, *command, f"--mask={mask}")
    mask.write_bytes(b"none")
    assert f"{mask}: A picture must be a PNG" in failure(capsys, *command, f"--mask={mask}")
    nowhere = tmp_path / "nowhere.png"
    assert f"--mask must be a picture. Received: {nowhere}, which does not exist." in failure(
        capsys, *command, f"--mask={nowhere}"
    )
    zoo.Pix2Pix(resolution=16, width=4, patch=16).save_to_preset(tmp_path / "three")
    assert "A mask is for a model that fills what is transparent" in failure(
        capsys, "translate", tmp_path / "three", source, out, f"--mask={mask}"
    )


def test_errors_are_one_line(
    tmp_path: pathlib.Path, photo: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    source = tmp_path / "in.png"
    source.write_bytes(encoded(photo, "PNG"))
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_of_size(50_000, 50_000))
    gan = TwoWays()
    with pytest.raises(ValueError, match=f"{bomb}: .*at most 134,217,728 .* 2,500,000,000."):
        files.translate(gan, [(bomb, tmp_path / "x.png")])
    with pytest.raises(ValueError, match="must take 1, 3 or 4 channels. Received: 2."):
        files.translate(TwoWays(channels=2), [(source, tmp_path / "x.png")])
    (tmp_path / "empty").mkdir()
    for name, given, out, message in [
        (
            "dcgan_fashion_mnist",
            tmp_path / "no",
            "x.png",
            "no does not exist. IN must be a picture, or a folder",
        ),
        ("dcgan_fashion_mnist", source, "x.webp", "ends in .png, .jpg, .jpeg, as IN is a file. "),
        ("dcgan_fashion_mnist", source, "in.png", "OUT must not be IN. Received: "),
        ("dcgan_fashion_mnist", tmp_path / "empty", "x", "IN must hold pictures: files that end"),
        ("dcgan_fashion_mnist", tmp_path, "in.png", "OUT must be a folder, as IN is one"),
        (
            "dcgan_fashion_mnist",
            source,
            "x.png",
            "'dcgan', which draws images from noise: use sample.",
        ),
        ("pix2pix_256", source, "x.png", "has no pretrained weights"),
    ]:
        error = failure(capsys, "translate", name, given, tmp_path / out)
        assert error.startswith("error: ")
        assert message in error
        assert error.count("\n") == 1
    assert not (tmp_path / "x.png").exists()
    assert source.read_bytes() == encoded(photo, "PNG")
