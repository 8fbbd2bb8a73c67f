"""Labels as vectors."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gan_zoo")
class OneHot(keras.layers.Layer):
    """Labels int [N] -> float [N, num_classes]."""

    def __init__(self, num_classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def call(self, labels: tf.Tensor) -> tf.Tensor:
        return tf.one_hot(labels, self.num_classes, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_classes": self.num_classes}
