"""What happens beside a run: progress, logs, sample grids, checkpoints, stop on NaN.

All of them count steps (generator updates) from the start of the run, resumed or not.
"""

import math
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainers.checkpoint import Checkpoints
from zoo import images as image_io

SAMPLES = 64


class TrainingDiverged(ValueError):
    """A loss or a weight is no longer finite."""


class StepCallback(keras.callbacks.Callback):
    """A callback that is told the step of the run."""

    def __init__(self, start: int, steps: int) -> None:
        super().__init__()
        self.start = start
        self.steps = steps

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.on_step(self.start + batch + 1, logs or {})

    def on_step(self, step: int, logs: dict[str, Any]) -> None:
        """After each step; `logs` are running means since the last `Log`."""
        raise NotImplementedError


class StopOnNaN(StepCallback):
    """Ends the run at the first loss that is not finite."""

    def __init__(self, start: int, steps: int, checkpoints: Checkpoints) -> None:
        super().__init__(start, steps)
        self.checkpoints = checkpoints

    def on_step(self, step: int, logs: dict[str, Any]) -> None:
        for name, value in logs.items():
            if not math.isfinite(float(value)):
                raise TrainingDiverged(
                    f"{name} is {float(value)} at step {step}. "
                    f"{self.checkpoints.describe_last_good()} "
                    "If it happens again, try a lower learning rate or another seed."
                )


class SaveCheckpoints(StepCallback):
    """Writes a checkpoint and WORKDIR/preset every `every` steps and at the end."""

    def __init__(
        self,
        start: int,
        steps: int,
        every: int,
        checkpoints: Checkpoints,
        save_preset: Callable[[int], None],
    ) -> None:
        super().__init__(start, steps)
        self.every = every
        self.checkpoints = checkpoints
        self.save_preset = save_preset

    def on_step(self, step: int, logs: dict[str, Any]) -> None:
        if step % self.every == 0 or step == self.steps:
            self.save(step)

    def save(self, step: int) -> None:
        """Writes both, unless a weight is not finite."""
        for network in (self.model.generator, self.model.discriminator):
            for weight in network.get_weights():
                if not np.isfinite(weight).all():
                    raise TrainingDiverged(
                        f"The {network.name} has weights that are not finite at step {step}. "
                        f"{self.checkpoints.describe_last_good()}"
                    )
        # In this order: a run that ends in between does its last steps again, preset and all.
        self.save_preset(step)
        self.checkpoints.save(step)


class SampleGrids(StepCallback):
    """Draws WORKDIR/samples/<step>.png from fixed latents, and shows it in TensorBoard."""

    def __init__(
        self,
        start: int,
        steps: int,
        every: int,
        folder: pathlib.Path,
        writer: tf.summary.SummaryWriter,
    ) -> None:
        super().__init__(start, steps)
        self.every = every
        self.folder = folder
        self.writer = writer

    def on_step(self, step: int, logs: dict[str, Any]) -> None:
        if step % self.every and step != self.steps:
            return
        sheet = image_io.grid(self.model.generate(SAMPLES, seed=0))
        image_io.write_png(self.folder / f"{step:08d}.png", sheet)
        with self.writer.as_default(step=step):
            tf.summary.image("samples", sheet[None])


class Log(StepCallback):
    """Scalars to TensorBoard every `every` steps; starts their means afresh."""

    def __init__(
        self,
        start: int,
        steps: int,
        every: int,
        batch_size: int,
        writer: tf.summary.SummaryWriter,
    ) -> None:
        super().__init__(start, steps)
        self.every = every
        self.batch_size = batch_size
        self.writer = writer
        self._time = time.perf_counter()
        self._step = start

    def on_step(self, step: int, logs: dict[str, Any]) -> None:
        if step % self.every and step != self.steps:
            return
        now = time.perf_counter()
        speed = (step - self._step) * self.batch_size / (now - self._time)
        self._time, self._step = now, step
        with self.writer.as_default(step=step):
            for name, value in logs.items():
                tf.summary.scalar(name, float(value))
            tf.summary.scalar("images_per_second", speed)
        self.model.reset_metrics()


class Progress(StepCallback):
    """One line on a terminal, rewritten; on a file or a pipe a line now and then."""

    def __init__(self, start: int, steps: int, batch_size: int) -> None:
        super().__init__(start, steps)
        self.batch_size = batch_size
        self.terminal = sys.stdout.isatty()
        self.pause = 0.5 if self.terminal else 15.0
        self._begun: float | None = None
        self._shown = 0.0

    def on_step(self, step: int, logs: dict[str, Any]) -> None:
        now = time.perf_counter()
        if self._begun is None:  # the first step compiles: no measure of what is left
            self._begun = now
            return
        if now - self._shown < self.pause and step != self.steps:
            return
        self._shown = now
        seconds = (now - self._begun) / (step - self.start - 1)
        values = "  ".join(f"{name} {float(value):.3f}" for name, value in logs.items())
        line = (
            f"step {step}/{self.steps}  {values}  {self.batch_size / seconds:.0f} images/s  "
            f"{readable(seconds * (self.steps - step))} left"
        )
        print(f"\r{line}\x1b[K" if self.terminal else line, end="" if self.terminal else "\n")
        sys.stdout.flush()

    def close(self) -> None:
        """Ends the line."""
        if self.terminal and self._shown:
            print()


def readable(seconds: float) -> str:
    """A duration for a person: "42 s", "12 min", "3 h 05 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
