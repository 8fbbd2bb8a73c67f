"""Gradient accumulation: a step on parts of its batch, one after the other."""

import functools
import threading
from collections.abc import Callable
from typing import Any

import tensorflow as tf


class _Tracing(threading.local):
    """Where a step is while it is traced; MirroredStrategy traces each replica in its own thread.

    Attributes:
        part: Of the batch.
        parts: How many there are.
        held: Gradients of the parts before, by network.
    """

    def __init__(self) -> None:
        self.part = 0
        self.parts = 1
        self.held: dict[str, list[tf.Tensor]] = {}


tracing = _Tracing()


def in_parts(step: Callable) -> Callable:
    """Decorator of a family's `train_step`: gradient accumulation, as `GAN.compile` was told.

    The step runs on `accumulate` equal parts of its batch, one after the other, and
    `GAN.minimize` applies the mean of the parts' gradients at the last: the memory of a part, the
    update of the whole batch. What a network computes over its batch (batch norm) is computed over
    each part. Where a step makes several updates of one network, each update is a method of its
    own under this decorator.
    """

    @functools.wraps(step)
    def on_parts(gan: Any, batch: Any, *args: Any) -> Any:
        if gan.accumulate == 1:
            return step(gan, batch, *args)
        tensors = tf.nest.flatten(batch)
        if any(t.shape[0] is not None and t.shape[0] % gan.accumulate for t in tensors):
            raise ValueError(
                f"A replica's batch must be a multiple of accumulate={gan.accumulate}. "
                f"Received: {[t.shape[0] for t in tensors]}."
            )
        splits = [tf.split(t, gan.accumulate) for t in tensors]
        tracing.held, tracing.parts = {}, gan.accumulate
        try:
            for i in range(gan.accumulate):
                tracing.part = i
                part = tf.nest.pack_sequence_as(batch, [split[i] for split in splits])
                # Else TensorFlow would run the parts at once, in the memory of the whole. (One
                # operation to wait for: an edge from each gradient to all that follows is much.)
                with tf.control_dependencies([tf.group(tf.nest.flatten(tracing.held))]):
                    result = step(gan, part, *args)
        finally:
            tracing.part, tracing.parts = 0, 1
        return result

    return on_parts
