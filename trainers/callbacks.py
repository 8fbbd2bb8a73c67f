"""What happens during a run: progress, logs, sample grids, profile, stop on NaN.

All of them count steps (generator updates) from the start of the run, resumed or not.
"""

import contextlib
import math
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
from zoo.pictures import images as image_io


class TrainingDiverged(ValueError):
    """A loss or a weight is no longer finite."""


class StepCallback(keras.callbacks.Callback):
    """A callback that knows the step of the run, whose parts are one `fit` each.

    Attributes:
        session: Of this process.
        step: The last one so far.
        compiled: Whether TensorFlow compiled during that step: no measure of what one takes.
        telling: Whether it only reports on the run. If it fails, on a full disk for example, the
            run continues with a warning.
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
            print(f"\nwarning: {type(self).__name__} at step {self.step}: {error}", file=sys.stderr)

    def on_step(self, step: int, logs: dict[str, float]) -> None:
        """After each step; `logs` are running means since the last `Log`."""
        raise NotImplementedError

    def is_due(self, step: int, every: int) -> bool:
        """Whether `step` is one of every `every`, or the run's last."""
        return step % every == 0 or step == self.session.run.steps


class StopOnNaN(StepCallback):
    """Ends the run at the first loss that is not finite."""

    def on_step(self, step: int, logs: dict[str, float]) -> None:
        for name, value in logs.items():
            # A gradient's norm may overflow in float16: that step is skipped, and no harm is done.
            if not math.isfinite(value) and not name.endswith("gradient_norm"):
                raise TrainingDiverged(
                    f"{name} is {value} at step {step}. "
                    f"{self.session.checkpoints.describe_last_good()} If it happens again, "
                    "continue with --seed=OTHER --accept_changes, or train with lower learning "
                    "rates (gan.compile)."
                )


class Compiling(keras.callbacks.Callback):
    """Says on stderr that a step is compiled: each phase is, when it comes for the first time."""

    def __init__(self) -> None:
        super().__init__()
        self._phases: set[Hashable] = set()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        phase = self.model.phase()
        # Each `fit` begins with a step that is compiled.
        if batch and phase in self._phases:
            return
        self._phases.add(phase)
        print(
            f"Compiling training step {int(self.model.steps.numpy()) + 1} "
            "(usually 10 to 60 s; later steps of its kind are fast) ...",
            file=sys.stderr,
            flush=True,
        )


class SampleGrids(StepCallback):
    """Draws WORKDIR/samples/<step>.png from fixed latents, and notes how varied they are.

    Args:
        session: Of this process.
        real: uint8 [N, H, W, C], real images to compare the variety with; None for no comparison.
        copies: Compares samples with all training images; None for no comparison.
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
    """Scalars to history.jsonl and TensorBoard every `every` steps; starts their means afresh.

    Also where a part of the run ends. The speed is that of training: steps without what other
    callbacks do after them, and without those that compile.
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
    """TensorFlow's profiler over a few steps, for TensorBoard's Profile tab.

    Args:
        session: Of this process.
        count: Steps to profile; they begin after the tenth of this process.
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
    """Notes in the journal where a GAN that grows has come to another stage."""

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
    """One line on a terminal, rewritten; on a file or a pipe a line now and then."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.terminal = sys.stdout.isatty()
        self.pause = 0.5 if self.terminal else 15.0
        self._begun = 0.0
        self._counted = 0  # steps of this part since then
        self._shown = 0.0
        self._open = False  # whether the line is still to be ended

    def on_step(self, step: int, logs: dict[str, float]) -> None:
        now = time.perf_counter()
        part, steps = part_at(self.session.parts, step), self.session.run.steps
        if self.compiled:  # no measure of what is left
            self._begun, self._counted = now, 0
            return
        self._counted += 1
        if now - self._shown < self.pause and step != steps:
            return
        self._shown = now
        seconds = (now - self._begun) / self._counted
        names = (name for name in logs if not name.endswith("gradient_norm"))
        values = [f"{name} {logs[name]:.3f}" for name in names]
        left = f"{readable(seconds * (part.end - step))} left"
        if part.resolution is not None:
            values.insert(0, self.model.stage())
        if part.end < steps:  # the other parts take another time
            left += f" at {part.resolution} px"
        speed = f"{part.batch_size / seconds:.0f} images/s"
        line = "  ".join([f"step {step}/{steps}", *values, speed, left])
        self._open = self.terminal and step != steps
        print(f"\r{line}\x1b[K" if self.terminal else line, end="" if self._open else "\n")
        sys.stdout.flush()

    def close(self) -> None:
        """Ends the line."""
        if self._open:
            print()
