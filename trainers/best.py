"""Metrics while a run trains, and which of its checkpoints is the best."""

import pathlib
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainers import data
from trainers.callbacks import StepCallback
from trainers.journal import METRICS, read_lines
from trainers.metrics import comparison, translations
from trainers.metrics.comparison import Evaluator
from trainers.metrics.fakes import from_gan
from trainers.session import Session
from zoo import GAN

# Measures a model at a step: returns a record with "metrics".
Measure = Callable[[GAN, int], dict[str, Any]]
# What decides, the first that a run has: lower is better. How near an image comes to its true
# counterpart decides only where the training had pairs, too.
DECIDE = ("perceptual", "kid")
# Scores compare only where these are the same.
PROTOCOL = ("dataset", "split", "num_real", "num_fake", "network", "resize")


def best_of(workdir: pathlib.Path, steps: list[int]) -> dict[str, Any] | None:
    """{"step", "metric", "value"} of the best evaluation of a run at one of `steps`, or None.

    Only evaluations made like the last one count.
    """
    records = [r for r in read_lines(workdir / METRICS) if r.get("metrics") and "step" in r]
    alike = [r for r in records if all(r.get(key) == records[-1].get(key) for key in PROTOCOL)]
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
    """What measures models like `gan` on the test split of a set.

    Args:
        gan: Says of which kind and size the images are.
        dataset: As `data.load_for` takes it.
        num_images: Most images on either side.
        trained_on: {"name", "split"} of the training images.
        workdir: Of the run, for the record.
        task, reverse, data_dir: As in `data.load_for`.

    Raises:
        ValueError: No test split, one that the run is trained on, or too few or small images.
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
    """Measures the model every `evaluate_every` steps: metrics.jsonl and TensorBoard.

    A run that is asked to stop does not measure first.

    Args:
        session: Of this process.
        measure: Measures it.
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
