"""Adam with its epsilon where the paper has it (Kingma & Ba 2015, algorithm 1).

    m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2
    w <- w - rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)

Keras and TensorFlow add epsilon to sqrt(v), before its bias is corrected: at the first update, with
beta2 = .999, that is an epsilon 32 times larger. Gradients of 1e-6 and less, which G has at first,
show it. PyTorch and DCGAN's Theano code are as the paper.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gan_zoo")
class BiasCorrectedAdam(keras.optimizers.Adam):
    """Takes the arguments of `keras.optimizers.Adam`; epsilon is 1e-8 by default.

    `beta_2` may be a function without arguments, as `learning_rate` may: a schedule.
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        beta_1: float = 0.9,
        beta_2: float | Callable[[], tf.Tensor] = 0.999,
        epsilon: float = 1e-8,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)

    def update_step(
        self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor
    ) -> None:
        """One update of one weight."""
        dtype = variable.dtype
        g, rate = tf.cast(gradient, dtype), tf.cast(learning_rate, dtype)
        t = tf.cast(self.iterations.value + 1, dtype)
        beta_2 = self.beta_2() if callable(self.beta_2) else self.beta_2
        beta_1, beta_2 = tf.cast(self.beta_1, dtype), tf.cast(beta_2, dtype)
        index = self._get_variable_index(variable)
        m, v = self._momentums[index], self._velocities[index]
        self.assign_add(m, (1.0 - beta_1) * (g - m))
        self.assign_add(v, (1.0 - beta_2) * (tf.square(g) - v))
        root = tf.sqrt(v / (1.0 - tf.pow(beta_2, t)))
        rate /= 1.0 - tf.pow(beta_1, t)
        self.assign_sub(variable, rate * m / (root + self.epsilon))
