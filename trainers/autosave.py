"""When a run is saved: every N steps, every M minutes, at its end, and when it is told to stop."""

import signal
import sys
import time
from collections.abc import Callable

import numpy as np

import zoo
from trainers.callbacks import StepCallback, TrainingDiverged
from trainers.checkpoint import CheckpointError, Checkpoints
from trainers.journal import Journal
from trainers.signals import StopRequest
from zoo.core.commands import Stopped


class SaveCheckpoints(StepCallback):
    """Writes checkpoints and WORKDIR/preset; ends the run when a signal asks for it.

    Args:
        start, steps: Where this process begins and the run ends.
        every: Steps between checkpoints.
        and_every: Steps between evaluations, each with a checkpoint of its own; 0 for none.
        minutes: Minutes between checkpoints, if that is sooner.
        checkpoints: Where they go.
        preset: A second model of the same architecture, from which the writing thread saves
            WORKDIR/preset while training goes on; None on a worker that does not write.
        save_preset: Called with that model and the step.
        report: Called once a checkpoint stands.
        stop: The request to stop.
        journal: Told of failures and of the end.
        agree: Of several workers: whether any of them says True, once all have been asked.
        agree_every: Steps from question to question; 1 with one worker.
    """

    def __init__(
        self,
        start: int,
        steps: int,
        *,
        every: int,
        and_every: int = 0,
        minutes: float,
        checkpoints: Checkpoints,
        preset: zoo.GAN | None,
        save_preset: Callable[[zoo.GAN, int], None],
        report: Callable[[], object],
        stop: StopRequest,
        journal: Journal,
        agree: Callable[[bool], bool] = bool,
        agree_every: int = 1,
    ) -> None:
        super().__init__(start, steps)
        self.every = every
        self.and_every = and_every or every
        self.seconds = 60 * minutes
        self.checkpoints = checkpoints
        self.preset = preset
        self.save_preset = save_preset
        self.report = report
        self.stop = stop
        self.journal = journal
        self.agree = agree
        self.agree_every = agree_every
        self._saved_at = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.checkpoints.restore_metrics()

    def on_step(self, step: int, logs: dict[str, float]) -> None:
        stopping = overdue = False
        if step % self.agree_every == 0:
            stopping = self.agree(self.stop.signum is not None)
            overdue = self.agree(time.monotonic() - self._saved_at > self.seconds)
        due = self.is_due(step, self.every) or self.is_due(step, self.and_every)
        if not (stopping or overdue or due):
            return
        try:
            self.checkpoints.wait()
        except CheckpointError as error:  # of the one before, told by its thread
            print(f"\nwarning: {error}", file=sys.stderr)
            self.journal.event(step, "checkpoint_failed", str(error))
        self.save(step)
        if stopping or step == self.steps:
            self.checkpoints.wait()
            self.agree(False)  # nobody leaves before the chief has written
        if stopping and step < self.steps:
            raise Stopped(
                self.stop.signum or signal.SIGTERM,  # or another worker's
                f"Interrupted at step {step} of {self.steps}. The same command goes on from there.",
            )

    def save(self, step: int) -> None:
        """Starts to write both.

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
            # In this order: a run that ends in between does its last steps again, preset and all.
            self.preset.generator.set_weights(networks["ema_generator"])
            self.preset.ema_generator.set_weights(networks["ema_generator"])
            self.preset.discriminator.set_weights(networks["discriminator"])
            self.save_preset(self.preset, step)

        self.checkpoints.save(step, before=write_preset if self.preset else None, after=self.report)
