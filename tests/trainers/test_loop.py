"""Runs: done, resumed, refused, interrupted, diverged."""

import dataclasses
import hashlib
import importlib
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import sys

import keras
import numpy as np
import pytest
from PIL import Image

import zoo
from tests.commands import end_of
from tests.eager import EAGER, steps
from trainers import callbacks, data, loop
from trainers.__main__ import main
from trainers.checkpoint import CheckpointError
from trainers.dry_run import dry_run
from trainers.journal import read_lines, readable
from trainers.loop import train
from trainers.metrics import comparison
from trainers.metrics.fakes import from_preset
from trainers.run import Run
from zoo.core.commands import Stopped
from zoo.pictures import images as image_io

pytestmark = EAGER
SAMPLE = "sample:fashion_mnist"
TINY = {"width": 4, "latent_dim": 4}  # in place of the preset's


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
    if "preset" not in changes:
        values["config"] = TINY
    return Run(**{**values, **changes})


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A run of 4 steps; tests copy it before they change it."""
    workdir = tmp_path_factory.mktemp("run") / "W"
    with steps(eager=True):
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
        ".lock",
        "about.json",
        "checkpoints",
        "config.json",
        "events.jsonl",
        "history.jsonl",
        "logs",
        "preset",
        "report.html",
        "samples",
        "samples.jsonl",
    ]
    assert sorted(os.listdir(finished / "checkpoints")) == ["00000002", "00000004"]
    assert sorted(os.listdir(finished / "samples")) == [f"{i:08d}.png" for i in (0, 2, 4)]
    assert Image.open(finished / "samples" / "00000004.png").size == (242, 242)
    card = json.loads((finished / "preset" / "card.json").read_text())
    sketch = card["dataset"].pop("sketch")
    assert sketch["kept"] == 2048 / 10000
    assert len(sketch["hashes"]) < 90_000
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
    assert {
        "d_loss",
        "g_loss",
        "d_gradient_norm",
        "images_per_second",
        "kimg",
        "samples",
        "samples/duplicates",
        "config.json",
        "about.json",
    } <= set(tags)
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
    assert f"Done: {workdir} is at step 4, and --steps=4. Nothing to do." in capsys.readouterr().out
    assert content(workdir) == before


@pytest.mark.slow
def test_more_steps_go_on_and_equal_an_unbroken_run(
    workdir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resumed = train(small_run(workdir, steps=6))
    assert "step 4 to 6" in capsys.readouterr().out
    assert int(resumed.steps.numpy()) == 6
    unbroken = train(small_run(tmp_path / "unbroken", steps=6))
    for a, b in zip(resumed.get_weights(), unbroken.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert sorted(os.listdir(workdir / "checkpoints")) == ["00000002", "00000004", "00000006"]
    zoo.load(str(workdir / "preset")).generate(8, seed=7)


@pytest.mark.slow
def test_mirrored_runs_on_every_logical_device(tmp_path: pathlib.Path, capsys) -> None:
    train(small_run(tmp_path / "W", strategy="mirrored", steps=1))
    assert "2 replica(s)" in capsys.readouterr().out


def test_a_cut_checkpoint_falls_back_to_the_one_before(
    workdir: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = workdir / "checkpoints" / "00000004" / "state.npz"
    os.truncate(cut, cut.stat().st_size // 2)
    gan = train(small_run(workdir))
    said = capsys.readouterr()
    assert f"warning: checkpoint {cut.parent} is damaged: {cut.name} does not match" in said.err
    assert "step 2 to 4" in said.out
    assert int(gan.steps.numpy()) == 4
    train(small_run(workdir))  # the damaged one has been replaced
    assert "damaged" not in capsys.readouterr().err


def test_an_unfinished_checkpoint_is_not_one(workdir: pathlib.Path) -> None:
    shutil.copytree(
        workdir / "checkpoints" / "00000004", workdir / "checkpoints" / ".unfinished.abc"
    )
    (workdir / "checkpoints" / "00000004" / "manifest.json").unlink()
    gan = train(small_run(workdir, steps=3))
    assert int(gan.steps.numpy()) == 3


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
        (dict(task="colorize"), "task None, now 'colorize'"),
        (dict(jitter=False), "jitter True, now False"),
        (dict(accumulate=2), "accumulate 1, now 2"),
        (dict(mixed_precision="bfloat16"), "mixed_precision None, now 'bfloat16'"),
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
            "Unknown preset. Did you mean 'dcgan_fashion_mnist",
        ),
        (dict(dataset="fashion_mnst"), "fashion_mnist"),
        (dict(dataset="sample:fashion"), "fashion_mnist"),
        (dict(strategy="tpu"), "must be one of auto, one, mirrored, multi_worker. Received: 'tpu'"),
        (dict(batch_size=20_000), "20,?000"),
        (dict(batch_size=9, strategy="mirrored"), "multiple of the 2 replicas .* Received: 9"),
        (dict(batch_size=8, accumulate=3), "times accumulate=3. Received: 8"),
        (dict(accumulate=0), "accumulate must be at least 1. Received: 0"),
        (
            dict(mixed_precision="float8"),
            "one of auto, float16, bfloat16, none. Received: 'float8'",
        ),
        (dict(jit_compile="yes"), "one of auto, on, off. Received: 'yes'"),
        (dict(evaluate_images=0), "evaluate_images must be at least 1. Received: 0"),
        (dict(checkpoint_minutes=0.0), "checkpoint_minutes must be more than 0. Received: 0.0"),
        (dict(steps=0), "steps must be at least 1. Received: 0"),
    ],
)
def test_what_does_not_fit_leaves_nothing_behind(
    tmp_path: pathlib.Path, change: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train(small_run(tmp_path / "W", **change))
    assert list(tmp_path.iterdir()) == []


def test_progress_stays_on_one_line_of_a_terminal(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "w") as terminal, open(ours, "rb", buffering=0) as screen:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", terminal)
            patch.setenv("COLUMNS", "80")
            train(small_run(tmp_path / "W", steps=2))
        said = screen.read(4096).decode()
    (last,) = re.findall(r"\r(step 2/2  .*)\x1b\[K", said)
    assert len(last) == 79
    assert re.match(r"step 2/2  \d+ images/s  0 s left  d_loss \d\.\d{3}  ", last)


def test_the_command_reads_recipes_and_flags(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output, error = end_of(
        capsys,
        main,
        "--recipe=dcgan_fashion_mnist",
        f"--dataset={SAMPLE}",
        "--steps=2",
        "--batch_size=4",
        "--evaluate_every=0",
        "--strategy=one",
        f"--workdir={tmp_path / 'W'}",
    )
    assert code == 0, error
    assert error == (
        "Compiling training step 1 (usually 10 to 60 s; later steps of its kind are fast) ...\n"
    )
    wrote = f"Wrote {tmp_path / 'W'}: report.html, preset/, checkpoints/, samples/, logs/"
    assert f"\nSaving checkpoint, preset and report ...\n{wrote}\n" in output
    config = json.loads((tmp_path / "W" / "config.json").read_text())
    assert config == dataclasses.asdict(
        Run(
            preset="dcgan_fashion_mnist",
            dataset=SAMPLE,
            workdir=str(tmp_path / "W"),
            steps=2,
            batch_size=4,
            strategy="one",
            recipe="dcgan_fashion_mnist",
            evaluate_every=0,
        )
    )


@pytest.mark.slow
def test_changes_are_accepted_when_told(
    workdir: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gan = train(small_run(workdir, steps=5, batch_size=16), accept_changes=True)
    changed = "Changed on this resume: batch_size 8, now 16"
    assert changed in capsys.readouterr().out
    assert changed in [event["message"] for event in read_lines(workdir / "events.jsonl")]
    assert int(gan.images_seen.numpy()) == 4 * 8 + 16
    with pytest.raises(ValueError, match="never with another preset"):
        train(small_run(workdir, steps=9, preset="dcgan_lsun_64"), accept_changes=True)
    change = dict(batch_size=16, mixed_precision="float16")
    with pytest.raises(ValueError, match="never with another preset or family or mixed_precision"):
        train(small_run(workdir, steps=9, **change), accept_changes=True)


@pytest.mark.slow
def test_other_images_or_replicas_are_refused(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = data.load(SAMPLE, resolution=28, channels=1).images.take(24).as_numpy_iterator()
    pictures = [image for image, _ in rows]
    for i, image in enumerate(pictures[:12]):
        image_io.write_png(tmp_path / "images" / f"{i}.png", image)
    run = small_run(tmp_path / "W", dataset=str(tmp_path / "images"), steps=2)
    train(run)
    image_io.write_png(tmp_path / "images" / "3.png", pictures[20])
    longer = dataclasses.replace(run, steps=4)
    with pytest.raises(ValueError, match=r"other images or replicas: images 12 \(\w{12}\), now 12"):
        train(longer)
    train(longer, accept_changes=True)
    assert "Changed on this resume: images 12" in capsys.readouterr().out
    with pytest.raises(ValueError, match="other images or replicas: replicas 1, now 2"):
        train(dataclasses.replace(longer, steps=6, strategy="mirrored"))


@pytest.mark.slow
def test_running_means_survive_a_stop(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at step 3, between two points of the curves."""
    changes = dict(checkpoint_every=100, log_every=4)
    train(small_run(tmp_path / "unbroken", **changes))
    on_step = callbacks.SampleGrids.on_step

    def stop_at_3(self, step: int, logs: dict) -> None:
        on_step(self, step, logs)
        if step == 3:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.SampleGrids, "on_step", stop_at_3)
        with pytest.raises(Stopped, match="Interrupted at step 3 of 4"):
            train(small_run(tmp_path / "W", **changes))
    train(small_run(tmp_path / "W", **changes))
    whole, resumed = (
        read_lines(tmp_path / name / "history.jsonl")[-1] for name in ("unbroken", "W")
    )
    for name in zoo.DCGAN.tracked:
        assert resumed[name] == pytest.approx(whole[name], rel=1e-6), name


def test_what_a_run_writes_down(finished: pathlib.Path) -> None:
    history = read_lines(finished / "history.jsonl")
    assert [line["step"] for line in history] == [2, 4]
    assert [line["kimg"] for line in history] == [0.016, 0.032]
    assert set(zoo.DCGAN.tracked) < set(history[0])
    assert all(line["d_gradient_norm"] > 0 and line["g_gradient_norm"] > 0 for line in history)
    assert [line["step"] for line in read_lines(finished / "samples.jsonl")] == [0, 2, 4]
    assert [line["event"] for line in read_lines(finished / "events.jsonl")] == [
        "started",
        "finished",
    ]
    about = json.loads((finished / "about.json").read_text())
    sample = np.load(pathlib.Path(data.__file__).parent / "samples" / "fashion_mnist.npz")
    digest = hashlib.sha256()
    for start in range(0, 10_000, 512):
        rows = slice(start, start + 512)
        digest.update(sample["images"][rows].tobytes())
        digest.update(sample["labels"][rows].astype(np.int64).tobytes())
    assert about["data"]["fingerprint"] == digest.hexdigest()
    # 4 x 784 and 2 x 784 of batch norm; 5 x 5 of 16 to 8, 8 to 4 and 4 to 1, the first two with
    # batch norm. 5 x 5 of 1 to 4 and 4 to 8, and 7 x 7 x 8, with biases.
    generator = 6 * 784 + 25 * (16 * 8 + 8 * 4 + 4) + 2 * (8 + 4)
    discriminator = 25 * (4 + 4 * 8) + 4 + 8 + 49 * 8 + 1
    assert about["parameters"] == {"generator": generator, "discriminator": discriminator}


@pytest.mark.slow
def test_steps_that_are_taken_again_are_told_once(workdir: pathlib.Path) -> None:
    shutil.rmtree(workdir / "checkpoints" / "00000004")  # as if killed before it was written
    with open(workdir / "history.jsonl", "a") as file:
        file.write('{"step": 5, "d_lo')  # and in the middle of a line
    train(small_run(workdir))
    assert [line["step"] for line in read_lines(workdir / "history.jsonl")] == [2, 4]
    assert [line["step"] for line in read_lines(workdir / "samples.jsonl")] == [0, 2, 4]
    assert [line["event"] for line in read_lines(workdir / "events.jsonl")] == [
        "started",
        "finished",
        "resumed",
        "finished",
    ]


@pytest.mark.slow
def test_minutes_save_as_well_as_steps_and_a_profile_is_left(tmp_path: pathlib.Path) -> None:
    run = small_run(tmp_path / "W", steps=3, checkpoint_every=100, checkpoint_minutes=1e-6)
    train(run, profile=2)
    assert list((tmp_path / "W" / "logs").rglob("*.xplane.pb"))  # for TensorBoard
    assert sorted(os.listdir(tmp_path / "W" / "checkpoints")) == [
        "00000001",
        "00000002",
        "00000003",
    ]


@pytest.mark.slow
def test_the_best_of_the_evaluated_is_kept(tmp_path: pathlib.Path) -> None:
    sample = data.load(SAMPLE, resolution=28, channels=1).images.take(30)
    for i, (image, _) in enumerate(sample.as_numpy_iterator()):
        image_io.write_png(tmp_path / "unseen" / f"{i}.png", 255 - image)
    workdir = tmp_path / "W"
    changes = dict(
        keep=1,
        checkpoint_every=100,
        evaluate_every=2,
        evaluate_images=30,
        evaluate_dataset=str(tmp_path / "unseen"),
    )
    train(small_run(workdir, steps=4, **changes))
    records = read_lines(workdir / "metrics.jsonl")
    assert [record["step"] for record in records] == [2, 4]
    assert set(records[0]["metrics"]) == {"kid", "recall", "coverage"}
    scores = {record["step"]: record["metrics"]["kid"]["value"] for record in records}
    best = min(scores, key=scores.get)
    assert json.loads((workdir / "checkpoints" / "best.json").read_text()) == {
        "step": best,
        "metric": "kid",
        "value": scores[best],
    }
    kept = {int(name) for name in os.listdir(workdir / "checkpoints") if name.isdigit()}
    assert kept == {best, 4}
    assert zoo.load(str(workdir / "best")).card["training"]["steps"] == best

    # The same command's figure afterwards is the same.
    record = comparison.evaluate(
        from_preset(str(workdir / "preset"), 30, 0),
        dataset=changes["evaluate_dataset"],
        num_images=30,
    )
    assert record["metrics"]["kid"]["value"] == pytest.approx(scores[4], rel=1e-4)


def test_evaluation_needs_enough_unseen_images(
    tmp_path: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    unseen = tmp_path_factory.mktemp("unseen")
    for i in range(5):
        image_io.write_png(unseen / f"{i}.png", np.full([28, 28, 1], 40 * i, np.uint8))
    with pytest.raises(ValueError, match="evaluate_every=2 needs a test split .*'sample:fashion"):
        train(small_run(tmp_path / "W", evaluate_every=2))
    few = dict(evaluate_every=2, evaluate_images=3, evaluate_dataset=str(unseen))
    with pytest.raises(ValueError, match="evaluate_every=2 needs .* needs at least .* Received: 3"):
        train(small_run(tmp_path / "W", **few))
    with pytest.raises(ValueError, match="evaluate_every must be 0 or more. Received: -1"):
        train(small_run(tmp_path / "W", evaluate_every=-1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_mixed_precision_and_accumulation_train(tmp_path: pathlib.Path) -> None:
    gan = train(small_run(tmp_path / "W", steps=2, mixed_precision="float16", accumulate=2))
    assert gan.compute_dtype == "float16"
    assert keras.config.dtype_policy().name == "float32"  # put back
    loaded = zoo.load(str(tmp_path / "W" / "preset"))
    assert loaded.compute_dtype == "float32"
    images = [model.generate(4, seed=0).astype(int) for model in (gan, loaded)]
    assert np.abs(images[0] - images[1]).max() <= 2


def test_a_dry_run_says_the_cost_and_writes_nothing(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dry_run(small_run(tmp_path / "W", steps=1000, config=None))
    said = capsys.readouterr().out
    for part in (
        "generator: 2,305,472 parameters",
        "discriminator: 212,865 parameters",
        "state (a checkpoint): 40 MB",
        "GB at its peak",
        "images/s on 1 replica(s), batch 8",
        "1,000 steps in ",
    ):
        assert part in said
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_with_a_mistyped_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainers.recipes import dcgan_fashion_mnist, get_recipe

    monkeypatch.setitem(dcgan_fashion_mnist.RECIPE, "batchsize", 64)
    with pytest.raises(ValueError, match="Received: 'batchsize' in .* Did you mean 'batch_size'"):
        get_recipe("dcgan_fashion_mnist")


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
        assert set(loop.IDENTITY) <= {field.name for field in dataclasses.fields(Run)}
