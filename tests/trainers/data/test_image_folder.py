"""A folder of images: what is read, in which order, and what happens to broken files."""

import logging
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests import odd_pictures
from trainers import data


def save(pictures: np.ndarray, folder, count: int, suffix: str = ".png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.fromarray(pictures[i, :, :, 0]).save(folder / f"{i:03d}{suffix}")


def load(folder, **kwargs) -> data.ImageSet:
    return data.load(str(folder), **{"resolution": 28, "channels": 1, **kwargs})


def read(image_set: data.ImageSet) -> list[np.ndarray]:
    return [image for image, _ in image_set.images.as_numpy_iterator()]


def test_images_in_the_order_of_their_paths(tmp_path, pictures):
    save(pictures[2:], tmp_path / "b", 2)
    save(pictures, tmp_path / "a" / "deep", 2)
    (tmp_path / "notes.txt").write_text("not an image")
    image_set = load(tmp_path)
    np.testing.assert_array_equal(read(image_set), pictures[:4])
    assert image_set.source == str(tmp_path.resolve())
    assert (image_set.split, image_set.count, image_set.num_classes) == ("all", 4, None)
    assert [label for _, label in image_set.images.as_numpy_iterator()] == [-1] * 4
    assert next(data.batches(image_set, 4, seed=0).as_numpy_iterator()).shape == (4, 28, 28, 1)


@pytest.mark.parametrize(
    "suffix", [".avif", ".bmp", ".gif", ".jpeg", ".JPG", ".png", ".tif", ".TIFF", ".webp"]
)
def test_formats(tmp_path, pictures, suffix):
    save(pictures, tmp_path, 3, suffix)
    # JPEG and WebP are lossy.
    assert np.abs(np.stack(read(load(tmp_path))) - pictures[:3].astype(float)).mean() < 8


def test_the_first_frame_of_an_animation(tmp_path, pictures):
    frames = [Image.fromarray(pictures[i, :, :, 0]) for i in range(3)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read(load(tmp_path)), pictures[:1])


def test_the_orientation_in_exif_is_applied(tmp_path, pictures):
    upright = Image.fromarray(pictures[0, :, :, 0])
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    upright.rotate(90).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read(load(tmp_path))[0], pictures[0])


def test_a_relative_path(tmp_path, pictures, monkeypatch):
    save(pictures, tmp_path / "clothes", 2)
    monkeypatch.chdir(tmp_path)
    assert load("clothes").source == str((tmp_path / "clothes").resolve())
    save(pictures, tmp_path / "cifar10", 2)
    assert load("./cifar10").count == 2  # a path, though TFDS has a set of that name


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_broken_images_are_named_counted_and_skipped(tmp_path, pictures, caplog, suffix):
    save(pictures, tmp_path, 20, suffix)
    whole = read(load(tmp_path))
    truncated = tmp_path / f"004{suffix}"
    truncated.write_bytes(truncated.read_bytes()[:-60])
    (tmp_path / f"011{suffix}").write_text("no image at all")
    with caplog.at_level(logging.WARNING):
        image_set = load(tmp_path)
    assert image_set.skipped == (f"004{suffix}", f"011{suffix}")
    assert image_set.count == 18
    good = [image for i, image in enumerate(whole) if i not in (4, 11)]
    np.testing.assert_array_equal(read(image_set), good)
    (warning,) = [r.getMessage() for r in caplog.records if r.name.startswith("trainers.data")]
    assert "Skipped 2 of 20 images" in warning
    assert f"004{suffix}" in warning
    assert f"011{suffix}" in warning
    assert "\n" not in warning


def test_one_broken_image_of_few_is_skipped(tmp_path, pictures):
    save(pictures, tmp_path, 4)
    (tmp_path / "002.png").write_bytes(b"")
    assert load(tmp_path).skipped == ("002.png",)


def test_too_many_broken_images(tmp_path, pictures):
    save(pictures, tmp_path, 20)
    for i in range(3):
        (tmp_path / f"{i:03d}.png").write_bytes(b"broken")
    with pytest.raises(data.DataError, match=r"3 of 20 images in .* cannot be read") as error:
        load(tmp_path)
    said = str(error.value)
    assert "\n" not in said
    assert said.startswith(f"3 of 20 images in '{tmp_path}' ")
    assert "Repair or remove them: 000.png (" in said


def test_no_image_that_can_be_read(tmp_path):
    (tmp_path / "only.png").write_bytes(b"broken")
    with pytest.raises(data.DataError, match="1 of 1 images in .* cannot be read"):
        load(tmp_path)


def test_missing_folder_a_file_and_a_folder_without_images(tmp_path):
    with pytest.raises(data.DataError, match=r"does not exist.*Received: '.*missing'\."):
        load(tmp_path / "missing")
    (tmp_path / "notes.txt").write_text("not an image")
    with pytest.raises(data.DataError, match=r"is a file, not a folder.*notes\.txt"):
        load(tmp_path / "notes.txt")
    with pytest.raises(data.DataError, match=r"holds no images: files ending in \.avif, \.bmp"):
        load(tmp_path)


@pytest.mark.parametrize("kind", ["16-bit grey", "grey", "palette", "CMYK", "RGBA", "cut out"])
def test_files_of_every_kind_become_8_bit_colour(tmp_path, mosaics, kind):
    picture = mosaics[0].crop((0, 0, 64, 64))
    grey, rgb = picture.convert("L"), np.asarray(picture)
    file = tmp_path / ("0.jpg" if kind == "CMYK" else "0.png")
    if kind == "16-bit grey":
        Image.fromarray(np.asarray(grey, np.uint16) * 257).save(file)
    elif kind == "cut out":  # a palette, one of whose colours is transparent
        few = picture.quantize(16)
        few.save(file, transparency=3)
        rgb = np.asarray(few.convert("RGB")).copy()
        rgb[np.asarray(few) == 3] = 255
    elif kind == "RGBA":
        picture.putalpha(grey)
        picture.save(file)
        alpha = np.asarray(grey)[..., None] / 255
        rgb = rgb * alpha + 255 * (1 - alpha)
    else:
        convert = {
            "grey": lambda: grey,
            "palette": lambda: picture.quantize(256),
            "CMYK": lambda: picture.convert("CMYK"),
        }
        convert[kind]().save(file, **({"quality": 95, "subsampling": 0} if kind == "CMYK" else {}))
    expected = np.repeat(np.asarray(grey)[..., None], 3, -1) if "grey" in kind else rgb
    (image,) = read(load(tmp_path, resolution=64, channels=3))
    off = np.abs(image - np.asarray(expected, float))
    assert off.max() <= 1 if kind not in ("palette", "CMYK") else off.mean() < 8  # those are lossy


def test_a_picture_made_to_fill_the_memory(tmp_path, pictures):
    save(pictures, tmp_path, 3)
    size = struct.pack(">II", 60_000, 50_000)
    chunk = b"IHDR" + size + b"\x08\x02\x00\x00\x00"
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    file = tmp_path / "bomb.png"
    file.write_bytes(head + struct.pack(">I", zlib.crc32(chunk)) + b"\0\0\0\0IDAT\x35\xaf\x06\x1e")
    with pytest.raises(data.DataError) as error:
        load(tmp_path)
    assert str(error.value) == (
        "A picture may have at most 178,956,970 pixels: make it smaller, or cut it. "
        f"Received: '{file}'."
    )


def test_what_is_no_picture_is_counted_in_one_line(tmp_path, pictures, caplog):
    save(pictures, tmp_path, 3)
    for name in (".DS_Store", "._000.png", "Thumbs.db", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    save(pictures[5:], tmp_path / ".ipynb_checkpoints", 2)
    save(pictures[5:], tmp_path / "__MACOSX", 1)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(read(load(tmp_path)), pictures[:3])
    (line,) = [r.getMessage() for r in caplog.records]
    assert line == (
        f"'{tmp_path}': 7 files are not pictures and were skipped: .DS_Store, ._000.png, "
        ".ipynb_checkpoints/000.png, .ipynb_checkpoints/001.png, Thumbs.db, and 2 more."
    )


def test_train_and_test_are_splits_and_no_classes(tmp_path, pictures, caplog):
    for i, of_class in enumerate(("bags", "shoes")):
        save(pictures[10 * i :], tmp_path / "Train" / of_class, 3)
        save(pictures[10 * i + 5 :], tmp_path / "val" / of_class, 2)
    with caplog.at_level(logging.WARNING):
        image_set = load(tmp_path, labels=True)
    assert (image_set.split, image_set.count, image_set.num_classes) == ("train", 6, 2)
    assert image_set.source == str(tmp_path.resolve())
    np.testing.assert_array_equal(read(image_set)[3:], pictures[10:13])
    assert "Only the 6 images of Train/ are read, not the other 4." in caplog.text
    held_out = load(tmp_path, split="test")  # there is no test/
    assert (held_out.split, held_out.count) == ("test", 4)
    np.testing.assert_array_equal(read(held_out)[:2], pictures[5:7])
    with pytest.raises(data.DataError, match=r"has the splits test, train, val, and not this"):
        load(tmp_path, split="validation")


@pytest.mark.parametrize("names", [["train", "car"], ["test", "exam", "quiz"]])
def test_a_class_may_be_called_like_a_split(tmp_path, pictures, names):
    for i, name in enumerate(names):
        save(pictures[10 * i :], tmp_path / name, 2)
    assert load(tmp_path, labels=True).num_classes == len(names)
    assert load(tmp_path).split == "all"


@pytest.mark.parametrize(
    ("part", "rows"),
    [
        ("[:4]", range(4)),
        ("[10:]", range(10, 15)),
        ("[2:5]", range(2, 5)),
        ("[-3:]", range(12, 15)),
        ("[:10%]", range(2)),  # 1.5 is rounded
        ("[-20%:]", range(12, 15)),
    ],
)
def test_a_part_of_a_folder_is_what_tfds_would_take(tmp_path, pictures, part, rows):
    save(pictures, tmp_path / "whole", 15)
    for split in ("all", "train"):
        image_set = load(tmp_path / "whole", split=split + part)
        np.testing.assert_array_equal(read(image_set), pictures[list(rows)])
        assert image_set.split == f"all{part}"
    save(pictures, tmp_path / "two" / "train", 15)
    save(pictures[15:], tmp_path / "two" / "test", 15)
    for split, first in (("train", 0), ("test", 15)):
        image_set = load(tmp_path / "two", split=split + part)
        np.testing.assert_array_equal(read(image_set), pictures[[first + row for row in rows]])
        assert image_set.split == split + part


def test_a_part_of_a_labelled_folder_has_all_its_classes(tmp_path, pictures):
    for name in ("bags", "coats", "shoes"):
        save(pictures, tmp_path / name, 3)
    image_set = load(tmp_path, split="all[4:]", labels=True)
    labels = [label for _, label in image_set.images.as_numpy_iterator()]
    assert (labels, image_set.num_classes) == ([1, 1, 2, 2, 2], 3)


def test_a_part_is_trained_on_as_the_whole_is(tmp_path, squares):
    for i, image in enumerate(squares[:4]):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    how = {"resolution": 64, "source_channels": 3, "target_channels": 3, "task": "colorize"}
    part, whole = (
        data.load_pairs(str(tmp_path), split=split, **how) for split in ("all[:4]", "all")
    )
    for a, b in zip(*(one.batches(4, seed=0).take(1) for one in (part, whole)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "part", ["[:16]", "[4]", "[a:b]", "[:4", "[4:4]", "[:4]+train[8:]", "[:4]+all[8:]", "[:200%]"]
)
def test_a_part_that_a_folder_does_not_have(tmp_path, pictures, part):
    save(pictures, tmp_path, 15)
    with pytest.raises(data.DataError) as error:
        load(tmp_path, split=f"train{part}")
    assert str(error.value) == (
        "A part of a folder's images is written 'train[:1000]' or 'train[10%:]', within their "
        f"number. Received: '{tmp_path}', split='all{part}', of 15 images."
    )


def test_only_one_split(tmp_path, pictures):
    save(pictures, tmp_path / "train", 2)
    assert (load(tmp_path).split, load(tmp_path).count) == ("train", 2)
    with pytest.raises(data.DataError, match=r"has the splits train, and not .* split='test'"):
        load(tmp_path, split="test")


def test_domains_are_no_classes(tmp_path, pictures):
    for i, name in enumerate(("trainA", "trainB", "testA", "testB")):
        save(pictures[10 * i :], tmp_path / name, 1)
    with pytest.raises(data.DataError, match="measured by labels"):
        load(tmp_path, labels=True)


def test_names_that_are_not_utf_8_or_composed(tmp_path, pictures, caplog):
    """One class in two Unicode forms, a name in Latin-1, and a broken file of such a name."""
    for i, name in enumerate(("caf\u00e9", "cafe\u0301", os.fsdecode(b"na\xefve"))):
        save(pictures[10 * i :], tmp_path / name, 10)
    (tmp_path / "caf\u00e9" / os.fsdecode(b"bad\xff.png")).write_bytes(b"broken")
    with caplog.at_level(logging.WARNING):
        image_set = load(tmp_path, labels=True)
    assert (image_set.count, image_set.num_classes) == (30, 2)
    assert image_set.skipped == ("caf\u00e9/bad\\xff.png",)
    caplog.text.encode()  # can be printed


def test_what_transparent_pixels_hide_is_never_seen(tmp_path):
    """A disc enlarged and shrunk: the same over hidden black, white or noise, and no dark rim."""
    y, x = np.mgrid[:40, :40] - 19.5
    alpha = np.clip(14 - np.hypot(x, y), 0, 1) * 255
    hidden = [0, 255, np.random.default_rng(0).integers(0, 256, (40, 40, 3))]
    for i, below in enumerate(hidden):
        colours = np.where(alpha[..., None] > 0, [255, 250, 245], below)
        picture = np.dstack([colours, alpha]).astype(np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    for resolution in (16, 40, 100):
        first, *others = read(load(tmp_path, resolution=resolution, channels=3))
        assert first.min() >= 245
        for other in others:
            np.testing.assert_array_equal(other, first)


def test_a_transparent_colour_of_16_bits_is_that_colour_alone(tmp_path):
    grey = np.array([[0x1234, 0x1235, 0xFFFF, 0x0000]] * 4)
    key = odd_pictures.chunk(b"tRNS", b"\x12\x34")
    data = odd_pictures.png(grey, 16, odd_pictures.GREY, before=key)
    (tmp_path / "0.png").write_bytes(data)
    (image,) = read(load(tmp_path, resolution=4))
    np.testing.assert_array_equal(image[..., 0], [[255, 0x12, 255, 0]] * 4)


def test_12_bits_in_16_are_refused_with_what_to_do(tmp_path):
    for i, scale in enumerate((16, 1)):
        Image.fromarray(np.full((8, 8), 4095 * scale, np.uint16)).save(tmp_path / f"{i}.png")
    image_set = load(tmp_path, resolution=8)
    assert image_set.skipped == ("1.png",)
    assert read(image_set)[0].min() == 255
    (tmp_path / "0.png").unlink()
    with pytest.raises(data.DataError, match="multiply values of 12 bits by 16. Received: values"):
        load(tmp_path)
