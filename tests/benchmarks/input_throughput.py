"""Training from TFDS's files against training on one batch that is already in memory.

Both train the 28x28 DCGAN by `fit` in this process and take turns; a throughput is the batch over
the median time of all steps of all turns. Needs `python -m trainers.data prepare fashion_mnist`.

    python tests/benchmarks/input_throughput.py

The last line is JSON; "ratio" is files over memory, and 0.95 is the least it should be.
"""

import argparse
import json
import statistics
import time

from zoo.core.commands import quiet_tensorflow

quiet_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

import zoo  # noqa: E402
from trainers import data  # noqa: E402

WARM_UP = 2


class Clock(keras.callbacks.Callback):
    """Seconds between the ends of steps, after the first few: waiting for data included."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._before = 0.0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        now = time.perf_counter()
        if batch >= WARM_UP:
            self.seconds.append(now - self._before)
        self._before = now


def main() -> None:
    """Prints every turn, then the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=12, help="timed steps of a turn")
    parser.add_argument("--turns", type=int, default=5, help="turns of each")
    parser.add_argument("--batch_size", type=int, default=64)
    args = parser.parse_args()

    images = data.load("fashion_mnist", resolution=28, channels=1)
    files = data.batches(images, args.batch_size, seed=0)
    memory = tf.data.Dataset.from_tensors(next(iter(files))).repeat()
    gan = zoo.load("dcgan_fashion_mnist", load_weights=False)
    gan.compile()
    seconds: dict[str, list[float]] = {"files": [], "memory": []}
    for turn in range(args.turns):
        for name, dataset in (("files", files), ("memory", memory)):
            clock = Clock()
            gan.fit(
                dataset,
                steps_per_epoch=WARM_UP + args.steps,
                verbose=0,
                shuffle=False,
                callbacks=[clock],
            )
            seconds[name] += clock.seconds
            speed = args.batch_size / statistics.median(clock.seconds)
            print(f"turn {turn + 1}, {name}: {speed:.0f} images/s", flush=True)
    speed = {name: args.batch_size / statistics.median(times) for name, times in seconds.items()}
    print(
        json.dumps(
            {
                "batch_size": args.batch_size,
                "images_per_s": {name: round(value, 1) for name, value in speed.items()},
                "ratio": round(speed["files"] / speed["memory"], 3),
            }
        )
    )


if __name__ == "__main__":
    main()
