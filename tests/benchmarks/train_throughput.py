"""Training throughput compared with PyTorch: python tests/benchmarks/train_throughput.py

Trains each family with `fit` and, in a process of its own on the same cores, the same networks,
step, optimizers and batch in PyTorch (pip install -e '.[bench]'; the CPU build suffices; `twins/`
has them). The twin is checked first: from copied weights, outputs and gradients agree within the
twin's tolerance. The two take turns, in both of PyTorch's memory formats: in float32, and in
bfloat16 on both sides (the policy "mixed_bfloat16", torch.autocast) where the CPU computes it.

A throughput is the batch over the median time of a step over all turns, so that a neighbour that
takes the machine for some of them does not move it; where steps differ (regularizers that run every
few steps), over the mean of the medians of each step of their cycle.

The multiply-adds of a step are those of the twin's convolutions and matrix products, forward and
backward, counted by torch.utils.flop_counter over one cycle of steps: what the networks ask for,
whatever either side computes instead. Elementwise operations are not counted. They are compared
with a plain product of two 3,072 x 3,072 matrices of the same type, timed at each turn on both
sides; the limit is the faster side's.

Each family and type ends in a line of JSON: the throughputs, `ratio`, ours over PyTorch's faster
format, and `share_of_product`, the multiply-adds per second as a share of the plain product's.
"""

import argparse
import contextlib
import importlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

FAMILIES = ("dcgan", "stylegan2", "cyclegan")
FORMATS = ("contiguous", "channels_last")
SIDE = 3072  # of the matrices of the plain product


def batches(twin: Any, count: int, size: int) -> Any:
    """Real images, padded to the twin's size: f32 [count, size, H, W, C] in [-1, 1].

    Of a twin that has its own, as many of each domain.
    """
    if hasattr(twin, "batches"):
        return twin.batches(count, size)
    from trainers.data import bundled

    images = bundled.read_arrays("fashion_mnist", "train")["images"][: count * size]
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


def types() -> tuple[str, ...]:
    """float32, and bfloat16 where the CPU has instructions for it; says so where it does not."""
    flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    if {"avx512_bf16", "amx_bf16"} & set(flags):
        return ("float32", "bfloat16")
    print("bfloat16 is skipped: this CPU has neither avx512_bf16 nor amx_bf16.", flush=True)
    return ("float32",)


# ---- the processes that are timed


def keras_worker(twin: Any, steps: int, size: int, dtype: str) -> None:
    """Answers with the seconds of `steps` steps of `fit`, or of the plain product."""
    import keras
    import tensorflow as tf

    if dtype == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
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

    matrix = tf.cast(tf.random.normal([SIDE, SIDE]), dtype)
    answer(measure, lambda: tf.matmul(matrix, matrix).numpy())


def torch_worker(
    twin: Any, steps: int, size: int, dtype: str, layout: str, reference_path: str
) -> None:
    """Checks the twin and counts its multiply-adds, then as `keras_worker`."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    difference = twin.check(np.load(reference_path), first_batch(twin))
    memory = getattr(torch, f"{layout}_format" if layout == "contiguous" else layout)

    def to_torch(images: np.ndarray) -> Any:
        tensor = torch.tensor(images.transpose(0, 3, 1, 2).copy())
        return tensor.contiguous(memory_format=memory)

    given = batches(twin, 8, size)
    if isinstance(given, tuple):
        data = [tuple(map(to_torch, batch)) for batch in zip(*given, strict=True)]
    else:
        data = list(map(to_torch, given))

    counted = twin.Twin(layout, size)
    with FlopCounterMode(display=False) as counter:
        for i in range(twin.CYCLE):
            counted.step(data[i % 8])
    multiply_adds = counter.get_total_flops() / 2 / twin.CYCLE
    print(json.dumps({"difference": difference, "multiply_adds": multiply_adds}), flush=True)

    game = twin.Twin(layout, size)
    first = warm_up(twin)
    automatic = (
        torch.autocast("cpu", torch.bfloat16) if dtype == "bfloat16" else contextlib.nullcontext()
    )

    def measure() -> list[float]:
        times = []
        for i in range(first + steps):
            with automatic:
                game.step(data[i % 8])
            times.append(time.perf_counter())
        return np.diff(times[first - 1 :]).tolist()

    matrix = torch.randn(SIDE, SIDE).to(getattr(torch, dtype))
    answer(measure, lambda: matrix @ matrix)


def seconds_of(product: Callable[[], Any]) -> float:
    """The median of three, after one."""
    times = []
    for _ in range(4):
        begun = time.perf_counter()
        product()
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


def answer(measure: Callable[[], list[float]], product: Callable[[], Any]) -> None:
    """One measurement for each line on stdin: "steps" or "product"."""
    for line in sys.stdin:
        print(json.dumps(measure() if line == "steps\n" else seconds_of(product)), flush=True)


# ---- the process that asks them


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

    def line(self) -> Any:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("error: a worker ended; its message stands above")
        return json.loads(line)

    def ask(self, what: str) -> Any:
        """Seconds of each step of one turn, or of one plain product."""
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return self.line()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def seconds_a_step(turns: list[list[float]], cycle: int) -> float:
    """The mean over the cycle of the median time of each of its steps."""
    by_step: list[list[float]] = [[] for _ in range(cycle)]
    for turn in turns:
        for i, seconds in enumerate(turn):
            by_step[i % cycle].append(seconds)
    return statistics.fmean(map(statistics.median, by_step))


def compare(family: str, dtype: str, steps: int | None, turns: int, size: int | None) -> dict:
    """What the JSON of one family and type says."""
    twin = importlib.import_module(f"twins.{family}")
    size = size or twin.BATCH
    steps = steps or max(8, twin.CYCLE)
    if steps % twin.CYCLE:
        raise SystemExit(
            f"error: --steps must be a multiple of {twin.CYCLE}, the cycle of {family}. "
            f"Received: {steps}."
        )
    print(f"{family} in {dtype}", flush=True)
    shared = [f"--family={family}", f"--steps={steps}", f"--batch_size={size}", "--worker"]
    with tempfile.TemporaryDirectory() as scratch:
        reference = str(pathlib.Path(scratch) / "reference.npz")
        Worker(*shared, "reference", reference).process.wait()
        workers = {"keras": Worker(*shared, "keras", dtype)}
        for layout in FORMATS:
            workers[layout] = Worker(*shared, "torch", dtype, layout, reference)
            found = workers[layout].line()
            print(f"{layout}: outputs and gradients within {found['difference']:.1e} of ours")
            if found["difference"] > twin.TOLERANCE:
                raise SystemExit(
                    f"error: the twin must agree within {twin.TOLERANCE}. "
                    f"Received: {found['difference']:.1e}."
                )
        times = {name: [] for name in workers}
        products = {name: [] for name in workers}
        for turn in range(turns):
            speeds = []
            for name, worker in workers.items():
                times[name].append(worker.ask("steps"))
                products[name].append(worker.ask("product"))
                seconds = seconds_a_step(times[name][-1:], twin.CYCLE)
                speeds.append(f"{name} {size / seconds:.0f}")
            print(f"turn {turn + 1}: {', '.join(speeds)} images/s", flush=True)
        for worker in workers.values():
            worker.close()
    seconds = {name: seconds_a_step(of_turns, twin.CYCLE) for name, of_turns in times.items()}
    product = SIDE**3 / min(map(statistics.median, products.values()))
    best = min(FORMATS, key=seconds.get)
    rates = {name: found["multiply_adds"] / seconds[name] for name in ("keras", best)}
    return {
        "family": family,
        "dtype": dtype,
        "batch_size": size,
        "images_per_s": {name: round(size / value, 1) for name, value in seconds.items()},
        "pytorch_faster_format": best,
        "ratio": round(seconds[best] / seconds["keras"], 3),
        "multiply_adds_per_step": round(found["multiply_adds"]),
        "giga_multiply_adds_per_s": {
            **{name: round(rate / 1e9, 1) for name, rate in rates.items()},
            "plain_product": round(product / 1e9, 1),
        },
        "share_of_product": {name: round(rate / product, 3) for name, rate in rates.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--family", choices=FAMILIES, help="one alone; by default all three")
    parser.add_argument("--steps", type=int, help="timed steps of a turn; whole cycles")
    parser.add_argument("--turns", type=int, default=5, help="turns of each")
    parser.add_argument("--batch_size", type=int, help="the recipe's by default")
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        twin = importlib.import_module(f"twins.{args.family}")
        kind, *rest = args.worker
        if kind == "reference":
            np.savez(*rest, **twin.reference(twin.build(), first_batch(twin)))
        elif kind == "keras":
            keras_worker(twin, args.steps, args.batch_size, *rest)
        else:
            torch_worker(twin, args.steps, args.batch_size, *rest)
        return
    for dtype in types():
        for family in [args.family] if args.family else FAMILIES:
            found = compare(family, dtype, args.steps, args.turns, args.batch_size)
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
