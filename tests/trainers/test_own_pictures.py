"""Runs of a family on a folder of one's own pictures."""

import dataclasses
import functools
import json
import os
import pathlib
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import zoo
from tests.commands import end_of
from tests.eager import EAGER, steps
from trainers import defaults
from trainers.__main__ import main
from trainers.callbacks import Compiling
from trainers.data import DataError
from trainers.evaluate import main as evaluate
from trainers.loop import IDENTITY, train
from trainers.run import Run
from trainers.workdir import check_same_run
from zoo.core import sources

pytestmark = EAGER


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, fashion: np.ndarray) -> pathlib.Path:
    """Three classes of four pictures of 45 x 33, grey."""
    folder = tmp_path_factory.mktemp("own") / "my things"
    for i, image in enumerate(np.uint8((fashion[:12, ..., 0] + 1.0) * 127.5)):
        of_class = folder / ("shoes", "bags", "coats")[i % 3]
        of_class.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).resize((45, 33)).save(of_class / f"{i}.png")
    return folder


def own_run(workdir: pathlib.Path, pictures: pathlib.Path, **changes: object) -> Run:
    values = {
        "family": "dcgan",
        "config": {"resolution": 16, "width": 2, "latent_dim": 4},
        "dataset": str(pictures),
        "workdir": str(workdir),
        "steps": 2,
        "batch_size": 4,
        "strategy": "one",
    }
    return Run(**{**values, **changes})


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, pictures: pathlib.Path
) -> tuple[pathlib.Path, Run]:
    workdir = tmp_path_factory.mktemp("run") / "W"
    run = own_run(workdir, pictures)
    with steps(eager=True):
        train(run)
    return workdir, run


def test_one_command_trains_a_family_on_a_folder(
    pictures: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
) -> None:
    workdir = tmp_path / "W"
    code, output, error = end_of(
        capsys,
        main,
        "--family=cgan",
        "--set",
        "latent_dim=4",
        "--set=width=24",
        f"--dataset={pictures}",
        f"--workdir={workdir}",
        "--steps=2",
        "--batch_size=4",
        "--strategy=one",
    )
    assert code == 0, error
    assert error.startswith("Compiling training step 1 (usually 10 to 60 s;")
    assert output.startswith(
        "12 images, 45x33 grey, will be 32x32 grey; 3 classes: bags, coats, shoes\n"
    )
    assert "cgan_my_things on 12 images of " in output
    gan = zoo.load(workdir / "preset")
    assert type(gan) is zoo.CGAN
    assert gan.card["name"] == "cgan_my_things"
    assert (gan.image_shape, gan.num_classes, gan.latent_dim) == ((32, 32, 1), 3, 4)
    assert "<title>cgan_my_things" in (workdir / "report.html").read_text()
    config = json.loads((workdir / "config.json").read_text())
    assert (config["preset"], config["family"]) == (None, "cgan")
    assert config["config"] == {
        "resolution": 32,
        "channels": 1,
        "num_classes": 3,
        "latent_dim": 4,
        "width": 24,
    }


@pytest.mark.slow
def test_the_same_run_goes_on_and_keeps_its_sizes(
    finished: tuple[pathlib.Path, Run], pictures: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    workdir = shutil.copytree(finished[0], tmp_path / "W")
    longer = dataclasses.replace(finished[1], workdir=str(workdir), steps=4)
    resumed = train(longer)
    assert int(resumed.steps.numpy()) == 4
    whole = train(own_run(tmp_path / "whole", pictures, steps=4))
    for a, b in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    config = json.loads((workdir / "config.json").read_text())["config"]
    assert config == {"resolution": 16, "width": 2, "latent_dim": 4, "channels": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": {"resolution": 16, "width": 4, "latent_dim": 4}}, "width 2, now 4. Give"),
        ({"config": {"resolution": 16, "latent_dim": 4}}, "width 2, now None"),
        ({"config": {"resolution": 16, "width": 2}}, "latent_dim 4, now 100"),
        ({"config": {"resolution": 32, "width": 2, "latent_dim": 4}}, "resolution 16, now 32"),
        ({"family": "vanilla", "config": {"resolution": 16}}, "family 'dcgan', now 'vanilla'"),
        ({"family": None, "preset": "dcgan_mnist", "config": None}, "preset None, now 'dcgan_mn"),
    ],
)
@pytest.mark.parametrize("accepted", [False, True])
def test_other_arguments_are_refused_with_what_differs(
    finished: tuple[pathlib.Path, Run], changes: dict, message: str, accepted: bool
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        train(dataclasses.replace(finished[1], **changes, steps=9), accept_changes=accepted)
    assert "or other arguments of the networks" in str(error.value)


@pytest.mark.parametrize("way", ["relative", "slash", "home", "link", "as it was"])
def test_a_folder_is_the_same_however_it_is_written(
    finished: tuple[pathlib.Path, Run],
    pictures: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    workdir, run = finished
    monkeypatch.chdir(pictures.parent)
    monkeypatch.setenv("HOME", str(pictures.parent))
    (tmp_path / "link").symlink_to(pictures)
    ways = {
        "relative": f"./{pictures.name}/",
        "slash": f"{pictures}//",
        "home": f"~/{pictures.name}",
        "link": str(tmp_path / "link"),
    }
    identity = {name: getattr(run, name) for name in IDENTITY}
    arguments = json.loads((workdir / "config.json").read_text())["config"]
    if way == "as it was":  # typed as a relative path, from a folder that is not this one
        workdir = pathlib.Path(shutil.copytree(workdir, tmp_path / "W"))
        config = json.loads((workdir / "config.json").read_text())
        (workdir / "config.json").write_text(json.dumps({**config, "dataset": "somewhere"}))
    else:
        identity["dataset"] = ways[way]
    assert check_same_run(workdir, identity, config=arguments) == []
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match="holds another run: dataset"):
        check_same_run(workdir, {**identity, "dataset": str(tmp_path / "other")}, config=arguments)


def test_a_preset_is_the_same_however_it_is_written(
    finished: tuple[pathlib.Path, Run], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = finished[0] / "preset"
    monkeypatch.chdir(preset.parent)
    monkeypatch.setenv("HOME", str(preset.parent))
    (tmp_path / "link").symlink_to(preset)
    ways = (f"{preset}/", "preset", "./preset/", "~/preset", str(tmp_path / "link"))
    assert {sources.canonical(way) for way in ways} == {str(preset.resolve())}
    assert {Run(preset=way, dataset="d", workdir="w", steps=1).name for way in ways} == {"preset"}
    assert sources.resolve("~/preset").family == "dcgan"
    assert sources.canonical("hf://user/repo/") == "hf://user/repo"
    assert sources.canonical("dcgan_mnist") == "dcgan_mnist"


def test_reverse_belongs_to_a_run_and_is_not_in_the_files_of_older_ones(
    finished: tuple[pathlib.Path, Run], tmp_path: pathlib.Path
) -> None:
    workdir = pathlib.Path(shutil.copytree(finished[0], tmp_path / "W"))
    config = json.loads((workdir / "config.json").read_text())
    for name in ("reverse", "jitter", "accumulate", "task"):
        del config[name]
    (workdir / "config.json").write_text(json.dumps(config))
    identity = {name: getattr(finished[1], name) for name in IDENTITY}
    check = functools.partial(check_same_run, workdir, config=config["config"])
    assert check(identity) == []
    with pytest.raises(ValueError, match="holds another run: reverse False, now True"):
        check({**identity, "reverse": True})


def test_what_equals_a_default_is_no_change(finished: tuple[pathlib.Path, Run]) -> None:
    workdir, run = finished
    said = dataclasses.replace(run, config={**run.config, "architecture": "paper"})
    before = (workdir / "config.json").read_bytes()
    train(said)
    assert (workdir / "config.json").read_bytes() == before


@pytest.mark.slow
def test_a_preset_takes_other_arguments(pictures: pathlib.Path, tmp_path: pathlib.Path) -> None:
    run = own_run(
        tmp_path / "W",
        pictures,
        family=None,
        preset="dcgan_fashion_mnist",
        config={"latent_dim": 3},
    )
    gan = train(run)
    assert (gan.latent_dim, gan.image_shape) == (3, (28, 28, 1))
    assert zoo.load(tmp_path / "W" / "preset").latent_dim == 3
    with pytest.raises(ValueError, match="latent_dim 3, now 100"):
        train(dataclasses.replace(run, config=None, steps=4))
    # As a run of an earlier version wrote it: without a family and a config.
    path = tmp_path / "W" / "config.json"
    config = json.loads(path.read_text())
    del config["family"], config["config"]
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match="latent_dim 100, now 3"):
        train(dataclasses.replace(run, steps=4))


@pytest.mark.slow
def test_a_run_is_measured_on_images_that_it_has_not_seen(
    finished: tuple[pathlib.Path, Run],
    pictures: pathlib.Path,
    fashion: np.ndarray,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    def score(dataset: pathlib.Path) -> tuple[int | str, str, str]:
        return end_of(
            capsys,
            evaluate,
            f"--run={finished[0]}",
            f"--dataset={dataset}",
            "--num_images=12",
            "--metrics=kid",
        )

    held_out = tmp_path / "held_out"
    held_out.mkdir()
    for i, image in enumerate(np.uint8((fashion[100:160, ..., 0] + 1.0) * 127.5)):
        Image.fromarray(image).resize((45, 33)).save(held_out / f"{i}.png")
    code, output, error = score(held_out)
    assert code == 0, error
    record = json.loads(output.splitlines()[-1])
    assert record["source"]["preset"] == "dcgan_my_things"
    assert "sketch" not in output

    copies = tmp_path / "copies"  # other names, another format, mirrored
    copies.mkdir()
    for i, file in enumerate(sorted(pictures.rglob("*.png"))):
        image = Image.open(file)
        (image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if i % 2 else image).save(
            copies / f"copy {i}.jpg", quality=90
        )
    for seen in (pictures / "bags", pictures.parent, copies):  # a part, the folder above, copies
        code, _, error = score(seen)
        assert (code, error.count("\n")) == (1, 1)
        assert re.search("this one was trained on (9.|100)% of these, as their pixels show", error)
    shutil.copy(copies / "copy 0.jpg", held_out)
    shutil.copy(copies / "copy 2.jpg", held_out)
    code, _, error = score(held_out)
    assert code == 0
    assert re.search("warning: the model was trained on [23]% of the images of", error)
    with pytest.raises(ValueError, match=r"give evaluate_dataset.* 100% of these"):
        train(
            own_run(
                tmp_path / "W", pictures, evaluate_every=1, evaluate_dataset=str(pictures / "bags")
            )
        )


def filled(pictures: pathlib.Path, **changes: object) -> dict:
    run, _ = defaults.fill_in(own_run(pathlib.Path("none"), pictures, **changes))
    return run.config


def test_pictures_decide_what_is_not_given(pictures: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert filled(pictures, config=None) == {"resolution": 32, "channels": 1}
    assert filled(pictures, config={"channels": 3}) == {"resolution": 32, "channels": 3}
    large = tmp_path / "large"
    large.mkdir()
    Image.new("RGB", (900, 700)).save(large / "0.png")
    assert filled(large, config=None) == {"resolution": 128, "channels": 3}
    # What cuts pieces out of pictures has a size of its own.
    assert filled(large, family="srgan", config=None) == {"channels": 3}
    assert filled(large, family="pix2pix", config=None) == {
        "resolution": 128,
        "channels": 3,
        "source_channels": 3,
    }
    assert filled(pictures, family="cgan", config={})["num_classes"] == 3
    assert "num_classes" not in filled(pictures, family="stylegan2", config={})
    assert filled(pictures, family="cgan", config={"num_classes": 5})["num_classes"] == 5


def test_a_family_with_classes_needs_labels(pictures: pathlib.Path, tmp_path: pathlib.Path) -> None:
    flat = shutil.copytree(pictures / "bags", tmp_path / "flat")
    with pytest.raises(DataError, match=r"put the images of each class in a subfolder.*flat'\."):
        train(own_run(tmp_path / "W", flat, family="cgan", config=None))
    five = {"num_classes": 5, "width": 24, "latent_dim": 2}
    with pytest.raises(ValueError, match=r"has 3\. .* or give --set num_classes=3"):
        train(own_run(tmp_path / "W", pictures, family="cgan", config=five))
    assert not (tmp_path / "W").exists()


def test_a_preset_with_other_arguments_has_no_weights() -> None:
    with pytest.raises(ValueError, match="give load_weights=False as well. Received: width for"):
        zoo.load("dcgan_fashion_mnist", width=8)
    assert zoo.load("dcgan_lsun_64", load_weights=False, width=2).get_config()["width"] == 2


class Phases:
    """As a model of which every second step has a regularizer."""

    def __init__(self) -> None:
        self.steps = tf.Variable(0)

    def phase(self) -> bool:
        return bool(self.steps.numpy() % 2)


def test_each_phase_is_told_when_it_is_compiled(capsys: pytest.CaptureFixture) -> None:
    callback = Compiling()
    callback.set_model(Phases())
    for batch in (0, 1, 2, 3, 0, 1):  # `fit` twice
        callback.on_train_batch_begin(batch)
        callback.model.steps.assign_add(1)
    told = capsys.readouterr().err.splitlines()
    assert [line.split(" (")[0] for line in told] == [
        "Compiling training step 1",
        "Compiling training step 2",
        "Compiling training step 5",
    ]


def test_names_that_are_not_utf_8_train_and_are_printed(
    pictures: pathlib.Path, tmp_path: pathlib.Path, capfd: pytest.CaptureFixture
) -> None:
    """The folder's, a class's and a broken file's; nothing is half-written."""
    folder = tmp_path / os.fsdecode(b"n\xe4me")
    shutil.copytree(pictures / "bags", folder / os.fsdecode(b"t\xe4g"))
    shutil.copytree(pictures / "coats", folder / "caf\u00e9")
    (folder / "caf\u00e9" / os.fsdecode(b"\xff.png")).write_bytes(b"broken")
    workdir = tmp_path / "W"
    run = own_run(workdir, folder, steps=2)
    train(run)
    about = json.loads((workdir / "about.json").read_text())
    assert about["data"]["skipped"] == ["caf\u00e9/\\xff.png"]
    assert json.loads((workdir / "config.json").read_text())["dataset"] == str(folder)
    assert "n\\udce4me" in (workdir / "report.html").read_text(encoding="utf-8")
    assert not list(tmp_path.rglob("*unfinished*"))
    assert "dcgan_n_me on 8 images of" in capfd.readouterr().out
