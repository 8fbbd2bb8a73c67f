"""What a model accepts: one clear line for anything else."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

# Images are in [-1, 1]; this much more is rounding.
LARGEST = 1.001
RANGE_RULE = "Images must be finite and in [-1, 1]; x / 127.5 - 1 makes that of 0 to 255."


def integer(name: str, value: Any) -> int:
    """`value` as an int, of numpy's integers too; anything else, a float or a text, is refused."""
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be an integer. Received: {value!r}.") from None


def counts(values: dict[str, Any], least: dict[str, int] | None = None) -> dict[str, int]:
    """Arguments by name, as ints of at least 1, or of what `least` says of a name."""
    values = {name: integer(name, value) for name, value in values.items()}
    for name, value in values.items():
        smallest = (least or {}).get(name, 1)
        if value < smallest:
            raise ValueError(f"{name} must be at least {smallest}. Received: {value}.")
    return values


def grey_or_rgb(channels: Any) -> int:
    """`channels` as an int, if images of so many can be shown: 1 or 3."""
    channels = integer("channels", channels)
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (RGB). Received: {channels}.")
    return channels


def check_not_negative(values: dict[str, float]) -> None:
    """Raises ValueError for an argument, by name, that is below 0 or no number."""
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"{name} must be at least 0. Received: {value}.")


def power_of_two(name: str, value: Any, least: int) -> int:
    """`value` as an int, if it is a power of two of at least `least`."""
    value = integer(name, value)
    if value < least or value & (value - 1):
        raise ValueError(f"{name} must be a power of two from {least}. Received: {value}.")
    return value


def check_images(images: tf.Tensor, owner: str, image_shape: tuple[int, int, int]) -> tf.Tensor:
    """Returns `images` if they are float [N, H, W, C] of that size, and in [-1, 1].

    Use what it returns: a batch out of range then fails before D has learnt from it. (XLA leaves
    checks of values out.)

    Raises:
        ValueError: Another type or shape.
        tf.errors.InvalidArgumentError: Values that are NaN or out of range.
    """
    if not isinstance(images, tf.Tensor) or tuple(images.shape[1:]) != image_shape:
        received = getattr(images, "shape", type(images).__name__)
        cure = ""
        if isinstance(images, tuple | list):
            cure = (
                " Of images with labels, use dataset.map(lambda image, label: image)."
                if len(images) == 2
                else " Use dataset.map to leave the images alone."
            )
            received = f"{type(images).__name__} of {len(images)}"
        elif received == image_shape:
            cure = " These are single images: use dataset.batch(64)."
        size = ", ".join(map(str, image_shape))
        raise ValueError(
            f"{owner} trains on images [N, {size}] in [-1, 1].{cure} Received: {received}."
        )
    if not images.dtype.is_floating:
        raise ValueError(
            "Images must be float in [-1, 1]; uint8 becomes that by x / 127.5 - 1. "
            f"Received: {images.dtype.name}."
        )
    low, high = tf.reduce_min(images), tf.reduce_max(images)
    check = tf.debugging.Assert(
        tf.reduce_all(tf.abs(images) <= LARGEST),  # False of NaN
        [f"{RANGE_RULE} Received: from", low, "to", high],
    )
    with tf.control_dependencies([check]):
        return tf.identity(images)


def refuse(wrong: tf.Tensor, rule: str, values: tf.Tensor) -> tf.Tensor:
    """`values`, or in the graph an error with the rule and those that are `wrong`."""
    check = tf.debugging.Assert(tf.size(wrong) == 0, [f"{rule} Received:", wrong], summarize=3)
    with tf.control_dependencies([check]):
        return tf.identity(values)


def truncations_of(
    truncation: float | Sequence[float] | None, n: int, truncates: bool, owner: str
) -> np.ndarray:
    """Truncation as a person gives it, for n images: f32 [n]; NaN where None.

    Raises:
        ValueError: Below 0, not a finite number, another number of them, or the model has none.
    """
    if truncation is None:
        return np.full(n, np.nan, np.float32)
    if not truncates:
        raise ValueError(
            f"{owner} has no truncation: leave it out. Received: truncation={truncation!r}."
        )
    array = np.asarray(truncation)
    if (
        array.dtype.kind not in "iuf"
        or array.shape not in ((), (n,))
        or not np.all((array >= 0) & np.isfinite(array))
    ):
        raise ValueError(
            "truncation must be a finite number of at least 0, or one for each image. "
            f"Received: {truncation!r} for {n} image(s)."
        )
    return np.broadcast_to(array, n).astype(np.float32)
