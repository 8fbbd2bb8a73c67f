"""What a run is: its settings, and which of them are refused. TensorFlow is not imported."""

import dataclasses
from collections.abc import Mapping

JIT = {"auto": None, "on": True, "off": False}
MIXED = ("float16", "bfloat16")
# Seconds that several workers wait for each other at the start.
WORKER_TIMEOUT_S = 300.0


@dataclasses.dataclass(frozen=True)
class Run:
    """Everything that a run is a function of, and where it goes.

    Attributes:
        preset: Name of the architecture; trained from fresh weights.
        dataset: What `trainers.data.load_training` reads of the kind that the model takes.
        workdir: Checkpoints, preset, samples, report and logs; a run is resumed from it.
        steps: Generator updates in all, earlier ones counted in.
        batch_size: Of all replicas together.
        batch_sizes: Likewise for resolutions of a GAN that grows: {4: 128, 8: 64}.
        seed: Of initial weights, data order and every draw.
        accumulate: Parts into which a replica's batch is cut, for batches larger than its memory.
        mixed_precision: "float16", "bfloat16", or None for float32 throughout.
        deterministic: TensorFlow's deterministic kernels: the same bits in every process.
        jit_compile: XLA: "on", "off", or "auto": with one GPU.
        strategy: One of `trainers.strategy.STRATEGIES`.
        worker_timeout: Seconds that several workers wait for each other at the start.
        task: Makes the pairs of an image-to-image GAN from the images of `dataset`: one of
            `trainers.data.tasks.TASKS`.
        reverse: Whether pairs are swapped: what is the target in `dataset` is the source.
        jitter: Whether an image-to-image GAN's images are enlarged and cropped at random, which
            softens small ones, or mirrored alone.
        recipe: The recipe that this came from, for the record.
        data_dir: Where TFDS keeps its sets; its own place by default.
        checkpoint_every, sample_every, log_every: In steps.
        checkpoint_minutes: A checkpoint at least this often.
        keep: Newest checkpoints to keep, beside the best.
        evaluate_every: Metrics against the test split, in steps; 0 for none. The generator that
            scores best is kept in WORKDIR/best, and its checkpoint as well.
        evaluate_images: How many of either side.
        evaluate_dataset: Whose test split, if not that of `dataset`.
    """

    preset: str
    dataset: str
    workdir: str
    steps: int
    batch_size: int = 128
    batch_sizes: Mapping[int, int] | None = None
    seed: int = 0
    accumulate: int = 1
    mixed_precision: str | None = None
    deterministic: bool = False
    jit_compile: str = "auto"
    strategy: str = "auto"
    task: str | None = None
    reverse: bool = False
    jitter: bool = True
    recipe: str | None = None
    worker_timeout: float = WORKER_TIMEOUT_S
    data_dir: str | None = None
    checkpoint_every: int = 1000
    checkpoint_minutes: float = 15.0
    keep: int = 3
    sample_every: int = 500
    log_every: int = 50
    evaluate_every: int = 0
    evaluate_images: int = 5000
    evaluate_dataset: str | None = None

    def check(self) -> None:
        """Raises ValueError for a value out of range."""
        for name in (
            "evaluate_images",
            "steps",
            "batch_size",
            "accumulate",
            "checkpoint_every",
            "keep",
            "sample_every",
            "log_every",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1. Received: {getattr(self, name)}.")
        if any(size < 1 for size in (self.batch_sizes or {}).values()):
            raise ValueError(f"batch_sizes must be at least 1. Received: {self.batch_sizes}.")
        if self.evaluate_every < 0:
            raise ValueError(f"evaluate_every must be 0 or more. Received: {self.evaluate_every}.")
        if not self.checkpoint_minutes > 0:
            raise ValueError(
                f"checkpoint_minutes must be more than 0. Received: {self.checkpoint_minutes}."
            )
        if self.jit_compile not in JIT:
            raise ValueError(
                f"jit_compile must be one of {', '.join(JIT)}. Received: {self.jit_compile!r}."
            )
        if self.mixed_precision not in (None, *MIXED):
            raise ValueError(
                f"mixed_precision must be one of {', '.join(MIXED)}. "
                f"Received: {self.mixed_precision!r}."
            )
