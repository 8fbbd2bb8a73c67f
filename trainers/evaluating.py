"""Metrics while a run trains, and which of its checkpoints is the best."""

import pathlib
from typing import Any

import tensorflow as tf

from trainers.callbacks import StepCallback
from trainers.journal import METRICS, Journal, read_lines
from trainers.metrics import evaluation
from trainers.metrics.evaluator import Evaluator
from trainers.signals import StopRequest

# What decides: lower is better.
DECIDES = "kid"
# Scores compare only where these are the same.
PROTOCOL = ("dataset", "split", "num_real", "num_fake", "network", "resize")


def best_of(workdir: pathlib.Path, steps: list[int]) -> dict[str, Any] | None:
    """{"step", "metric", "value"} of the best evaluation of a run at one of `steps`, or None.

    Only evaluations made like the last one count.
    """
    records = [r for r in read_lines(workdir / METRICS) if DECIDES in r.get("metrics", {})]
    alike = [r for r in records if all(r.get(key) == records[-1].get(key) for key in PROTOCOL)]
    at_steps = [r for r in alike if r["step"] in steps]
    if not at_steps:
        return None
    best = min(at_steps, key=lambda record: record["metrics"][DECIDES]["value"])
    return {"step": best["step"], "metric": DECIDES, "value": best["metrics"][DECIDES]["value"]}


class Evaluate(StepCallback):
    """Measures the averaged generator every `every` steps: metrics.jsonl and TensorBoard.

    Args:
        start, steps: Where this process begins and the run ends.
        every: In steps.
        evaluator: Has the real images.
        num_images: To generate.
        trained_on: {"name", "split"} of the data.
        stop: A run that is told to stop does not measure first.
        journal: Of the run.
        writer: TensorBoard's.
    """

    telling = True

    def __init__(
        self,
        start: int,
        steps: int,
        *,
        every: int,
        evaluator: Evaluator,
        num_images: int,
        trained_on: dict[str, Any],
        stop: StopRequest,
        journal: Journal,
        writer: tf.summary.SummaryWriter,
    ) -> None:
        super().__init__(start, steps)
        self.every = every
        self.evaluator = evaluator
        self.num_images = num_images
        self.trained_on = trained_on
        self.stop = stop
        self.journal = journal
        self.writer = writer

    def on_step(self, step: int, logs: dict[str, float]) -> None:
        if not self.is_due(step, self.every) or self.stop.signum is not None:
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
