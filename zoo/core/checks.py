"""What a model accepts: one clear line for anything else."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

# Images are in [-1, 1]; this much more is rounding.
LARGEST = 1.001
RANGE_RULE = "Images must be finite and in [-1, 1]; x / 127.5 - 1 makes that of 0 to 255."
# In place of a label: draw it from the image's seed.
ANY_LABEL = -1


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


def labels_rule(num_classes: int) -> str:
    """What labels must be."""
    return f"Labels must be integers from 0 to {num_classes - 1}, one for each image."


def check_labels(labels: tf.Tensor, count: Any, num_classes: int) -> tf.Tensor:
    """Returns labels of a training batch as int32 [N], if they are that; use what it returns.

    Raises:
        ValueError: Another type or shape.
        tf.errors.InvalidArgumentError: Values out of range. (XLA leaves the check out.)
    """
    rule = labels_rule(num_classes)
    if not isinstance(labels, tf.Tensor) or not labels.dtype.is_integer or labels.shape.rank != 1:
        received = getattr(labels, "dtype", type(labels))
        raise ValueError(
            f"{rule} Received: {getattr(received, 'name', received)} "
            f"of shape {getattr(labels, 'shape', None)}."
        )
    labels = tf.cast(labels, tf.int32)
    low, high = tf.reduce_min(labels), tf.reduce_max(labels)
    checks = [
        tf.debugging.Assert(
            (low >= 0) & (high < num_classes), [rule, "Received: from", low, "to", high]
        ),
        tf.debugging.Assert(
            tf.shape(labels)[0] == count, [rule, "Received:", tf.shape(labels)[0], "for", count]
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(labels)


def labels_of(labels: Any, n: int, num_classes: int, owner: str) -> np.ndarray:
    """Labels as a person gives them, for n images: int32 [n]; `ANY_LABEL` where None.

    Args:
        labels: None, one for all, or a sequence of n.
        n: Images.
        num_classes: 0 of a model without labels.
        owner: Class of the model.

    Raises:
        ValueError: Not integers, out of range, another number, or the model takes none.
    """
    if labels is None:
        return np.full(n, ANY_LABEL, np.int32)
    if not num_classes:
        raise ValueError(
            f"{owner} has no labels here (num_classes is 0): leave them out. Received: {labels!r}."
        )
    array = np.asarray(labels)
    fits = array.dtype.kind in "iu" and array.shape in ((), (n,))
    if not fits or np.any((array < 0) | (array >= num_classes)):
        received = f"{labels!r}" if array.size < 10 else f"{array.dtype} {list(array.shape)}"
        if array.size >= 10 and fits:
            received += f" from {array.min()} to {array.max()}"
        raise ValueError(f"{labels_rule(num_classes)} Received: {received} for {n} image(s).")
    return np.broadcast_to(array, n).astype(np.int32)


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
