"""Random draws inside networks: from the seed of the step, not from a generator's state.

A Keras seed generator gives every replica the same numbers, and checkpoints do not save it. Here
the family's `train_step` passes the seed, which depends on step, replica and part of the batch:

    with random_draws(seed):
        logits = self.discriminator(images, training=True)
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

_current = threading.local()  # MirroredStrategy traces every replica in its own thread


@contextlib.contextmanager
def random_draws(seed: tf.Tensor) -> Iterator[None]:
    """Layers inside draw from `seed`, an integer [2]; each draw from its own stream."""
    before = getattr(_current, "draws", None)
    _current.draws = [seed, 0]
    try:
        yield
    finally:
        _current.draws = before


def next_seed() -> tf.Tensor:
    """A fresh seed [2] for one draw of a layer.

    Raises:
        RuntimeError: Outside `random_draws`.
    """
    draws = getattr(_current, "draws", None)
    if draws is None:
        raise RuntimeError(
            "A layer that draws random numbers must be called inside `random_draws(seed)`: write "
            "`with random_draws(seed):` around the networks in train_step."
        )
    seed, count = draws
    draws[1] += 1
    return tf.random.fold_in(tf.cast(seed, tf.int64), tf.constant(count, tf.int64))


@keras.saving.register_keras_serializable("gan_zoo")
class Dropout(keras.layers.Layer):
    """Dropout (Srivastava et al. 2014) whose mask comes from `random_draws`.

    In training each x is kept with probability 1 - rate and divided by it; otherwise x is
    unchanged.

    Args:
        rate: Fraction that is set to 0, in [0, 1).
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"rate must be in [0, 1). Received: {rate}.")
        self.rate = rate

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training or self.rate == 0.0:
            return inputs
        draws = tf.random.stateless_uniform(tf.shape(inputs), next_seed())
        keep = 1.0 - self.rate
        return tf.where(draws < keep, inputs / keep, tf.zeros_like(inputs))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate}


@keras.saving.register_keras_serializable("gan_zoo")
class NoiseDropout(Dropout):
    """Dropout as a generator's noise: also outside training, inside `random_draws`."""

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        drawing = getattr(_current, "draws", None) is not None
        return super().call(inputs, training=training or drawing)
