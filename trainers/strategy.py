"""Which devices train: one, or all of this machine."""

from collections.abc import Sequence

import tensorflow as tf

STRATEGIES = ("auto", "one", "mirrored")


def make_strategy(name: str) -> tf.distribute.Strategy:
    """A distribution strategy by name.

    Args:
        name: "one" device; "mirrored" over every GPU, or every logical CPU device where there is
            none; "auto": mirrored from two GPUs on.

    Raises:
        ValueError: Another name.
    """
    if name not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}. Received: {name!r}.")
    gpus = tf.config.list_logical_devices("GPU")
    if name == "one" or (name == "auto" and len(gpus) < 2):
        return tf.distribute.get_strategy()
    return mirrored(gpus or tf.config.list_logical_devices("CPU"))


def mirrored(devices: Sequence[tf.config.LogicalDevice]) -> tf.distribute.MirroredStrategy:
    """MirroredStrategy over the given devices.

    On CPUs it reduces on one device: TensorFlow's collectives number their instances anew in every
    strategy, so a second one in the same process meets the shapes of the first and fails.
    """
    on_cpu = devices[0].device_type == "CPU"
    return tf.distribute.MirroredStrategy(
        [device.name for device in devices],
        cross_device_ops=tf.distribute.ReductionToOneDevice() if on_cpu else None,
    )
