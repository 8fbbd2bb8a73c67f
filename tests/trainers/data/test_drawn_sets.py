"""Sets that are drawn or cut from packages:
peeps, avatars, toons, landscapes, emoji_families.

Nothing is fetched and no Node.js is needed; `test_builders.py` makes them of the real packages.
"""

import collections
import hashlib
import json
import os
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from tests.trainers.data.test_prepare import exit_code
from trainers import data
from trainers.data import tfds_sets
from trainers.data.builders import avatars, dicebear, emoji_families, landscapes, peeps, toons
from trainers.data.builders.code_points import drawing

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">'
    '<rect width="8" height="4" {}/></svg>'
)


def test_peeps_of_the_test_split_are_combinations_that_training_never_shows():
    chosen = peeps.choose({"train": 4000, "test": 200})
    assert {split: len(rows) for split, rows in chosen.items()} == {"train": 4000, "test": 200}
    whole = {
        split: {(row["head"], row["face"], row["skin"]) for row in rows}
        for split, rows in chosen.items()
    }
    assert not whole["train"] & whole["test"]
    # The single values are in both.
    for name in ("head", "face", "skin"):
        values = [{row[name] for row in rows} for rows in chosen.values()]
        assert values[1] <= values[0] == set(peeps.ATTRIBUTES[name])
    assert not {"cyclops", "monster", "bear"} & {
        value for names in peeps.ATTRIBUTES.values() for value in names
    }
    beards = np.mean([row["beard"] != "none" for row in chosen["train"]])
    assert abs(beards - 0.15) < 0.02
    heads = collections.Counter(row["head"] for row in chosen["train"])
    assert max(heads.values()) < 2 * min(heads.values())
    assert peeps.choose({"train": 9, "test": 1})["train"] == chosen["train"][:9]


@pytest.fixture
def drawn(monkeypatch):
    """DiceBear that draws the clothes, and the hair for every other face; holds what was asked."""
    asked = []

    def drawings(requests, folder):
        for i, (style, options) in enumerate(requests):
            asked.append((style, options))
            hair = options["headContrastColor" if i % 2 else "clothingColor"][0]
            yield SVG.format(f'fill="#{hair}"')

    monkeypatch.setattr(dicebear.DrawnBuilder, "packages", lambda builder: [])
    monkeypatch.setattr(dicebear, "drawings", drawings)
    monkeypatch.setattr(peeps, "COUNTS", {"train": 20, "test": 6})
    return asked


def test_prepare_peeps(drawn, tmp_path, capsys):
    assert exit_code(["prepare", "peeps", f"--data_dir={tmp_path}"]) == 0
    assert "peeps: train 20 images, test 6 images" in capsys.readouterr().out
    peep_set = data.load("peeps", resolution=64, channels=3, data_dir=tmp_path)
    assert (peep_set.count, peep_set.num_classes, peep_set.licence) == (20, None, "CC0-1.0")
    builder = tfds.builder("peeps", data_dir=tmp_path)
    rows = list(builder.as_dataset(split="train").as_numpy_iterator())
    for i, (row, (style, options)) in enumerate(zip(rows, drawn, strict=False)):
        names = {key: builder.info.features[key].int2str(row[key]) for key in peeps.ATTRIBUTES}
        assert (style, options["head"], options["face"]) == (
            "open-peeps",
            [names["head"]],
            [names["face"]],
        )
        assert options["facialHairProbability"] == (0 if names["beard"] == "none" else 100)
        assert (names["hair"] == "none") == (i % 2 == 0)  # only what shows is recorded
        colour = options["headContrastColor" if i % 2 else "clothingColor"][0]
        assert row["image"][8, 8].tolist() == list(bytes.fromhex(colour))
        assert row["image"][-1, -1].tolist() == [255, 255, 255]


def test_other_sizes(tmp_path, capsys):
    assert tfds_sets.builder("peeps/128").info.features["image"].shape == (128, 128, 3)
    assert tfds_sets.builder("avatars").info.features["image"].shape == (32, 32, 3)
    for name, has in [("peeps", "128, 64"), ("avatars", "32, 64"), ("landscapes", "128, 128_pub")]:
        assert exit_code(["prepare", f"{name}/100", f"--data_dir={tmp_path}"]) == 1
        (line,) = [e for e in capsys.readouterr().err.splitlines() if e.startswith("error:")]
        assert f"Unknown config of the TFDS set '{name}'" in line
        assert f"It has: {has}" in line


@pytest.mark.parametrize("name", ["peeps", "avatars", "toons"])
def test_without_node(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "node" else tool)
    assert exit_code(["prepare", name, f"--data_dir={tmp_path}"]) == 1
    (line,) = [e for e in capsys.readouterr().err.splitlines() if e.startswith("error:")]
    assert "DiceBear 9.4.3 needs Node.js: install it first, or take the bundled sample" in line


def node(folder: pathlib.Path, script: str, monkeypatch) -> None:
    """Puts a Node.js of a few lines of shell first on the path."""
    file = folder / "node"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_what_node_answers_is_passed_on_in_order(tmp_path, monkeypatch):
    node(tmp_path, 'while read -r line; do echo "$line"; done < "$2"', monkeypatch)
    asked = [("a", {"head": ["x"]}), ("b", {})]
    answers = list(dicebear.drawings(asked, tmp_path))
    assert answers == [{"style": style, "options": options} for style, options in asked]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ('echo "node:1" >&2; echo "SyntaxError: no" >&2; exit 1', r"Received: SyntaxError: no"),
        ("exit 0", r"Received: 0 of 1 drawings"),
    ],
)
def test_a_node_that_fails(script, told, tmp_path, monkeypatch):
    node(tmp_path, script, monkeypatch)
    with pytest.raises(data.DataError, match=rf"Node.js could not draw an avatar\. {told}"):
        list(dicebear.drawings([("a", {})], tmp_path))


SCHEMA = {
    "hair": {"type": "array", "default": ["short", "long", "none"]},
    "hairColor": {"type": "array", "default": ["2c1b18", "a55728"]},
    "beard": {"type": "array", "default": ["chin", "full"]},
    "beardProbability": {"type": "integer", "default": 25},
    "rotation": {"type": "array", "default": [-10, 10]},
    "backgroundColor": {"type": "array", "default": ["000000"]},
}


def test_options_are_drawn_from_a_schema():
    rng = np.random.default_rng(0)
    rows = [dicebear.draw_options(SCHEMA, rng.random) for _ in range(2000)]
    assert all("rotation" not in row for row in rows)
    assert {row["backgroundColor"][0] for row in rows} == set(dicebear.BACKGROUNDS.values())
    hair = collections.Counter(row["hair"][0] for row in rows)
    assert all(abs(count / 2000 - 1 / 3) < 0.04 for count in hair.values())
    assert abs(np.mean([row["beardProbability"] == 100 for row in rows]) - 0.25) < 0.04
    assert {row["beardProbability"] for row in rows} == {0, 100}


def test_avatars_are_of_all_styles_and_none_is_drawn_twice():
    chosen = avatars.choose({"a": SCHEMA, "b": SCHEMA}, {"train": 30, "test": 4})
    assert [style for style, _ in chosen["test"]] == ["a", "b"] * 4
    drawn = [
        style + json.dumps({**options, "seed": ""})
        for rows in chosen.values()
        for style, options in rows
    ]
    assert len(set(drawn)) == len(drawn) == 68


def test_toons_of_the_test_split_have_shapes_that_training_never_shows():
    hair = {"type": "array", "default": [f"hair {i}" for i in range(60)]}
    chosen = toons.choose(SCHEMA | {"hair": hair}, {"train": 40, "test": 4})
    shapes = {
        split: {(row["hair"][0], row["beard"][0], row["beardProbability"]) for row in rows}
        for split, rows in chosen.items()
    }
    assert {split: len(rows) for split, rows in chosen.items()} == {"train": 40, "test": 4}
    assert not shapes["train"] & shapes["test"]


def test_regions_of_a_face_drawn_in_key_colours():
    keyed = np.zeros((20, 20, 3), np.uint8)
    keyed[:, :] = [255, 0, 255]
    keyed[4:16, 4:16] = [250, 10, 20]  # skin, not quite its key
    keyed[4:6, 4:16] = [0, 255, 0]
    keyed[8:10, 6:8] = 255  # an eye
    keyed[16:20, 2:18] = [0, 0, 255]
    keyed[16:18, 8:12] = 255  # a collar
    keyed[4, 4] = [255, 0, 255]  # a quarter of a pixel of the map
    regions = toons.regions_of(keyed, 10)
    expected = np.zeros((10, 10), np.uint8)
    expected[2:8, 2:8] = toons.REGIONS.index("skin")
    expected[2, 2:8] = toons.REGIONS.index("hair")
    expected[4, 3] = toons.REGIONS.index("features")
    expected[8:, 1:9] = toons.REGIONS.index("clothes")
    np.testing.assert_array_equal(regions, expected)


@pytest.fixture
def photographs(tmp_path) -> dict[str, dict[str, str]]:
    """Fourteen pictures of 720x360; the shade of grey is the number of the picture."""
    listed = {}
    for i in range(14):
        file = tmp_path / f"{('sea', 'mountain', 'somebody')[i % 3]}{i}.jpg"
        Image.new("RGB", (720, 360), (5 * i, 5 * i, 5 * i)).save(file, quality=95)
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        listed[file.name] = {"author": "A", "licence": "public-domain", "sha256": sha256}
    return listed


def test_landscapes_are_split_by_photograph(photographs, tmp_path):
    splits = landscapes.cut(photographs, tmp_path, 64)
    photos = {split: {row["photo"] for row in rows} for split, rows in splits.items()}
    assert photos["train"]
    assert photos["test"]
    assert not photos["train"] & photos["test"]
    assert sum(map(len, splits.values())) == 14 * (3 + 8 + 18)
    one = {"sea0.jpg": photographs["sea0.jpg"]}
    assert sum(map(len, landscapes.cut(one, tmp_path, 128).values())) == 3 + 8  # none is enlarged
    for row in splits["test"]:
        assert row["image"].shape == (64, 64, 3)
        number = int(row["photo"].lstrip("abcdefghijklmnopqrstuvwxyz"))
        assert abs(int(row["image"].mean()) - 5 * number) <= 2
        assert row["label"] == ("sea", "mountain", "other")[number % 3]


def test_another_landscape_is_refused(photographs, tmp_path):
    (tmp_path / "sea0.jpg").write_bytes(b"a part of it")
    with pytest.raises(data.DataError, match=r"sea0\.jpg of .* must have the sha256 .* Received"):
        landscapes.cut(photographs, tmp_path, 64)
    (tmp_path / "sea0.jpg").unlink()
    with pytest.raises(data.DataError, match=r"does not hold sea0\.jpg: take one of another"):
        landscapes.cut(photographs, tmp_path, 64)


def test_the_listed_landscapes():
    licences = collections.Counter(row["licence"] for row in landscapes.PHOTOGRAPHS.values())
    assert licences == {"public-domain": 181, "CC-BY-SA-4.0": 62, "CC-BY-SA-3.0": 30}
    assert landscapes.PHOTOGRAPHS["canyon10-harro.jpg"]["author"] == "@harro.eu"


def test_emoji_families_share_no_drawing_and_the_tests_are_counterparts(tmp_path):
    names = {f"{0x1F400 + i:x}": f"animal-{i}" for i in range(60)}
    names |= {"1f44b-1f3fb": "hand-light-skin-tone", "1f5ff": "not-in-b"}
    for side, size, colour in (("a", 128, "#f00"), ("b", 32, "#00f")):
        # A quarter of the height, drawn to the size of the family.
        body = f'<path fill="{colour}" d="M0 0h{size}v{size // 4}H0Z"/>'
        icons = {
            name: {"body": body} for name in names.values() if (side, name) != ("b", "not-in-b")
        }
        (tmp_path / side).mkdir()
        text = json.dumps({"icons": icons, "width": size, "height": size})
        (tmp_path / side / "icons.json").write_text(text)
        (tmp_path / side / "chars.json").write_text(json.dumps(names if side == "a" else {}))
    splits = emoji_families.families(tmp_path / "a", tmp_path / "b")
    assert sum(len(splits[split]) for split in ("trainA", "trainB", "testA")) == 60
    drawings = {split: {drawing(row["code"]) for row in rows} for split, rows in splits.items()}
    assert all(drawings.values())
    assert not drawings["trainA"] & drawings["trainB"]
    assert not (drawings["trainA"] | drawings["trainB"]) & drawings["testA"]
    for a, b in zip(splits["testA"], splits["testB"], strict=True):
        assert a["name"] == b["name"] == names[a["code"]]
        for row, colour in ((a, [255, 0, 0]), (b, [0, 0, 255])):
            image = np.asarray(Image.open(row["image"]).convert("RGB"))
            assert image.shape == (64, 64, 3)
            assert image[8, 8].tolist() == colour
            assert image[20, 20].tolist() == [255, 255, 255]
