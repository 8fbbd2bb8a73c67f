"""Training throughput beside PyTorch: python tests/benchmarks/train_throughput.py --family=dcgan

Trains a family with `fit` and, in its own process on the same cores, the same networks, step,
optimizers and batch in PyTorch (pip install -e '.[bench]'; the CPU build suffices; `twins/` has
them). The twin is held to be the same first: from copied weights, outputs and gradients agree
within the twin's tolerance. The two take turns, in both of PyTorch's memory formats.
A throughput is the batch over the median time of a step over all turns,
so that a neighbour that takes the machine for some of them does not move it; where steps differ
(regularizers that run every few steps), over
the mean of the medians of each step of their cycle. The last line is JSON with the throughputs and
`ratio`, ours over PyTorch's faster format.
"""

import argparse
import importlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

FAMILIES = ("dcgan", "stylegan2", "cyclegan")
FORMATS = ("contiguous", "channels_last")


def batches(twin: Any, count: int, size: int) -> Any:
    """Real images, padded to the twin's size: f32 [count, size, H, W, C] in [-1, 1].

    Of a twin that has its own, as many of each domain.
    """
    if hasattr(twin, "batches"):
        return twin.batches(count, size)
    from trainers.data import bundled

    images = bundled.read("fashion_mnist", "train")[0][: count * size]
    images = images.astype(np.float32).reshape(-1, 28, 28, 1) / 127.5 - 1.0
    edge = (twin.SIZE - 28) // 2
    images = np.pad(images, ((0, 0), (edge, edge), (edge, edge), (0, 0)), constant_values=-1.0)
    return images.reshape(count, size, *images.shape[1:])


def first_batch(twin: Any) -> Any:
    """What the two are compared on: 16 images, or 2 of each domain."""
    real = batches(twin, 1, 2 if hasattr(twin, "batches") else 16)
    return tuple(domain[0] for domain in real) if isinstance(real, tuple) else real[0]


def warm_up(twin: Any) -> int:
    """Steps before the clock runs: at least three, and whole cycles."""
    return -(-3 // twin.CYCLE) * twin.CYCLE


def keras_worker(twin: Any, steps: int, size: int) -> None:
    """For each line on stdin: `steps` steps of `fit`; prints the seconds of each."""
    import keras
    import tensorflow as tf

    gan = twin.build()
    data = tf.data.Dataset.from_tensor_slices(batches(twin, 8, size)).repeat().prefetch(2)

    class Clock(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.times = []

        def on_train_batch_end(self, batch, logs=None):
            self.times.append(time.perf_counter())

    clock = Clock()
    first = warm_up(twin)

    def measure() -> list[float]:
        gan.fit(data, steps_per_epoch=first + steps, verbose=0, shuffle=False, callbacks=[clock])
        return np.diff(clock.times[first - 1 :]).tolist()

    answer(measure)


def torch_worker(twin: Any, steps: int, size: int, layout: str, reference_path: str) -> None:
    """Checks the twin, then as `keras_worker`."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    difference = twin.check(np.load(reference_path), first_batch(twin))
    print(f"twin {difference:.2e}", flush=True)
    game = twin.Twin(layout, size)
    memory = getattr(torch, f"{layout}_format" if layout == "contiguous" else layout)

    def to_torch(images: np.ndarray) -> Any:
        tensor = torch.tensor(images.transpose(0, 3, 1, 2).copy())
        return tensor.contiguous(memory_format=memory)

    given = batches(twin, 8, size)
    if isinstance(given, tuple):
        data = [tuple(map(to_torch, batch)) for batch in zip(*given, strict=True)]
    else:
        data = list(map(to_torch, given))
    first = warm_up(twin)

    def measure() -> list[float]:
        times = []
        for i in range(first + steps):
            game.step(data[i % 8])
            times.append(time.perf_counter())
        return np.diff(times[first - 1 :]).tolist()

    answer(measure)


def seconds_a_step(turns: list[list[float]], cycle: int) -> float:
    """The mean over the cycle of the median time of each of its steps."""
    by_step: list[list[float]] = [[] for _ in range(cycle)]
    for turn in turns:
        for i, seconds in enumerate(turn):
            by_step[i % cycle].append(seconds)
    return statistics.fmean(map(statistics.median, by_step))


def answer(measure) -> None:
    """One measurement for each line on stdin."""
    for _ in sys.stdin:
        print(json.dumps(measure()), flush=True)


class Worker:
    """This script in a process of its own, asleep until it is asked."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        )

    def line(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("error: a worker ended; its message stands above")
        return line

    def measure(self) -> list[float]:
        """Seconds of each step of one turn."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.line())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=FAMILIES, default="dcgan")
    parser.add_argument("--steps", type=int, help="timed steps of a turn; whole cycles")
    parser.add_argument("--turns", type=int, default=5, help="turns of each")
    parser.add_argument("--batch_size", type=int, help="the recipe's by default")
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    twin = importlib.import_module(f"twins.{args.family}")
    size = args.batch_size or twin.BATCH
    steps = args.steps or max(8, twin.CYCLE)
    if steps % twin.CYCLE:
        parser.error(f"--steps must be a multiple of {twin.CYCLE}. Received: {steps}.")
    if args.worker:
        kind, *rest = args.worker
        if kind == "reference":
            np.savez(*rest, **twin.reference(twin.build(), first_batch(twin)))
        elif kind == "keras":
            keras_worker(twin, steps, size)
        else:
            torch_worker(twin, steps, size, *rest)
        return

    sizes = [f"--family={args.family}", f"--steps={steps}", f"--batch_size={size}"]
    with tempfile.TemporaryDirectory() as scratch:
        reference = str(pathlib.Path(scratch) / "reference.npz")
        Worker(*sizes, "--worker", "reference", reference).process.wait()
        workers = {"keras": Worker(*sizes, "--worker", "keras")}
        for layout in FORMATS:
            workers[layout] = Worker(*sizes, "--worker", "torch", layout, reference)
            difference = float(workers[layout].line().split()[1])
            print(f"{layout}: outputs and gradients within {difference:.1e} of ours", flush=True)
            if difference > twin.TOLERANCE:
                raise SystemExit(
                    f"error: the twin must agree within {twin.TOLERANCE}; it is another game"
                )
        turns = {name: [] for name in workers}
        for turn in range(args.turns):
            speeds = []
            for name, worker in workers.items():
                times = worker.measure()
                turns[name].append(times)
                speeds.append(f"{name} {size / seconds_a_step([times], twin.CYCLE):.0f}")
            print(f"turn {turn + 1}: {', '.join(speeds)} images/s", flush=True)
        for worker in workers.values():
            worker.close()
    speed = {name: size / seconds_a_step(times, twin.CYCLE) for name, times in turns.items()}
    best = max(FORMATS, key=speed.get)
    print(
        json.dumps(
            {
                "family": args.family,
                "batch_size": size,
                "images_per_s": {name: round(value, 1) for name, value in speed.items()},
                "pytorch_faster_format": best,
                "ratio": round(speed["keras"] / speed[best], 3),
            }
        )
    )


if __name__ == "__main__":
    main()
