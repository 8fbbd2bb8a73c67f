"""Runs that end before their time: signals, kills, NaN, a full disk, data that breaks."""

import contextlib
import dataclasses
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests import warm
from tests.eager import EAGER
from tests.trainers.test_loop import SAMPLE, TINY, small_run
from trainers import callbacks, data, journal, loop
from trainers.callbacks import TrainingDiverged
from trainers.checkpoint import CheckpointError
from trainers.data.order import draw
from trainers.data.sets import in_order
from trainers.journal import read_lines
from trainers.loop import train
from zoo.core.commands import Stopped
from zoo.pictures import images as image_io

pytestmark = EAGER


def command(
    workdir: pathlib.Path, *arguments: str, config: Mapping[str, object] = TINY
) -> list[str]:
    return [
        warm.python(),
        "-m",
        "trainers",
        "--preset=dcgan_fashion_mnist",
        f"--dataset={SAMPLE}",
        "--batch_size=8",
        *(f"--set={name}={value}" for name, value in config.items()),
        f"--workdir={workdir}",
        *arguments,
    ]


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


@pytest.mark.slow
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
    done = subprocess.run([warm.python(), "-c", probe], capture_output=True, text=True)
    assert done.returncode == 1
    *before, last = done.stderr.splitlines()
    assert last.startswith("error: "), done.stderr
    expected = ("Compiling training step ", "warning: no report of the run's end was written: ")
    assert all(line.startswith(expected) for line in before), done.stderr
    assert not (tmp_path / "W" / "preset").exists()
    assert not (tmp_path / "W" / "checkpoints" / "00000001").exists()


@contextlib.contextmanager
def running(arguments: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive the block."""
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    "signum",
    # The same handler; Ctrl-C is in test_demo.py too.
    [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM],
)
def test_a_signal_saves_and_the_same_command_goes_on(
    tmp_path: pathlib.Path, signum: signal.Signals
) -> None:
    with running(command(tmp_path / "W", "--steps=100000")) as run:
        next(line for line in run.stdout if line.startswith("step "))
        run.send_signal(signum)
        said, errors = run.communicate(timeout=120)
    assert run.returncode == 128 + signum
    assert f"{signum.name}: saving after this step." in said
    assert "of 100000. The same command resumes from there." in errors
    assert "Traceback" not in errors
    (saved,) = os.listdir(tmp_path / "W" / "checkpoints")
    assert f"Interrupted at step {int(saved)} of 100000" in errors
    assert zoo.load(str(tmp_path / "W" / "preset")).card["training"]["steps"] == int(saved)
    assert read_lines(tmp_path / "W" / "events.jsonl")[-1]["event"] == "interrupted"


@contextlib.contextmanager
def output_to(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stdout and stderr write each line to a file descriptor that cannot be written."""
    stream = os.fdopen(descriptor, "w", buffering=1)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            patch.setattr(sys, "stderr", stream)
            with pytest.raises(OSError, match="No space left|Broken pipe"):
                print("x", flush=True)
            yield
    finally:
        with contextlib.suppress(OSError):
            stream.close()


def test_a_run_that_cannot_say_anything_finishes(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with output_to(os.open("/dev/full", os.O_WRONLY), monkeypatch):
        train(small_run(tmp_path / "W", steps=2))
    assert os.listdir(tmp_path / "W" / "checkpoints") == ["00000002"]
    assert read_lines(tmp_path / "W" / "events.jsonl")[-1]["event"] == "finished"


def test_a_run_that_cannot_say_so_saves_at_ctrl_c(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_step = callbacks.StopOnNaN.on_step

    def interrupt(self: callbacks.StopOnNaN, step: int, logs: dict) -> None:
        on_step(self, step, logs)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(callbacks.StopOnNaN, "on_step", interrupt)
    reader, pipe = os.pipe()
    os.close(reader)
    with output_to(pipe, monkeypatch), pytest.raises(Stopped, match="at step 1 of 9"):
        train(small_run(tmp_path / "W", steps=9))
    assert os.listdir(tmp_path / "W" / "checkpoints") == ["00000001"]


HOLD = """
import pathlib, sys, time
from trainers.workdir import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_run_in_one_workdir_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = []

    def refuse() -> None:
        with pytest.raises(ValueError, match="where another one is at work") as error:
            train(small_run(tmp_path / "W", steps=1))
        assert f"Received: {tmp_path / 'W'}" in str(error.value)
        refused.append(1)

    with running([warm.python(), "-c", HOLD, str(tmp_path / "W")]) as first:
        assert first.stdout.readline() == "held\n"
        refuse()
        first.kill()
        first.communicate()
    on_step = callbacks.SampleGrids.on_step

    def on_step_and_refuse(self: callbacks.SampleGrids, step: int, logs: dict) -> None:
        on_step(self, step, logs)
        refuse()

    monkeypatch.setattr(callbacks.SampleGrids, "on_step", on_step_and_refuse)
    train(small_run(tmp_path / "W", steps=1))  # the lock went with its process; this one holds it
    assert len(refused) == 2


def test_training_goes_on_when_a_checkpoint_fails(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    savez, calls = np.savez, []

    def full_the_second_time(*arguments: object, **arrays: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError(28, os.strerror(28))
        savez(*arguments, **arrays)

    monkeypatch.setattr(np, "savez", full_the_second_time)
    train(small_run(tmp_path / "W", steps=6))
    warning = f"warning: The checkpoint at step 4 must fit on the disk of {tmp_path / 'W'}"
    said = capsys.readouterr().err
    assert warning in said
    assert "Received: No space left on device. The last good checkpoint is" in said
    assert sorted(os.listdir(tmp_path / "W" / "checkpoints")) == ["00000002", "00000006"]
    events = read_lines(tmp_path / "W" / "events.jsonl")
    assert [e["event"] for e in events] == ["started", "checkpoint_failed", "finished"]


def test_a_last_checkpoint_that_fails_is_how_the_run_ends(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(CheckpointError, match="The checkpoint at step 1 must fit on the disk"):
        train(small_run(tmp_path / "W", steps=1))
    event = read_lines(tmp_path / "W" / "events.jsonl")[-1]
    assert (event["step"], event["event"]) == (1, "not_saved")
    assert event["message"].startswith("The checkpoint at step 1 must fit on the disk")
    page = (tmp_path / "W" / "report.html").read_text(encoding="utf-8")
    assert "stopped: the last checkpoint could not be written" in page


@pytest.mark.slow
def test_a_disk_that_is_full_for_everything_costs_no_training(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Grids, curves, checkpoints and report fail from step 3 to 5; the end is written again."""
    write_png, open_ = image_io.write_png, open
    at = [0]

    class Clock(callbacks.StopOnNaN):
        def on_step(self, step: int, logs: dict) -> None:
            at[0] = step

    def full() -> None:
        if 3 <= at[0] <= 5:
            raise OSError(28, os.strerror(28))

    monkeypatch.setattr(callbacks, "StopOnNaN", Clock)
    monkeypatch.setattr(image_io, "write_png", lambda *a: (full(), write_png(*a)))
    monkeypatch.setattr(journal, "open", lambda *a, **k: (full(), open_(*a, **k))[1], raising=False)
    savez, report = np.savez, loop.write_report
    monkeypatch.setattr(np, "savez", lambda *a, **k: (full(), savez(*a, **k)))
    monkeypatch.setattr(loop, "write_report", lambda folder: (full(), report(folder)))
    gan = train(small_run(tmp_path / "W", steps=6, log_every=1))
    assert int(gan.steps.numpy()) == 6
    said = capsys.readouterr().err
    assert "warning: SampleGrids at step 4: [Errno 28] No space left on device" in said
    assert "history.jsonl: No space left on device" in said
    assert [x["step"] for x in read_lines(tmp_path / "W" / "history.jsonl")] == [1, 2, 6]
    assert (tmp_path / "W" / "checkpoints" / "00000006").is_dir()


@pytest.mark.parametrize("goes_on", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_data_that_breaks_on_the_way_is_one_line(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, goes_on: bool
) -> None:
    load = data.load_for

    def load_breaking(*arguments: object, **keywords: object) -> data.ImageSet:
        whole = load(*arguments, **keywords)
        orders = draw(whole, 8, lambda index, _: index, seed=1)
        fourth = list(orders.take(4).as_numpy_iterator())[-1]

        def read(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            def maybe(i: np.ndarray) -> np.ndarray:
                if broken and np.array_equal(i, fourth):
                    raise OSError(5, "Input/output error", "images.tmp")
                return i

            checked = tf.numpy_function(maybe, [index], tf.int64)
            return whole.reader(tf.ensure_shape(checked, index.shape))

        return dataclasses.replace(whole, reader=read, images=in_order(whole.reader, 300))

    monkeypatch.setattr(data, "load_for", load_breaking)
    broken = True
    with pytest.raises(data.DataError) as error:
        train(small_run(tmp_path / "W", steps=6, checkpoint_every=1))
    said = re.match(
        r"The data could not be read at step (\d): OSError: .Errno 5. Input/output error: "
        r"'images.tmp'. The last good checkpoint is .* \(step (\d)\); the same command resumes",
        str(error.value),
    )
    assert said, str(error.value)
    assert said.groups() == ("4", "3")
    if not goes_on:
        return
    broken = False
    resumed = train(small_run(tmp_path / "W", steps=6))
    monkeypatch.undo()
    unbroken = train(small_run(tmp_path / "U", steps=6))
    for a, b in zip(resumed.get_weights(), unbroken.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def newest(workdir: pathlib.Path) -> int:
    """The step of the newest checkpoint, 0 without one."""
    folders = (workdir / "checkpoints").glob("[0-9]*")
    return max((int(folder.name) for folder in folders), default=0)


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path: pathlib.Path) -> None:
    """SIGKILL at random moments; the state's bytes end as those of a run that was left alone."""
    arguments = ("--deterministic", "--checkpoint_every=5", "--sample_every=50")
    steps = 1200

    def train_until(workdir: pathlib.Path) -> list[str]:
        return command(workdir, f"--steps={steps}", *arguments, config={})

    chance = random.Random(0)
    killed = 0
    at = [0]
    while killed < 20:
        with running(train_until(tmp_path / "killed")) as run:
            # Loaded, restored, begun. On a faster machine 20 kills may need more steps.
            line = next((line for line in run.stdout if ", step " in line), "")
            assert line, f"the run was done before kill {killed + 1}: raise `steps`"
            at.append(int(re.search(r"step (\d+) to", line)[1]))
            # Wait for a checkpoint, so that on a slow machine too the kills are of several.
            end = time.monotonic() + 120
            while newest(tmp_path / "killed") <= at[-1] and time.monotonic() < end:
                assert run.poll() is None, run.communicate()
                time.sleep(0.01)
            time.sleep(chance.uniform(0.0, 3.0))
            run.kill()
            run.communicate()
            killed += 1
    assert at == sorted(at)
    print("resumed at", at)
    assert len(set(at)) > 5
    for name in ("killed", "alone"):
        subprocess.run(train_until(tmp_path / name), check=True, timeout=900)
    states = [tmp_path / name / "checkpoints" / f"{steps:08d}" for name in ("killed", "alone")]
    assert (states[0] / "state.npz").read_bytes() == (states[1] / "state.npz").read_bytes()
