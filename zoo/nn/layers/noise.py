"""Noise for stochastic details (Karras et al. 2019, section 2)."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.nn.layers.random import next_seed

_mode = threading.local()


@contextlib.contextmanager
def without_noise() -> Iterator[None]:
    """`Noise` layers inside add nothing."""
    before = getattr(_mode, "silent", False)
    _mode.silent = True
    try:
        yield
    finally:
        _mode.silent = before


@keras.saving.register_keras_serializable("gan_zoo")
class Noise(keras.layers.Layer):
    """x + gain * strength * n, one number n from N(0, 1) for each pixel, the same for all features.

    In training n is drawn for every image, from `random_draws`; otherwise it is constant, so that
    an image depends on its latents alone.

    Input [N, H, W, C] -> the same.

    Args:
        per_feature: Whether there is a strength for each feature (Karras et al. 2019) or one for
            all (Karras et al. 2020, section 2.1); it starts at 0.
        gain: Factor of the strength.
        seed: Seed of the constant noise; the layers of a network have different ones.
        stored: Whether the constant noise is a variable, as published checkpoints have theirs.
    """

    def __init__(
        self,
        per_feature: bool = False,
        gain: float = 1.0,
        seed: int = 0,
        stored: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.per_feature = per_feature
        self.gain = gain
        self.seed = seed
        self.stored = stored

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        _, height, width, features = input_shape
        self.strength = self.add_weight(
            shape=(features,) if self.per_feature else (), initializer="zeros", name="strength"
        )
        # numpy guarantees that the numbers of this generator never change.
        draws = np.random.RandomState(self.seed).standard_normal((height, width, 1))
        self.constant = draws.astype(np.float32)
        if self.stored:
            draws = self.constant
            self.constant = self.add_weight(
                shape=draws.shape,
                initializer=lambda shape, dtype: tf.cast(draws, dtype),
                trainable=False,
                autocast=False,
                aggregation="only_first_replica",
                name="constant",
            )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        if getattr(_mode, "silent", False):
            return inputs
        noise = tf.convert_to_tensor(self.constant)
        if training:
            size = [tf.shape(inputs)[0], *self.constant.shape]
            noise = tf.random.stateless_normal(size, next_seed())
        return inputs + tf.cast(noise, inputs.dtype) * (self.strength * self.gain)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "per_feature": self.per_feature,
            "gain": self.gain,
            "seed": self.seed,
            "stored": self.stored,
        }
