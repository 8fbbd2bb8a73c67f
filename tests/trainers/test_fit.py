"""Runs: done, resumed, refused, interrupted, diverged."""

import dataclasses
import importlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import zoo
from trainers import fit
from trainers.callbacks import TrainingDiverged, readable
from trainers.checkpoint import CheckpointError
from trainers.fit import Run, train

SAMPLE = "sample:fashion_mnist"


def small_run(workdir: pathlib.Path, **changes: object) -> Run:
    values = dict(
        preset="dcgan_fashion_mnist",
        dataset=SAMPLE,
        workdir=str(workdir),
        steps=4,
        batch_size=8,
        seed=1,
        strategy="one",
        checkpoint_every=2,
        sample_every=2,
        log_every=2,
    )
    return Run(**{**values, **changes})


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A run of 4 steps; tests copy it before they change it."""
    workdir = tmp_path_factory.mktemp("run") / "W"
    train(small_run(workdir))
    return workdir


@pytest.fixture
def workdir(finished: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(shutil.copytree(finished, tmp_path / "W"))


def content(folder: pathlib.Path) -> dict[pathlib.Path, tuple[bytes, int]]:
    return {
        path.relative_to(folder): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_run_leaves_what_it_says(finished: pathlib.Path) -> None:
    assert sorted(p.name for p in finished.iterdir()) == [
        "checkpoints",
        "config.json",
        "logs",
        "preset",
        "samples",
    ]
    assert sorted(os.listdir(finished / "checkpoints")) == ["00000002", "00000004"]
    assert sorted(os.listdir(finished / "samples")) == ["00000002.png", "00000004.png"]
    assert Image.open(finished / "samples" / "00000004.png").size == (242, 242)
    card = json.loads((finished / "preset" / "card.json").read_text())
    assert card["dataset"] == {
        "name": "fashion_mnist",
        "split": "train",
        "images": 10000,
        "licence": "MIT",
    }
    assert card["training"] == {"recipe": None, "steps": 4, "batch_size": 8, "seed": 1}


def test_tensorboard_has_scalars_and_pictures(finished: pathlib.Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished / "logs"), size_guidance={"tensors": 0}).Reload()
    tags = events.Tags()["tensors"]
    assert {"d_loss", "g_loss", "images_per_second", "samples"} <= set(tags)
    assert [event.step for event in events.Tensors("d_loss")] == [2, 4]


def test_the_preset_is_the_average_of_the_run(finished: pathlib.Path) -> None:
    gan = train(small_run(finished))  # done: restores, trains nothing
    loaded = zoo.load(str(finished / "preset"))
    np.testing.assert_array_equal(loaded.generate(8, seed=7), gan.generate(8, seed=7))


def test_a_finished_run_changes_nothing(
    workdir: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(workdir)
    train(small_run(workdir))
    assert f"Done: {workdir} is at step 4 of 4. Nothing to do." in capsys.readouterr().out
    assert content(workdir) == before


def test_more_steps_go_on_and_equal_an_unbroken_run(
    workdir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resumed = train(small_run(workdir, steps=6))
    assert "step 4 to 6" in capsys.readouterr().out
    assert int(resumed.steps.value) == 6
    unbroken = train(small_run(tmp_path / "unbroken", steps=6))
    for a, b in zip(resumed.get_weights(), unbroken.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert sorted(os.listdir(workdir / "checkpoints")) == ["00000002", "00000004", "00000006"]
    zoo.load(str(workdir / "preset")).generate(8, seed=7)


def test_mirrored_runs_on_every_logical_device(tmp_path: pathlib.Path, capsys) -> None:
    train(small_run(tmp_path / "W", strategy="mirrored", steps=2))
    assert "2 replica(s)" in capsys.readouterr().out


def test_a_cut_checkpoint_falls_back_to_the_one_before(
    workdir: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = workdir / "checkpoints" / "00000004" / "state.data-00000-of-00001"
    os.truncate(cut, cut.stat().st_size // 2)
    gan = train(small_run(workdir))
    said = capsys.readouterr()
    assert f"warning: checkpoint {cut.parent} is damaged: {cut.name} does not match" in said.err
    assert "step 2 to 4" in said.out
    assert int(gan.steps.value) == 4
    train(small_run(workdir))  # the damaged one has been replaced
    assert "damaged" not in capsys.readouterr().err


def test_an_unfinished_checkpoint_is_not_one(workdir: pathlib.Path) -> None:
    shutil.copytree(
        workdir / "checkpoints" / "00000004", workdir / "checkpoints" / ".unfinished.abc"
    )
    (workdir / "checkpoints" / "00000004" / "manifest.json").unlink()
    gan = train(small_run(workdir, steps=3))
    assert int(gan.steps.value) == 3


def test_no_readable_checkpoint_is_an_error(workdir: pathlib.Path) -> None:
    for manifest in (workdir / "checkpoints").rglob("manifest.json"):
        manifest.write_text("{")
    before = content(workdir)
    with pytest.raises(CheckpointError, match="None of the 2 checkpoints in .* can be read"):
        train(small_run(workdir))
    assert content(workdir) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(preset="dcgan_lsun_64"), "preset 'dcgan_fashion_mnist', now 'dcgan_lsun_64'"),
        (dict(batch_size=16), "batch_size 8, now 16"),
        (dict(seed=2), "seed 1, now 2"),
        (dict(dataset="fashion_mnist"), f"dataset '{SAMPLE}', now 'fashion_mnist'"),
    ],
)
def test_a_workdir_of_another_run_is_refused(
    workdir: pathlib.Path, change: dict, message: str
) -> None:
    before = content(workdir)
    with pytest.raises(ValueError, match="holds another run") as error:
        train(small_run(workdir, steps=9, **change))
    assert message in str(error.value)
    assert content(workdir) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            dict(preset="dcgan_fashon"),
            "'dcgan_fashon'. Did you mean 'dcgan_fashion_mnist",
        ),
        (dict(dataset="fashion_mnst"), "fashion_mnist"),
        (dict(dataset="sample:fashion"), "fashion_mnist"),
        (dict(strategy="tpu"), "must be one of auto, one, mirrored. Received: 'tpu'"),
        (dict(batch_size=20_000), "20,?000"),
        (dict(batch_size=9, strategy="mirrored"), "multiple of the 2 replicas. Received: 9"),
        (dict(steps=0), "steps must be at least 1. Received: 0"),
    ],
)
def test_what_does_not_fit_leaves_nothing_behind(
    tmp_path: pathlib.Path, change: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train(small_run(tmp_path / "W", **change))
    assert list(tmp_path.iterdir()) == []


class Explosive(keras.optimizers.SGD):
    """Turns weights into NaN at its third update."""

    def apply(self, gradients, variables):
        factor = tf.where(self.iterations < 2, 0.0, np.nan)
        return super().apply([g * factor for g in gradients], variables)


@pytest.fixture
def diverging(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_model = zoo.DCGAN.compile
    monkeypatch.setattr(
        zoo.DCGAN,
        "compile",
        lambda self, **kwargs: compile_model(self, generator_optimizer=Explosive(), **kwargs),
    )


def test_nan_stops_the_run(tmp_path: pathlib.Path, diverging: None) -> None:
    with pytest.raises(TrainingDiverged) as error:
        train(small_run(tmp_path / "W", steps=9, checkpoint_every=2))
    assert "_loss is nan at step 4." in str(error.value)
    assert f"The last good checkpoint is {tmp_path / 'W' / 'checkpoints' / '00000002'}" in str(
        error.value
    )
    assert "(step 2)" in str(error.value)


def test_weights_that_are_nan_are_never_saved(tmp_path: pathlib.Path, diverging: None) -> None:
    """The loss of step 3 is still finite: it was taken before the update that broke G."""
    with pytest.raises(TrainingDiverged, match="generator has weights .* not finite at step 3"):
        train(small_run(tmp_path / "W", steps=9, checkpoint_every=3))
    assert not (tmp_path / "W" / "checkpoints").exists()


def test_a_full_disk_at_a_checkpoint_is_one_line(tmp_path: pathlib.Path) -> None:
    """A process that may write no file larger than 100 kB."""
    probe = (
        "import resource, signal, runpy, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "sys.argv = ['trainers', '--preset=dcgan_fashion_mnist', '--steps=1', '--batch_size=2',\n"
        f"            '--dataset={SAMPLE}', '--workdir={tmp_path / 'W'}']\n"
        "runpy.run_module('trainers', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: "), done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "W" / "preset").exists()
    assert not (tmp_path / "W" / "checkpoints" / "00000001").exists()


def test_ctrl_c_saves_and_the_same_command_goes_on(tmp_path: pathlib.Path) -> None:
    command = [
        sys.executable,
        "-m",
        "trainers",
        "--preset=dcgan_fashion_mnist",
        f"--dataset={SAMPLE}",
        "--batch_size=8",
        "--steps=100000",
        f"--workdir={tmp_path / 'W'}",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        try:
            next(line for line in run.stdout if line.startswith("step "))
            run.send_signal(signal.SIGINT)
            _, errors = run.communicate(timeout=120)
        finally:
            run.kill()
    assert run.returncode == 130
    assert "of 100000. The same command goes on from there." in errors
    assert "Traceback" not in errors
    (saved,) = os.listdir(tmp_path / "W" / "checkpoints")
    assert f"Interrupted at step {int(saved)} of 100000" in errors
    assert zoo.load(str(tmp_path / "W" / "preset")).card["training"]["steps"] == int(saved)


def test_the_command_reads_recipes_and_flags(tmp_path: pathlib.Path) -> None:
    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "trainers", *arguments], capture_output=True, text=True
        )

    done = command(
        "--recipe=dcgan_fashion_mnist",
        f"--dataset={SAMPLE}",
        "--steps=2",
        "--batch_size=4",
        f"--workdir={tmp_path / 'W'}",
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert f"Wrote {tmp_path / 'W'}: checkpoints/, preset/, samples/, logs/" in done.stdout
    config = json.loads((tmp_path / "W" / "config.json").read_text())
    assert config == dataclasses.asdict(
        Run(
            preset="dcgan_fashion_mnist",
            dataset=SAMPLE,
            workdir=str(tmp_path / "W"),
            steps=2,
            batch_size=4,
            recipe="dcgan_fashion_mnist",
        )
    )
    for arguments, message in [
        (["--recipe=dcgan_fasion"], "'dcgan_fasion'. Did you mean 'dcgan_fashion_mnist"),
        (["--preset=dcgan_fashion_mnist", "--steps=2"], "Give --dataset and --workdir"),
        (["--stepz=3"], "Unknown command line flag 'stepz'. Did you mean: steps"),
    ]:
        failed = command(*arguments)
        assert failed.returncode == 1
        assert message in failed.stderr
        assert "Traceback" not in failed.stderr


def test_durations_for_a_person() -> None:
    assert [readable(s) for s in (42, 754, 11_100)] == ["42 s", "13 min", "3 h 05 min"]


def test_recipes_are_runs_and_say_what_they_cost() -> None:
    from trainers.recipes import get_recipe, list_recipes

    for name in list_recipes():
        header = importlib.import_module(f"trainers.recipes.{name}").__doc__
        for part in (f"--recipe={name}", "Cost: ", "Score: "):
            assert part in header, name
        run = Run(workdir="W", **get_recipe(name))
        assert run.preset in zoo.list_presets()
        assert set(fit.IDENTITY) <= {field.name for field in dataclasses.fields(Run)}
