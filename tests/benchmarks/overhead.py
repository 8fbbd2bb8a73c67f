"""What checkpoints, presets, reports, sample grids and evaluations cost a recipe.

Trains the recipe's model by `fit` in this process and times a step; then each of the others once or
more, the writing thread included: by how much it slows the steps that it runs beside. The share is
that of all of them, as often as the recipe does each, in the time of the whole recipe. Needs
`python -m trainers.data prepare fashion_mnist`.

    python tests/benchmarks/overhead.py

The last line is JSON; "ratio" is the share, and 0.05 is the most it should be. "stop" is what a
checkpoint stops training for, and a step is the most it should be.
"""

import argparse
import json
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable

from zoo.core.commands import quiet_tensorflow

quiet_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

import zoo  # noqa: E402
from trainers import callbacks, data  # noqa: E402
from trainers.autosave import SaveCheckpoints  # noqa: E402
from trainers.best import Evaluate, measure_of  # noqa: E402
from trainers.checkpoint import Checkpoints  # noqa: E402
from trainers.journal import Journal  # noqa: E402
from trainers.parts import parts_of  # noqa: E402
from trainers.recipes import get_recipe  # noqa: E402
from trainers.report import write_report  # noqa: E402
from trainers.run import Run  # noqa: E402
from trainers.session import Session  # noqa: E402

WARM_UP = 3


class Clock(keras.callbacks.Callback):
    """Seconds of every step, and something to do before one of them."""

    def __init__(self, at: int = -1, do: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.at, self.do = at, do
        self.seconds: list[float] = []
        self._begun = 0.0

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self._begun = time.perf_counter()
        if batch == self.at:
            self.do()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.seconds.append(time.perf_counter() - self._begun)


def main() -> None:
    """Prints each cost, then the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="dcgan_fashion_mnist")
    parser.add_argument("--steps", type=int, default=40, help="steps of a turn")
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as workdir:
        measure(args, pathlib.Path(workdir))


def measure(args: argparse.Namespace, workdir: pathlib.Path) -> None:
    """The benchmark, in a folder that is deleted afterwards."""
    run = Run(workdir=str(workdir), **get_recipe(args.recipe))
    images = data.load(run.dataset, resolution=28, channels=1)
    gan = zoo.load(run.preset, load_weights=False)
    gan.compile()
    batches = data.batches(images, run.batch_size, seed=0)
    journal, checkpoints = Journal(workdir, 0), Checkpoints(workdir / "checkpoints", gan)
    writer = tf.summary.create_file_writer(str(workdir / "logs"))
    real = np.stack([image for image, _ in images.images.take(256).as_numpy_iterator()])
    session = Session(
        run=run,
        gan=gan,
        images=images,
        strategy=tf.distribute.get_strategy(),
        parts=parts_of(run.steps, run.batch_size),
        checkpoints=checkpoints,
        start=0,
        journal=journal,
        writer=writer,
    )
    grids = callbacks.SampleGrids(session, real)
    evaluate = Evaluate(
        session,
        measure_of(
            gan,
            run.dataset,
            num_images=run.evaluate_images,
            trained_on={"name": images.source, "split": images.split},
            workdir=workdir,
        ),
    )

    def save_preset(preset: zoo.GAN, step: int) -> None:
        preset.save_to_preset(workdir / "preset")

    saver = SaveCheckpoints(
        session,
        preset=zoo.load(run.preset, load_weights=False),
        save_preset=save_preset,
        report=lambda: write_report(workdir),
    )
    for callback in (grids, evaluate, saver):
        callback.set_model(gan)

    def fit(clock: Clock) -> list[float]:
        gan.fit(batches, steps_per_epoch=args.steps, verbose=0, shuffle=False, callbacks=[clock])
        return clock.seconds[WARM_UP:]

    def timed(action: Callable[[], None]) -> float:
        begun = time.perf_counter()
        action()
        return time.perf_counter() - begun

    fit(Clock())
    grids.draw(0)  # traced once a run
    names = ("step", "stop", "checkpoint", "grid", "evaluation")
    costs: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(args.turns):
        plain = fit(Clock())
        costs["step"] += plain
        saving = fit(
            Clock(
                at=WARM_UP,
                do=lambda turn=turn: costs["stop"].append(timed(lambda: saver.save(turn + 1))),
            )
        )
        rest = timed(checkpoints.wait)  # 0, or `fit` was too short for the writer
        costs["checkpoint"].append(sum(saving) - len(saving) * statistics.median(plain) + rest)
        costs["grid"].append(timed(lambda: grids.draw(1)))
        costs["evaluation"].append(timed(lambda: evaluate.on_step(run.evaluate_every, {})))
        print(
            f"turn {turn + 1}: "
            + ", ".join(f"{name} {values[-1]:.2f} s" for name, values in costs.items()),
            flush=True,
        )
    cost = {name: statistics.median(values) for name, values in costs.items()}
    times = {
        "checkpoint": run.steps // run.checkpoint_every + run.steps // run.evaluate_every,
        "grid": run.steps // run.sample_every + 1,
        "evaluation": run.steps // run.evaluate_every,
    }
    extra = sum(times[name] * max(0.0, cost[name]) for name in times)
    print(
        json.dumps(
            {
                "recipe": args.recipe,
                "seconds": {name: round(value, 3) for name, value in cost.items()},
                "times": times,
                "ratio": round(extra / (run.steps * cost["step"] + extra), 4),
            }
        )
    )


if __name__ == "__main__":
    main()
