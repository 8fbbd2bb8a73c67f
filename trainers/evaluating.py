"""Metrics while a run trains, and which of its checkpoints is the best."""

from typing import Any

import tensorflow as tf

from trainers import data
from trainers.callbacks import StepCallback
from trainers.checkpoint import Checkpoints
from trainers.journal import METRICS, Journal, read_lines
from trainers.metrics import evaluation
from trainers.metrics.evaluator import Evaluator

# What decides: lower is better.
DECIDES = "kid"


class Evaluate(StepCallback):
    """Measures the averaged generator every `every` steps: metrics.jsonl, TensorBoard, best.json.

    Args:
        start, steps: Where this process begins and the run ends.
        every: In steps.
        real: Images that the model is not trained on.
        num_images: Of either side.
        trained_on: {"name", "split"} of the data.
        checkpoints: Of the run; the best one is kept.
        journal: Of the run.
        writer: TensorBoard's.
    """

    def __init__(
        self,
        start: int,
        steps: int,
        *,
        every: int,
        real: data.ImageSet,
        num_images: int,
        trained_on: dict[str, Any],
        checkpoints: Checkpoints,
        journal: Journal,
        writer: tf.summary.SummaryWriter,
    ) -> None:
        super().__init__(start, steps)
        evaluation.check_unseen(trained_on, real)
        self.every = every
        self.evaluator = Evaluator(real, num_images=num_images)
        self.num_images = num_images
        self.trained_on = trained_on
        self.checkpoints = checkpoints
        self.journal = journal
        self.writer = writer
        self._note_best()

    def on_step(self, step: int, logs: dict[str, float]) -> None:
        if not self.is_due(step, self.every):
            return
        fakes = evaluation.from_gan(
            self.model,
            self.num_images,
            seed=0,
            source={"run": str(self.journal.workdir), "steps": step},
            trained_on=self.trained_on,
        )
        record = self.evaluator.record(fakes)
        self.journal.write(METRICS, step, **record)
        with self.writer.as_default(step=step):
            for name, metric in record["metrics"].items():
                tf.summary.scalar(f"metrics/{name}", metric["value"])
        self._note_best()

    def is_best(self, step: int) -> bool:
        """Whether no other evaluated step of this run scored better."""
        best = self.checkpoints.best()
        return best is not None and best["step"] == step

    def _note_best(self) -> None:
        """From the journal, which a resume has rid of steps that are taken again."""
        records = read_lines(self.journal.workdir / METRICS)
        if records:
            best = min(records, key=lambda record: record["metrics"][DECIDES]["value"])
            self.checkpoints.note_best(best["step"], DECIDES, best["metrics"][DECIDES]["value"])
