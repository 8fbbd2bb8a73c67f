"""When a run is saved: every N steps, every M minutes, at the end, and on a stop signal."""

import functools
import signal
import sys
import time
from collections.abc import Callable

import numpy as np

import zoo
from trainers.callbacks import StepCallback, TrainingDiverged
from trainers.checkpoint import CheckpointError
from trainers.session import Session
from trainers.strategy import agree
from zoo.core.commands import Stopped, tell

# With several workers: steps between agreements on whether to stop or save.
AGREE_EVERY = 10


class SaveCheckpoints(StepCallback):
    """Writes checkpoints and WORKDIR/preset; ends the run when a signal asks for it.

    Args:
        session: The session of this process.
        preset: A second model of the same architecture. The writing thread saves WORKDIR/preset
            from it while training continues. None on a worker that does not write.
        save_preset: Called with that model and the step.
        report: Called after each complete checkpoint.
    """

    def __init__(
        self,
        session: Session,
        *,
        preset: zoo.GAN | None,
        save_preset: Callable[[zoo.GAN, int], None],
        report: Callable[[], object],
    ) -> None:
        super().__init__(session)
        self.checkpoints = session.checkpoints
        self.preset = preset
        self.save_preset = save_preset
        self.report = report
        # With several workers, all of them must agree before the run stops or saves.
        self.agree = functools.partial(agree, session.strategy)
        self.agree_every = 1 if session.alone else AGREE_EVERY
        self._saved_at = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.checkpoints.restore_metrics()

    def on_step(self, step: int, logs: dict[str, float]) -> None:
        run, stop = self.session.run, self.session.stop
        stopping = overdue = False
        if step % self.agree_every == 0:
            stopping = self.agree(stop.signum is not None)
            overdue = self.agree(time.monotonic() - self._saved_at > 60 * run.checkpoint_minutes)
        # Each evaluation has a checkpoint of its own.
        every = (run.checkpoint_every, run.evaluate_every or run.checkpoint_every)
        due = any(self.is_due(step, steps) for steps in every)
        if not (stopping or overdue or due):
            return
        try:
            self.checkpoints.wait()
        except CheckpointError as error:  # from the previous save, raised in its thread
            tell(f"\nwarning: {error}", file=sys.stderr)
            self.session.journal.event(step, "checkpoint_failed", str(error))
        if step == run.steps and self.preset:
            tell("Saving checkpoint, preset and report ...")
        self.save(step)
        if stopping or step == run.steps:
            self.checkpoints.wait()
            self.agree(False)  # nobody leaves before the chief has written
        if stopping and step < run.steps:
            raise Stopped(
                stop.signum or signal.SIGTERM,  # or another worker's
                f"Interrupted at step {step} of {run.steps}. The same command resumes from there.",
            )

    def save(self, step: int) -> None:
        """Starts writing the checkpoint and the preset.

        Raises:
            TrainingDiverged: A weight is not finite; nothing is written.
        """
        self._saved_at = time.monotonic()
        networks = {
            "generator": self.model.generator.get_weights(),
            "discriminator": self.model.discriminator.get_weights(),
        }
        for name, weights in networks.items():
            if not all(np.isfinite(weight).all() for weight in weights):
                raise TrainingDiverged(
                    f"The {name} has weights that are not finite at step {step}. "
                    f"{self.checkpoints.describe_last_good()}"
                )
        networks["ema_generator"] = self.model.ema_generator.get_weights()

        def write_preset() -> None:
            # Preset first: a run that is killed in between repeats its last steps and writes both.
            self.preset.generator.set_weights(networks["ema_generator"])
            self.preset.ema_generator.set_weights(networks["ema_generator"])
            self.preset.discriminator.set_weights(networks["discriminator"])
            # Trained: so its statistics are settled, and its discriminator is saved.
            self.preset.steps.assign(step)
            self.save_preset(self.preset, step)

        self.checkpoints.save(step, before=write_preset if self.preset else None, after=self.report)
