"""The optimizer of the first GAN's code (`mnist.yaml` of Goodfellow et al. 2014)."""

import math
from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gan_zoo")
class GoodfellowSGD(keras.optimizers.SGD):
    """Momentum SGD with a falling learning rate and a rising momentum.

    After t updates the rate is max(.1 / 1.000004^t, 1e-6); the momentum rises linearly from .5 in
    the first epoch to .7 in the 250th, an epoch being 500 updates.

    Attributes:
        decay: Natural logarithm of 1.000004, which itself has no exact float32.
        updates_an_epoch: 50,000 images in batches of 100.
    """

    decay = math.log1p(4e-6)
    updates_an_epoch = 500

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"learning_rate": 0.1, "momentum": 0.5, **kwargs})

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """v <- m v - rate g;  w <- w + v."""
        t = tf.cast(self.iterations.value, tf.float32)
        rate = tf.maximum(learning_rate * tf.exp(-t * self.decay), 1e-6)
        # The code counts epochs from 1, and raises the momentum from the second on.
        risen = tf.floor(t / self.updates_an_epoch) / (250.0 - 1.0)
        momentum = self.momentum + (0.7 - self.momentum) * tf.clip_by_value(risen, 0.0, 1.0)
        velocity = self.momentums[self._get_variable_index(variable)]
        self.assign(velocity, momentum * velocity - rate * gradient)
        self.assign_add(variable, velocity)
