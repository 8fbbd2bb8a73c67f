"""Callbacks of a run: progress, logs, sample grids, profile, stop on NaN.

All count steps (generator updates) from the start of the run, whether or not it was resumed.
"""

import contextlib
import math
import shutil
import sys
import time
from collections.abc import Hashable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainers.journal import HISTORY, SAMPLES, readable
from trainers.parts import part_at
from trainers.report.diagnosis import Copies, variety
from trainers.session import Session
from zoo.core.commands import tell
from zoo.pictures import images as image_io


class TrainingDiverged(ValueError):
    """A loss or a weight is no longer finite."""


class StepCallback(keras.callbacks.Callback):
    """A callback that knows the step of the run. Each part of a run is one call of `fit`.

    Attributes:
        session: The session of this process.
        step: The last completed step.
        compiled: Whether TensorFlow compiled during that step. Its duration then says nothing
            about the speed.
        telling: Whether the callback only reports on the run. If it fails, for example on a full
            disk, the run continues with a warning.
    """

    telling = False

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.step = session.start
        self.compiled = False
        self._phases: set[Hashable] = set()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.step += 1
        phase = self.model.current_phase
        self.compiled = batch == 0 or phase not in self._phases
        self._phases.add(phase)
        try:
            told = self.model.told
            means = {name: np.mean(value) for name, value in (logs or {}).items() if name in told}
            self.on_step(self.step, {name: float(mean) for name, mean in means.items()})
        except (OSError, tf.errors.OpError) as error:
            if not self.telling:
                raise
            tell(f"\nwarning: {type(self).__name__} at step {self.step}: {error}", file=sys.stderr)

    def on_step(self, step: int, logs: dict[str, float]) -> None:
        """After each step; `logs` are running means since the last `Log`."""
        raise NotImplementedError

    def is_due(self, step: int, every: int) -> bool:
        """Whether `step` is a multiple of `every`, or the run's last step."""
        return step % every == 0 or step == self.session.run.steps


class StopOnNaN(StepCallback):
    """Ends the run at the first loss that is not finite."""

    def on_step(self, step: int, logs: dict[str, float]) -> None:
        for name, value in logs.items():
            # A gradient norm may overflow in float16. That step is skipped, which is harmless.
            if not math.isfinite(value) and not name.endswith("gradient_norm"):
                raise TrainingDiverged(
                    f"{name} is {value} at step {step}. "
                    f"{self.session.checkpoints.describe_last_good()} If it happens again, "
                    "continue with --seed=OTHER --accept_changes, or train with lower learning "
                    "rates (gan.compile)."
                )


class Compiling(keras.callbacks.Callback):
    """Reports on stderr when a step is compiled: each phase is compiled at its first step."""

    def __init__(self) -> None:
        super().__init__()
        self._phases: set[Hashable] = set()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        phase = self.model.phase()
        # The first step of each `fit` is compiled.
        if batch and phase in self._phases:
            return
        self._phases.add(phase)
        tell(
            f"Compiling training step {int(self.model.steps.numpy()) + 1} "
            "(usually 10 to 60 s; later steps of its kind are fast) ...",
            file=sys.stderr,
        )


class SampleGrids(StepCallback):
    """Writes WORKDIR/samples/<step>.png from fixed latents and records how diverse the samples are.

    Args:
        session: The session of this process.
        real: Real images to compare the diversity with, uint8 [N, H, W, C]; None to skip it.
        copies: Compares samples with all training images; None to skip it.
    """

    telling = True

    def __init__(
        self, session: Session, real: np.ndarray | None, copies: Copies | None = None
    ) -> None:
        super().__init__(session)
        self.real = real
        self.copies = copies

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.step == 0:
            with contextlib.suppress(OSError, tf.errors.OpError):
                self.draw(0)

    def on_step(self, step: int, logs: dict[str, float]) -> None:
        if self.is_due(step, self.session.run.sample_every):
            self.draw(step)

    def draw(self, step: int) -> None:
        """Draws the grid of one step."""
        samples, columns = self.model.sample_sheet()
        sheet = image_io.grid(samples, columns)
        image_io.write_png(
            self.session.workdir / "samples" / f"{step:08d}.png", sheet, self.model.mark
        )
        varied = {} if self.real is None else variety(samples, self.real)
        varied |= self.copies.of(samples) if self.copies else {}
        self.session.journal.write(SAMPLES, step, **varied)
        with self.session.writer.as_default(step=step):
            tf.summary.image("samples", sheet[None])
            for name, value in varied.items():
                if value is not None:
                    tf.summary.scalar(f"samples/{name}", value)


class Log(StepCallback):
    """Writes scalars to history.jsonl and TensorBoard every `log_every` steps; resets their means.

    Also writes at the end of each part of a run. The speed counts training steps only: it excludes
    the work of other callbacks and the steps that compile.
    """

    telling = True

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._begun = 0.0
        self._seconds: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._begun = time.perf_counter()

    def on_step(self, step: int, logs: dict[str, float]) -> None:
        if not self.compiled:
            self._seconds.append(time.perf_counter() - self._begun)
        part = part_at(self.session.parts, step)
        if not self.is_due(step, self.session.run.log_every) and step != part.end:
            return
        scalars = {**logs, "kimg": int(self.model.images_seen.numpy()) / 1000}
        if self._seconds:
            speed = len(self._seconds) * part.batch_size / sum(self._seconds)
            scalars["images_per_second"] = speed
        self._seconds = []
        self.model.reset_metrics()
        self.session.journal.write(HISTORY, step, time=time.time(), **scalars)
        with self.session.writer.as_default(step=step):
            for name, value in scalars.items():
                tf.summary.scalar(name, value)


class Profile(StepCallback):
    """Runs TensorFlow's profiler over a few steps, for TensorBoard's Profile tab.

    Args:
        session: The session of this process.
        count: Number of steps to profile, starting after the tenth step of this process.
    """

    def __init__(self, session: Session, count: int) -> None:
        super().__init__(session)
        start, steps = session.start, session.run.steps
        self.first = min(start + 10, max(start + 1, steps - count))
        self.last = min(self.first + count, steps)
        self._on = False

    def on_step(self, step: int, logs: dict[str, float]) -> None:
        if step == self.first:
            tf.profiler.experimental.start(str(self.session.workdir / "logs"))
            self._on = True
        elif self._on and step == self.last:
            self.close()

    def close(self) -> None:
        """Ends the profile if it is still running."""
        if self._on:
            self._on = False
            tf.profiler.experimental.stop()


class Stages(StepCallback):
    """Records in the journal when a growing GAN enters a new stage."""

    telling = True
    _stage: Hashable = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._stage = self.model.structure()

    def on_step(self, step: int, logs: dict[str, float]) -> None:
        stage = self.model.structure()
        if stage != self._stage:
            self._stage = stage
            self.session.journal.event(step, "stage", self.model.stage())


class Progress(StepCallback):
    """Progress: one updated line on a terminal, occasional lines in a file or a pipe.

    A terminal shows as much of the line as fits: a wrapped one could not be overwritten.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.terminal = sys.stdout.isatty()
        self.pause = 0.5 if self.terminal else 15.0
        self._begun = 0.0
        self._counted = 0  # steps of this part since `_begun`
        self._shown = 0.0
        self._open = False  # whether the line still lacks its newline

    def on_step(self, step: int, logs: dict[str, float]) -> None:
        now = time.perf_counter()
        part, steps = part_at(self.session.parts, step), self.session.run.steps
        if self.compiled:  # its duration would distort the estimate
            self._begun, self._counted = now, 0
            return
        self._counted += 1
        if now - self._shown < self.pause and step != steps:
            return
        self._shown = now
        seconds = (now - self._begun) / self._counted
        names = (name for name in logs if not name.endswith("gradient_norm"))
        left = f"{readable(seconds * (part.end - step))} left"
        stage = [] if part.resolution is None else [self.model.stage()]
        if part.end < steps:  # steps of other parts take a different time
            left += f" at {part.resolution} px"
        speed = f"{part.batch_size / seconds:.0f} images/s"
        values = [f"{name} {logs[name]:.3f}" for name in names]
        line = "  ".join([f"step {step}/{steps}", speed, left, *stage, *values])
        if self.terminal:
            line = line[: shutil.get_terminal_size().columns - 1]
        self._open = self.terminal and step != steps
        tell(f"\r{line}\x1b[K" if self.terminal else line, end="" if self._open else "\n")

    def close(self) -> None:
        """Ends the line."""
        if self._open:
            tell("")
