"""Metrics during training, and which checkpoint of a run is the best."""

import pathlib
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainers import data
from trainers.callbacks import StepCallback
from trainers.journal import METRICS, comparable, read_lines
from trainers.metrics import comparison, translations
from trainers.metrics.comparison import Evaluator
from trainers.metrics.fakes import from_gan
from trainers.session import Session
from zoo import GAN

# Evaluates a model at a step and returns a record with "metrics".
Measure = Callable[[GAN, int], dict[str, Any]]
# Metrics that select the best checkpoint, lower is better; the first that a run has is used.
# The distance to the true counterpart is used only if training also had pairs.
DECIDE = ("perceptual", "kid")


def best_of(workdir: pathlib.Path, steps: list[int]) -> dict[str, Any] | None:
    """{"step", "metric", "value"} of the best evaluation of a run at one of `steps`, or None.

    Only evaluations made like the last one count.
    """
    records = [r for r in read_lines(workdir / METRICS) if r.get("metrics") and "step" in r]
    alike = comparable(records)
    for metric in DECIDE[1:] if records and "cycle_l1" in records[-1]["metrics"] else DECIDE:
        at_steps = [r for r in alike if r["step"] in steps and metric in r["metrics"]]
        if at_steps:
            best = min(at_steps, key=lambda record: record["metrics"][metric]["value"])
            value = best["metrics"][metric]["value"]
            return {"step": best["step"], "metric": metric, "value": value}
    return None


def measure_of(
    gan: GAN,
    dataset: str,
    *,
    num_images: int,
    trained_on: dict[str, Any],
    workdir: str | pathlib.Path,
    task: str | None = None,
    reverse: bool = False,
    data_dir: str | None = None,
) -> Measure:
    """Returns a function that evaluates models like `gan` on the test split of a data set.

    Args:
        gan: Determines the kind and size of the images.
        dataset: As `data.load_for` takes it.
        num_images: Maximum number of real and of generated images.
        trained_on: {"name", "split"} of the training images.
        workdir: The run's folder, for the record.
        task, reverse, data_dir: As in `data.load_for`.

    Raises:
        ValueError: No test split, a test split that the run is trained on, or images that are too
            few or too small.
    """
    held_out = data.load_for(
        gan, dataset, split="test", task=task, reverse=reverse, data_dir=data_dir
    )
    comparison.check_unseen(trained_on, held_out)
    if gan.takes != "images":
        translations.check(gan, held_out, num_images)
        return lambda model, step: translations.record(model, held_out, num_images=num_images)
    evaluator = Evaluator(held_out, num_images=num_images)

    def measure(model: GAN, step: int) -> dict[str, Any]:
        source = {"run": str(workdir), "steps": step}
        fakes = from_gan(model, num_images, seed=0, source=source, trained_on=trained_on)
        return evaluator.record(fakes)

    return measure


class Evaluate(StepCallback):
    """Evaluates the model every `evaluate_every` steps, for metrics.jsonl and TensorBoard.

    A run that is asked to stop skips the evaluation.

    Args:
        session: The session of this process.
        measure: Evaluates the model.
    """

    telling = True

    def __init__(self, session: Session, measure: Measure) -> None:
        super().__init__(session)
        self.measure = measure

    def on_step(self, step: int, logs: dict[str, float]) -> None:
        session = self.session
        if not self.is_due(step, session.run.evaluate_every) or session.stop.signum is not None:
            return
        record = self.measure(self.model, step)
        session.journal.write(METRICS, step, **record)
        with session.writer.as_default(step=step):
            for name, metric in record["metrics"].items():
                tf.summary.scalar(f"metrics/{name}", metric["value"])
