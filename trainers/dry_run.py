"""Estimates the cost of a run from a few of its steps; writes nothing."""

import pathlib
import resource
import statistics
import time
from collections.abc import Hashable

import keras
import tensorflow as tf

from trainers import data
from trainers.checkpoint import state_of
from trainers.defaults import fill_in
from trainers.journal import readable
from trainers.loop import labels_of, prepare
from trainers.parts import Part
from trainers.run import Run
from zoo import GAN
from zoo.core.weights import trainable_parameters

STEPS = 5  # or as many as a full cycle of lazy regularizers takes


def dry_run(run: Run) -> None:
    """Prints parameters, memory, speed and total time, from a few steps on the real data.

    A growing GAN takes a few steps at each resolution, as its layers begin to fade in. A GAN with
    phases, such as SRGAN, takes a few in each phase.

    Raises:
        ValueError: The run or its data are invalid.
    """
    run.check()
    run, pictures = fill_in(run)
    gan, images, strategy, parts = prepare(run, pictures)
    print(f"{run.name} on {images.count} images of {run.dataset}: a few steps", flush=True)
    stretches = [
        (part, begin, end, _measure(gan, images, part, begin, run.seed))
        for part in parts
        for begin, end in _phases(gan, part)
    ]

    for network in (gan.generator, gan.discriminator):
        print(f"{network.name}: {trainable_parameters(network):,} parameters")
    state = sum(v.value.shape.num_elements() * v.value.dtype.size for v in state_of(gan).values())
    print(f"state (a checkpoint): {state / 1e6:,.0f} MB")
    print(f"memory: {_peak_bytes() / 1e9:.1f} GB at its peak")
    total = 0.0
    for part, begin, end, clock in stretches:
        seconds = clock.mean()
        total += (end - begin) * seconds
        at = "" if part.resolution is None else f" at {part.resolution} px"
        if begin != part.start:
            at += f" from step {begin:,}"
        print(
            f"speed{at}: {part.batch_size / seconds:,.0f} images/s on "
            f"{strategy.num_replicas_in_sync} replica(s), batch {part.batch_size}"
        )
    print(f"time: {run.steps:,} steps in {readable(total)}. Nothing was written.")


def _phases(gan: GAN, part: Part) -> list[tuple[int, int]]:
    """(first step, last step + 1) of each phase within a part of the run."""
    starts = [part.start, *(s for s in gan.phase_starts if part.start < s < part.end)]
    return list(zip(starts, [*starts[1:], part.end], strict=True))


def _measure(gan: GAN, images: data.ImageSet, part: Part, begin: int, seed: int) -> "_Clock":
    batches = images.batches(part.batch_size, seed=seed, **labels_of(gan))
    if part.resolution is not None:
        gan.begin_at(part.shown)
    else:
        gan.steps.assign(begin)
    clock = _Clock()
    steps = 1 + max(STEPS, gan.phases_repeat_after)
    gan.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[clock])
    return clock


class _Clock(keras.callbacks.Callback):
    """Records the seconds and the phase of every step."""

    def __init__(self) -> None:
        super().__init__()
        self._steps: list[tuple[Hashable, float]] = []
        self._begun = 0.0

    def mean(self) -> float:
        """Mean seconds per step, without the first step and the compilation of each phase."""
        kept = {}
        for i, (phase, seconds) in enumerate(self._steps):
            if any(phase == before for before, _ in self._steps[:i]):
                kept.setdefault(phase, []).append(seconds)
        return statistics.mean(
            statistics.mean(kept.get(phase, [seconds])) for phase, seconds in self._steps[1:]
        )

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self._begun = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        for value in (logs or {}).values():
            float(tf.reduce_mean(value))  # waits for the device
        seconds = time.perf_counter() - self._begun
        self._steps.append((self.model.current_phase, seconds))


def _peak_bytes() -> int:
    """Peak memory of all GPUs or, without a GPU, of this process."""
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        return sum(tf.config.experimental.get_memory_info(gpu.name)["peak"] for gpu in gpus)
    status = pathlib.Path("/proc/self/status")
    if status.exists():  # `getrusage` counts what the process had that started this one
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
