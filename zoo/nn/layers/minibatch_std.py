"""Minibatch standard deviation (Karras et al. 2018, section 3)."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gan_zoo")
class MinibatchStd(keras.layers.Layer):
    """Shows D how varied its batch is: [N, H, W, C] -> [N, H, W, C + features].

    For each group of images it takes the standard deviation of every feature at every place, and
    then the mean of them all: one number, a constant map for all images of the group.

    A group is `group` neighbouring images of the batch, or the whole batch if that is smaller. (In
    the paper's code image i of N is in group i mod (N / group). That is the same draw, but with
    neighbours, replicas that hold whole groups compute what one device would.) Statistics are
    taken on each replica, never across replicas.

    When `training` is false each image gets the running mean from training, so that no result
    depends on the other images in the batch.

    Args:
        group: Images in a group; the batch must be a multiple of it, or smaller.
        features: Number of parts that the features are divided into, each with its own map.
        momentum: Momentum of the running mean.
    """

    def __init__(
        self, group: int = 4, features: int = 1, momentum: float = 0.99, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if min(group, features) < 1:
            raise ValueError(
                f"group and features must be at least 1. Received: {group}, {features}."
            )
        self.group = group
        self.features = features
        self.momentum = momentum

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if input_shape[-1] % self.features:
            raise ValueError(
                f"The features must divide into features={self.features} parts. "
                f"Received: {input_shape[-1]}."
            )
        self.running_mean = self.add_weight(
            shape=(self.features,),
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="mean",
            name="running_mean",
        )

    def check_batch_size(self, count: int) -> None:
        """Raises ValueError for a replica's batch that does not divide into groups."""
        if count > self.group and count % self.group:
            raise ValueError(f"{self._rule()} Received: a batch of {count}.")

    def _rule(self) -> str:
        return (
            "Minibatch standard deviation needs batches that are a multiple of its group of "
            f"{self.group}, or smaller, on each replica (and in each part of accumulate)."
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        shape = tf.shape(inputs)
        if not training:
            std = tf.broadcast_to(self.running_mean, [shape[0], self.features])
        else:
            std = self._of_groups(inputs)
            mean = tf.stop_gradient(tf.reduce_mean(std, axis=0))
            self.running_mean.assign(
                self.momentum * self.running_mean + (1.0 - self.momentum) * mean
            )
        maps = tf.broadcast_to(
            tf.cast(std, inputs.dtype)[:, None, None, :],
            [shape[0], shape[1], shape[2], self.features],
        )
        return tf.concat([inputs, maps], axis=-1)

    def _of_groups(self, inputs: tf.Tensor) -> tf.Tensor:
        """[N, H, W, C] -> [N, features]."""
        if inputs.shape[0] is not None:
            self.check_batch_size(inputs.shape[0])
        _, height, width, channels = inputs.shape
        x = tf.cast(inputs, tf.float32) if inputs.dtype.size < 4 else inputs
        count = tf.shape(x)[0]
        size = tf.minimum(self.group, count)
        # A data set's last batch may be smaller, and its size is not known before.
        fits = tf.debugging.Assert(count % size == 0, [self._rule(), "Received: a batch of", count])
        with tf.control_dependencies([fits]):
            x = tf.identity(x)
        # [M, G, H, W, F, C / F]: M groups of G
        x = tf.reshape(x, [-1, size, height, width, self.features, channels // self.features])
        std = tf.sqrt(tf.math.reduce_variance(x, axis=1) + 1e-8)  # [M, H, W, F, C / F]
        return tf.repeat(tf.reduce_mean(std, axis=[1, 2, 4]), size, axis=0)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "group": self.group,
            "features": self.features,
            "momentum": self.momentum,
        }
