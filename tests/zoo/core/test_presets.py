"""Presets: names, folders and addresses to checked files."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.core import presets, sources, storage


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A saved preset; tests copy it before they damage it."""
    path = tmp_path_factory.mktemp("preset") / "mine"
    gan = zoo.DCGAN(resolution=16, channels=1, latent_dim=4, width=4)
    gan.save_to_preset(path, card={"dataset": {"name": "noise"}})
    return path


@pytest.fixture
def copy(folder: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    target = tmp_path / "mine"
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_every_listed_preset_has_a_record() -> None:
    assert "dcgan_lsun_64" in zoo.list_presets()
    assert zoo.list_families() == sorted(presets.FAMILIES)
    for name in zoo.list_presets():
        assert zoo.get_preset(name).name == name
        assert name in zoo.list_presets(family=zoo.get_preset(name).family)


def test_bundled_folders_are_presets_with_true_hashes() -> None:
    bundled = [path.name for path in presets.PRETRAINED.iterdir() if path.is_dir()]
    assert "dcgan_fashion_mnist" in bundled
    for name in bundled:
        source = sources.resolve(name)  # checks the hashes
        config = dict(zoo.get_preset(name).config)
        if source.family == "srgan":
            config["pretrain_steps"] = 0  # it is behind the weights
        assert source.config.items() >= config.items()
        for key in ("dataset", "training", "licence", "scores", "parameters"):
            assert source.card[key], (name, key)
        assert source.weights.stat().st_size <= 8e6
        (score,) = source.card["scores"]
        assert score["split"] != source.card["dataset"]["split"]
        assert (source.weights.parent / presets.SAMPLES_FILE).read_bytes()[1:4] == b"PNG"


def test_the_card_says_what_was_given(folder: pathlib.Path) -> None:
    card = zoo.load(str(folder)).card
    assert card["name"] == "mine"
    assert card["dataset"] == {"name": "noise"}
    assert card["sha256"][presets.WEIGHTS_FILE] == storage.sha256(folder / presets.WEIGHTS_FILE)


def test_a_model_trained_further_does_not_keep_the_old_card(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    gan = zoo.load(str(folder))
    gan.save_to_preset(tmp_path / "copy")
    card = zoo.load(str(tmp_path / "copy")).card
    assert {**card, "sha256": gan.card["sha256"]} == gan.card  # the same weights
    gan.compile()
    gan.fit(tf.data.Dataset.from_tensors(np.zeros((4, 16, 16, 1), np.float32)), verbose=0)
    gan.save_to_preset(tmp_path / "further")
    card = zoo.load(str(tmp_path / "further")).card
    assert card["name"] == "further"
    assert "dataset" not in card
    assert card["trained_from"]["dataset"] == {"name": "noise"}


def test_float16_halves_the_file_and_loads_as_float32(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    gan = zoo.load(str(folder))
    gan.save_to_preset(tmp_path / "half", dtype="float16")
    half = zoo.load(str(tmp_path / "half"))
    for a, b in zip(gan.generator.get_weights(), half.generator.get_weights(), strict=True):
        assert b.dtype == np.float32
        np.testing.assert_array_equal(b, a.astype(np.float16))
    assert np.abs(gan.generate(4, seed=0).astype(int) - half.generate(4, seed=0)).max() <= 2


# ---- bad input


def test_an_unknown_name_lists_near_misses() -> None:
    start = "Unknown preset. Did you mean 'dcgan_fashion_mnist', .* or .*? A preset must be "
    with pytest.raises(zoo.PresetError, match=f"^{start}.* Received: 'dcgan_fashion'.$"):
        zoo.load("dcgan_fashion")
    with pytest.raises(zoo.PresetError, match="^Unknown preset. A preset must be .* 'zzz'.$"):
        zoo.load("zzz")


def test_a_path_that_is_no_folder_is_not_an_unknown_name(tmp_path: pathlib.Path) -> None:
    for name in ("nofolder/preset", "./nofolder", "~/nofolder", "nofolder/"):
        for look in (sources.resolve, sources.check_name):
            with pytest.raises(zoo.PresetError, match=f"^No folder '{name}'. A preset must be "):
                look(name)
    file = tmp_path / "config.json"
    file.touch()
    with pytest.raises(zoo.PresetError, match="config.json' is a file, not a folder. A preset "):
        sources.resolve(str(file))


def test_paths_are_presets_and_none_is_not(folder: pathlib.Path) -> None:
    np.testing.assert_array_equal(
        zoo.load(folder).generate(2, seed=0), zoo.DCGAN.from_preset(str(folder)).generate(2, seed=0)
    )
    for name in (None, b"mine"):
        with pytest.raises(zoo.PresetError, match=f"A preset must be a name .* Received: {name}"):
            zoo.load(name)


def test_the_workdir_of_a_run_is_not_its_preset(copy: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")  # the run's own
    copy.rename(tmp_path / "run" / "preset")
    with pytest.raises(zoo.PresetError, match=r"workdir of a training run: load '\S+/run/preset'"):
        zoo.load(tmp_path / "run")


def test_weights_of_another_type(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float16'. Received: 'int8'"):
        zoo.load(folder).save_to_preset(tmp_path / "small", dtype="int8")
    assert not (tmp_path / "small").exists()


def test_an_unknown_family() -> None:
    with pytest.raises(zoo.PresetError, match="Received: 'dcgann'. Did you mean 'dcgan"):
        zoo.list_presets(family="dcgann")


def test_a_preset_without_weights() -> None:
    with pytest.raises(zoo.PresetError) as error:
        zoo.load("dcgan_lsun_64")
    assert "no pretrained weights" in str(error.value)
    assert "zoo.load('dcgan_lsun_64', load_weights=False)" in str(error.value)


def test_a_preset_of_another_family(folder: pathlib.Path) -> None:
    class Other(zoo.GAN):
        family = "other"

    with pytest.raises(zoo.PresetError, match="loads presets of family 'other'. Received: .*dcgan"):
        Other.from_preset(str(folder))
    assert isinstance(zoo.DCGAN.from_preset(str(folder)), zoo.DCGAN)


def test_a_wrong_hash(copy: pathlib.Path) -> None:
    weights = copy / presets.WEIGHTS_FILE
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(zoo.PresetError) as error:
        zoo.load(str(copy))
    assert f"The sha256 of {weights} must be" in str(error.value)
    assert f"Received: {storage.sha256(weights)}" in str(error.value)


@pytest.mark.parametrize("file", ["config.json", "card.json", "model.weights.h5"])
def test_a_missing_file(copy: pathlib.Path, file: str) -> None:
    (copy / file).unlink()
    with pytest.raises(zoo.PresetError, match=file.replace(".", r"\.")):
        zoo.load(str(copy))


def test_json_with_a_byte_order_mark(copy: pathlib.Path) -> None:
    """Some editors write one."""
    config, card = copy / "config.json", copy / "card.json"
    mark = b"\xef\xbb\xbf"
    earlier = storage.sha256(config)
    config.write_bytes(mark + config.read_bytes())
    text = card.read_text().replace(earlier, storage.sha256(config))
    card.write_bytes(mark + text.encode())
    assert zoo.load(str(copy)).family == "dcgan"


def test_json_that_cannot_be_read(copy: pathlib.Path) -> None:
    (copy / "config.json").write_text("{")
    with pytest.raises(zoo.PresetError, match=r"config\.json must be readable JSON. Received: "):
        zoo.load(str(copy))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": ["os"]}, "must hold a 'family' of .* Received family: "),
        ({"family": "os"}, "must hold a 'family' of .* Received family: 'os'"),
        ({"config": {"resolution": 17}}, "must be arguments of DCGAN: .* Received: 17"),
        (
            {"config": {"resolution": 16, "width": 1, "depth": 3}},
            "must be arguments of DCGAN: .*depth",
        ),
        ({"config": {"resolution": 32}}, "must hold the weights of"),
    ],
)
def test_a_config_that_does_not_fit(copy: pathlib.Path, change: dict, message: str) -> None:
    config = json.loads((copy / "config.json").read_text()) | change
    (copy / "config.json").write_text(json.dumps(config))
    card = json.loads((copy / "card.json").read_text())
    card["sha256"]["config.json"] = storage.sha256(copy / "config.json")
    (copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(zoo.PresetError, match=message):
        zoo.load(str(copy))


def test_a_card_with_odd_hashes(copy: pathlib.Path) -> None:
    for hashes in (None, [], "abc", {}):
        (copy / "card.json").write_text(json.dumps({"sha256": hashes}))
        with pytest.raises(zoo.PresetError, match="must give the sha256 of model.weights.h5"):
            zoo.load(str(copy))


def test_a_folder_of_something_else_is_not_replaced(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "thesis.txt").write_text("years of work")
    with pytest.raises(zoo.PresetError, match="in place of an older preset. Received: .*project"):
        zoo.load(str(folder)).save_to_preset(tmp_path / "project")
    assert (tmp_path / "project" / "thesis.txt").read_text() == "years of work"


def test_a_failed_save_leaves_the_old_preset(
    copy: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gan = zoo.load(str(copy))
    before = {file.name: file.read_bytes() for file in copy.iterdir()}

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sources, "write_json", full)
    with pytest.raises(OSError, match="No space left"):
        gan.save_to_preset(copy)
    assert {file.name: file.read_bytes() for file in copy.iterdir()} == before
    assert [path.name for path in copy.parent.iterdir()] == ["mine"]


def test_what_a_killed_write_left_is_swept(tmp_path: pathlib.Path) -> None:
    """Killed between the two renames: the folder is away, the new one not yet there."""
    old, new = tmp_path / ".mine.abc.old", tmp_path / ".mine.abc"
    for folder in (old, new):
        folder.mkdir()
        (folder / "config.json").write_text(folder.name)
    sources.sweep(tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine" / "config.json").read_text() == ".mine.abc.old"
