"""CycleGAN's learning rate: constant, then down to zero (Zhu et al. 2017, section 4)."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gan_zoo")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """The same rate for `flat_steps` updates, then linearly to zero over `decay_steps` more.

        rate(t) = rate min(1, max(0, (flat_steps + decay_steps - t) / decay_steps))

    Args:
        rate: At first.
        flat_steps: Updates at that rate.
        decay_steps: Updates from there to zero.
    """

    def __init__(self, rate: float, flat_steps: int, decay_steps: int) -> None:
        self.rate = rate
        self.flat_steps = flat_steps
        self.decay_steps = decay_steps

    def __call__(self, step: Any) -> tf.Tensor:
        left = self.flat_steps + self.decay_steps - tf.cast(step, tf.float32)
        return self.rate * tf.clip_by_value(left / self.decay_steps, 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {
            "rate": self.rate,
            "flat_steps": self.flat_steps,
            "decay_steps": self.decay_steps,
        }
