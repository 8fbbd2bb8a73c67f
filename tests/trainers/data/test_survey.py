"""What a set holds, found out before anything is decoded."""

import pathlib

import numpy as np
import pytest
from PIL import Image

import zoo
from trainers import data
from trainers.data import image_folder
from trainers.data.survey import as_they_will_be, survey


def save(folder: pathlib.Path, count: int, size: tuple[int, int], mode: str = "RGB") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.new(mode, size, 40 * i).save(folder / f"{size[0]}x{size[1]}-{i}.png")


def test_pictures_of_one_size(tmp_path) -> None:
    save(tmp_path, 3, (120, 90))
    found = survey(str(tmp_path))
    assert (found.count, found.typical, found.channels, found.num_classes) == (3, 90, 3, 0)
    assert str(found) == "3 images, 120x90 RGB"


def test_pictures_of_many_sizes_and_a_broken_one(tmp_path) -> None:
    save(tmp_path, 2, (120, 90), "L")
    save(tmp_path, 3, (30, 40), "L")
    (tmp_path / "broken.png").write_text("not an image")
    found = survey(str(tmp_path))
    assert str(found) == "6 images, 30x40 to 120x90 grey"
    assert (found.typical, found.channels) == (30, 1)
    save(tmp_path, 1, (50, 50), "RGBA")
    assert survey(str(tmp_path)).channels == 3


def test_the_orientation_in_exif_counts(tmp_path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (120, 90)).save(tmp_path / "turned.png", exif=exif)
    assert str(survey(str(tmp_path))) == "1 images, 90x120 grey"


def test_subfolders_are_classes_in_the_order_of_their_names(tmp_path) -> None:
    save(tmp_path / "dogs", 2, (8, 8))
    save(tmp_path / "cats" / "indoors", 1, (8, 8))
    save(tmp_path / "horses", 3, (8, 8))
    (tmp_path / "empty").mkdir()
    assert survey(str(tmp_path)).classes == ("cats", "dogs", "horses")
    folder = image_folder.open_folder(tmp_path)
    _, labels = folder.classes()
    assert [file.relative_to(tmp_path).parts[0] for file in folder.files] == [
        ("cats", "dogs", "horses")[label] for label in labels
    ]
    (tmp_path / "dogs" / "8x8-0.png").write_text("not an image")
    loaded = data.load(str(tmp_path), resolution=8, channels=1, labels=True)
    assert loaded.num_classes == 3
    assert [int(label) for _, label in loaded.images.as_numpy_iterator()] == [0, 1, 2, 2, 2]
    plain = data.load(str(tmp_path), resolution=8, channels=1)
    assert plain.num_classes is None


@pytest.mark.parametrize("beside", [False, True])
def test_a_flat_folder_has_no_classes(tmp_path, beside) -> None:
    save(tmp_path, 2, (8, 8))
    if beside:
        save(tmp_path / "cats", 2, (8, 8))
    assert survey(str(tmp_path)).classes == ()
    with pytest.raises(data.DataError, match=r"in a subfolder of its own, .* Received: '/"):
        data.load(str(tmp_path), resolution=8, channels=1, labels=True)


def test_bundled_samples_and_tfds_sets(tiny_tfds) -> None:
    sample = survey("sample:fashion_mnist")
    assert str(sample) == "10,000 images, 28x28 grey"
    assert (sample.typical, sample.num_classes) == (28, 10)
    assert survey("sample:openmoji_pairs").channels == 3
    prepared = survey("fashion_mnist", tiny_tfds)
    assert str(prepared) == "200 images, 28x28 grey"  # and 100 to test
    assert (prepared.typical, prepared.num_classes) == (28, 10)


def test_a_folder_of_nothing_that_can_be_read(tmp_path) -> None:
    (tmp_path / "broken.png").write_text("not an image")
    with pytest.raises(data.DataError) as error:
        survey(str(tmp_path))
    assert str(error.value) == (
        f"No picture in '{tmp_path}' can be read. The first is broken.png: A picture must be a "
        "PNG, a JPEG or another file that Pillow reads. Received: a file of another kind."
    )


def test_what_becomes_of_them_is_said(tmp_path) -> None:
    for name in ("dogs", "cats"):
        save(tmp_path / name, 2, (120, 90))
    found = survey(str(tmp_path))
    told = as_they_will_be(found, zoo.DCGAN(16, 1, latent_dim=2, width=2))
    assert told == "4 images, 120x90 RGB, will be 16x16 grey"
    gan = zoo.CGAN(4, 3, num_classes=2, latent_dim=2, width=48)
    assert as_they_will_be(found, gan) == (
        "4 images, 120x90 RGB, will be 4x4 RGB; 2 classes: cats, dogs"
    )
    pairs = zoo.Pix2Pix(16, source_channels=1, width=2, patch=16)
    assert as_they_will_be(found, pairs).endswith("will be 16x16 grey to 16x16 RGB")
    assert np.all(np.array(gan.image_shape) == (4, 4, 3))
