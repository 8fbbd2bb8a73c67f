"""Where a training step is while it is traced: its parts, its turns, and the gradients they hold.

A batch may be cut in parts, to save memory (`GAN.compile(accumulate=...)`): `train_step` then runs
on one part after the other, and an optimizer is applied once, at the last, to the mean of the
parts' gradients.

An update that builds on an earlier one of the same step (G's after D's) is a *turn* of its own. Its
gradient is taken once the earlier update has been applied, for every part of the batch:

    without turns   part 1: D, G   part 2: D, G   apply D, apply G
    with turns      part 1: D      part 2: D     apply D     part 1: G     part 2: G     apply G
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

Results = dict[str, tf.Tensor]


class _Current(threading.local):
    """The step that is being traced; MirroredStrategy traces each replica in its own thread.

    Attributes:
        running: Whether there is one.
        part: Of the batch, from 0.
        parts: How many there are.
        turn: Of the step, from 1; 0 outside turns.
        begun: Turns that this part has begun.
        turns: For each turn, what is to run: (part, function, arguments).
        applied: Calls of `optimizer.apply` in this part and turn, by optimizer.
        held: Gradients of the parts before.
        due: Updates that are applied once all gradients of the turn have been taken.
    """

    def __init__(self) -> None:
        self.begin(running=False)

    def begin(self, *, running: bool, parts: int = 1) -> None:
        self.running = running
        self.part, self.parts, self.turn, self.begun = 0, parts, 0, 0
        self.turns: list[list[tuple[int, Callable[..., Results], tuple[Any, ...]]]] = []
        self.applied: dict[Any, int] = {}
        self.held: dict[Any, list[tf.Tensor | None]] = {}
        self.due: list[Callable[[], None]] = []

    def apply_due(self) -> None:
        """Applies the updates of the turn that ends."""
        due, self.due = self.due, []
        for apply in due:
            apply()

    @property
    def is_last(self) -> bool:
        """Whether the updates are due: this is the last part of the batch."""
        return self.part == self.parts - 1

    @contextlib.contextmanager
    def at(self, part: int, turn: int) -> Iterator[None]:
        before = self.part, self.turn, self.applied
        self.part, self.turn, self.applied = part, turn, {}
        # Else TensorFlow would run the parts at once, in the memory of the whole. (One operation to
        # wait for: an edge from each gradient to all that follows is much.)
        held = [g for gradients in self.held.values() for g in gradients if g is not None]
        try:
            with tf.control_dependencies([tf.group(held)] if held else []):
                yield
        finally:
            self.part, self.turn, self.applied = before


current = _Current()


def run_in_parts(step: Callable[[Any], Results], batch: Any, parts: int, owner: str) -> Results:
    """`step(batch)`, on `parts` equal parts of the batch, one after the other.

    Args:
        step: A `train_step`.
        batch: Tensors whose first axis is the batch's.
        parts: How many.
        owner: Class of the model, for messages.

    Returns:
        Means over the parts of the scalars that `step` returns.

    Raises:
        ValueError: The batch does not divide into parts, or `step` does not return scalars.
    """
    tensors = tf.nest.flatten(batch)
    if any(t.shape[0] is not None and t.shape[0] % parts for t in tensors):
        raise ValueError(
            f"A replica's batch must be a multiple of accumulate={parts}. "
            f"Received: a batch of {tensors[0].shape[0]}."
        )
    cut = [tf.split(tensor, parts) for tensor in tensors]
    current.begin(running=True, parts=parts)
    of_parts = []
    try:
        for i in range(parts):
            part = tf.nest.pack_sequence_as(batch, [pieces[i] for pieces in cut])
            current.begun = 0
            with current.at(i, 0):
                results = step(part if parts > 1 else batch)
                current.apply_due()
            if not isinstance(results, dict):
                raise ValueError(
                    f"train_step of {owner} must return a dict of scalars, as Keras's does. "
                    f"Received: {type(results).__name__}."
                )
            of_parts.append(results)
        return mean_of(of_parts)
    finally:
        current.begin(running=False)


def take_turn(update: Callable[..., Results], *args: Any) -> Results:
    """`update(*args)`, once the updates before it in the same step have been applied.

    Where the batch is cut in parts, it returns nothing until the last part, and then runs for all
    parts.
    """
    if len(current.turns) == current.begun:
        current.turns.append([])
    current.begun += 1
    turn = current.begun
    current.turns[turn - 1].append((current.part, update, args))
    if not current.is_last:
        return {}
    current.apply_due()
    results = []
    for part, of_part, with_args in current.turns[turn - 1]:
        with current.at(part, turn):
            results.append(of_part(*with_args))
            current.apply_due()
    return mean_of(results)


def mean_of(results: list[Results]) -> Results:
    """Means of scalars by name, over those that have one of the name."""
    if len(results) == 1:
        return dict(results[0])
    names = dict.fromkeys(name for one in results for name in one)
    return {
        name: tf.reduce_mean([tf.cast(one[name], tf.float32) for one in results if name in one])
        for name in names
    }


def follow(optimizer: keras.optimizers.Optimizer) -> None:
    """Has an optimizer's `apply` know of the step in which it is called.

    Keras sums gradients over replicas, so each replica's is divided by their number, and by that of
    the parts: together they are the gradient of the mean over the global batch. Whoever writes
    `train_step` takes losses as means over the batch that it is given.
    """
    optimizer.apply = functools.partial(_apply, optimizer)


def _apply(
    optimizer: keras.optimizers.Optimizer, grads: Any, trainable_variables: Any = None
) -> None:
    apply = functools.partial(type(optimizer).apply, optimizer)
    if not current.running:
        apply(grads, trainable_variables)
        return
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    grads = [_scaled(gradient, 1.0 / (replicas * current.parts)) for gradient in grads]
    number = current.applied.get(id(optimizer), 0)
    current.applied[id(optimizer)] = number + 1
    key = (id(optimizer), current.turn, number)
    if key in current.held:
        grads = [_sum(a, b) for a, b in zip(current.held.pop(key), grads, strict=True)]
    if current.parts == 1:
        apply(grads, trainable_variables)
    elif current.is_last:
        # Not yet: another gradient of this turn is to be taken at the same weights, as it was for
        # the parts before.
        current.due.append(functools.partial(apply, grads, trainable_variables))
    else:
        current.held[key] = [None if g is None else tf.convert_to_tensor(g) for g in grads]


def _scaled(gradient: Any, scale: float) -> Any:
    if gradient is None or scale == 1.0:
        return gradient
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(gradient.values * scale, gradient.indices, gradient.dense_shape)
    return gradient * tf.constant(scale, gradient.dtype)


def _sum(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    return tf.convert_to_tensor(a) + tf.convert_to_tensor(b)
