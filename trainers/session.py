"""The objects that one process uses while it trains a run."""

import dataclasses
import pathlib

import tensorflow as tf

from trainers import data
from trainers.checkpoint import Checkpoints
from trainers.journal import Journal
from trainers.parts import Part
from trainers.run import Run
from trainers.signals import StopRequest
from trainers.strategy import is_chief, worker
from zoo import GAN


@dataclasses.dataclass
class Session:
    """One process's part in a run. Every worker has one; only the chief writes.

    Attributes:
        run: The run.
        gan: The compiled model.
        images: The training data.
        strategy: The distribution strategy.
        parts: The parts of the run.
        checkpoints: The checkpoints of the run.
        start: Step at which this process starts.
        journal: The journal of the run.
        writer: TensorBoard's summary writer.
        stop: Whether a signal has requested a stop.
    """

    run: Run
    gan: GAN
    images: data.ImageSet
    strategy: tf.distribute.Strategy
    parts: list[Part]
    checkpoints: Checkpoints
    start: int
    journal: Journal
    writer: tf.summary.SummaryWriter
    stop: StopRequest = dataclasses.field(default_factory=StopRequest)

    @property
    def workdir(self) -> pathlib.Path:
        return pathlib.Path(self.run.workdir)

    @property
    def chief(self) -> bool:
        """Whether this process is the one that writes."""
        return is_chief(self.strategy)

    @property
    def alone(self) -> bool:
        """Whether there is no other worker."""
        return worker(self.strategy)[1] == 1
