"""A history of generated images for D (Shrivastava et al. 2017; Zhu et al. 2017, section 4)."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gan_zoo")
class HistoryPool(keras.layers.Layer):
    """Hands out, for each image it is given, that image or an earlier one in its place.

    While the pool fills, an image is kept and handed out. Afterwards, with probability one half,
    an earlier image drawn at random is handed out and the new one takes its slot; otherwise the new
    one is handed out and forgotten. The images of a batch come one after the other.

    Under R replicas, replica r has the slots r, r + R, r + 2 R ... to itself, and so the images
    that it made. Every device holds the whole pool, so that a checkpoint does: what is written goes
    to all, which costs the traffic of a batch.

    Args:
        size: Slots, over all replicas.
        image_shape: (H, W, C).

    Attributes:
        images: float32 variable [size, H, W, C].
        shown: int64 variable, images that it was given so far, over all replicas.

    Raises:
        ValueError: A replica would have no slot.
    """

    is_pool = True  # not in a preset: `zoo.core.weights` counts it apart

    def __init__(self, size: int, image_shape: tuple[int, int, int], **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if size < replicas:
            raise ValueError(
                f"A pool needs an image for each of {replicas} replica(s) at least. "
                f"Received: {size}."
            )
        self.size = size
        self.image_shape = tuple(image_shape)
        common = {
            "initializer": "zeros",
            "trainable": False,
            "aggregation": "only_first_replica",
        }
        self.images = self.add_weight(shape=(size, *image_shape), name="images", **common)
        self.shown = self.add_weight(shape=(), dtype="int64", name="shown", **common)
        self.built = True

    def call(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Images float [N, H, W, C] of this replica -> as many, of the same type.

        Args:
            images: Generated ones; no gradient flows through.
            seed: Integer [2]; what is drawn from it.
        """
        given = tf.stop_gradient(tf.cast(images, tf.float32))
        held = tf.convert_to_tensor(self.images.value)
        slots, filling, swaps = self._draw(tf.shape(given)[0], seed)
        writes = filling | swaps

        # Which image of the batch stands in i's slot: when it is i's turn, and at the end.
        order = tf.range(tf.shape(given)[0])
        wrote = (slots[:, None] == slots[None, :]) & writes[None, :]
        before = _last(wrote & (order[None, :] < order[:, None]))
        after = _last(wrote)

        def contents(writer: tf.Tensor) -> tf.Tensor:
            of_batch = tf.gather(given, tf.maximum(writer, 0))
            return _where(writer >= 0, of_batch, tf.gather(held, slots))

        handed_out = _where(swaps, contents(before), given)
        self._write(slots, contents(after))
        return tf.cast(handed_out, images.dtype)

    def _draw(self, count: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Of each image [count]: its slot, whether it fills it, whether it is exchanged."""
        context = tf.distribute.get_replica_context()
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        replica = tf.cast(context.replica_id_in_sync_group, tf.int32)
        own = -(-(self.size - replica) // replicas)  # slots of this replica
        shown = tf.cast(tf.minimum(self.shown.value, self.size), tf.int32)
        filled = -(-(shown - replica) // replicas)
        position = filled + tf.range(count)
        filling = position < own
        slot_seed, swap_seed = tf.unstack(tf.random.split(seed, 2))
        drawn = tf.random.stateless_uniform([count], slot_seed, 0, own, tf.int32)
        swaps = tf.random.stateless_uniform([count], swap_seed) < 0.5
        slots = replica + replicas * tf.where(filling, position, drawn)
        return slots, filling, swaps & ~filling

    def _write(self, slots: tf.Tensor, images: tf.Tensor) -> None:
        """Puts images into slots on every device; of equal slots the images are equal."""
        context = tf.distribute.get_replica_context()
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        self.shown.assign_add(tf.shape(slots, tf.int64)[0] * replicas)
        if replicas > 1:
            slots, images = (context.all_gather(x, axis=0) for x in (slots, images))

        def write(
            pool: tf.Variable, slots: tf.Tensor, images: tf.Tensor
        ) -> tf.Operation | tf.Tensor:
            return pool.scatter_update(tf.IndexedSlices(images, slots))

        def update(strategy: tf.distribute.Strategy, slots: Any, images: Any) -> None:
            strategy.extended.update(self.images.value, write, args=(slots, images), group=False)

        context.merge_call(update, args=(slots, images))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "image_shape": self.image_shape}


def _last(matrix: tf.Tensor) -> tf.Tensor:
    """The last column of each row [n, n] that is true: int32 [n], -1 where none is."""
    columns = tf.range(tf.shape(matrix)[1])
    return tf.reduce_max(tf.where(matrix, columns[None, :], -1), axis=1)


def _where(condition: tf.Tensor, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Images of `a` where the condition [N] holds, else of `b`."""
    return tf.where(condition[:, None, None, None], a, b)
