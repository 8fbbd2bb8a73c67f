"""The optimizer of the conditional GAN's experiment (Mirza & Osindero 2014, section 4.1)."""

import math
from typing import Any

import keras
import tensorflow as tf

UPDATES_AN_EPOCH = 600  # 60,000 images in batches of 100
DECAY = math.log1p(4e-5)  # 1.00004 itself has no exact float32


@keras.saving.register_keras_serializable("gan_zoo")
class MirzaSGD(keras.optimizers.SGD):
    """Momentum SGD whose rate falls and whose momentum rises.

    After t updates the rate is max(.1 / 1.00004^t, 1e-6), the paper's. Of the momentum it says
    "initial value of .5 which was increased up to 0.7": linearly here, from the first epoch to the
    250th as in the first GAN's code, an epoch being 600 updates.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"learning_rate": 0.1, "momentum": 0.5, **kwargs})

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """v <- m v - rate g;  w <- w + v."""
        t = tf.cast(self.iterations.value, tf.float32)
        rate = tf.maximum(learning_rate * tf.exp(-t * DECAY), 1e-6)
        risen = (tf.floor(t / UPDATES_AN_EPOCH) - 1.0) / (250.0 - 1.0)
        momentum = self.momentum + (0.7 - self.momentum) * tf.clip_by_value(risen, 0.0, 1.0)
        velocity = self.momentums[self._get_variable_index(variable)]
        self.assign(velocity, momentum * velocity - rate * gradient)
        self.assign_add(variable, velocity)
