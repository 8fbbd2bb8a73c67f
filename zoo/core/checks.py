"""What a model accepts, and one clear line for anything else."""

import operator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

# Images are in [-1, 1]; this much more is rounding.
LARGEST = 1.001
RANGE_RULE = "Images must be finite and in [-1, 1]; x / 127.5 - 1 converts 0 to 255."


def check_keras_settings() -> None:
    """Raises ValueError for global settings of Keras that no network here is made for."""
    layout = keras.config.image_data_format()
    if layout != "channels_last":
        raise ValueError(
            "Networks need channels last: keras.config.set_image_data_format('channels_last'). "
            f"Received: {layout!r}."
        )
    policy = keras.config.dtype_policy()
    received = {keras.config.floatx(), policy.variable_dtype} - {"float32"}
    if received:
        raise ValueError(
            "Weights need float32: keras.config.set_floatx('float32'), and set_dtype_policy of "
            "'float32', 'mixed_bfloat16' or 'mixed_float16'. "
            f"Received: {', '.join(sorted(received))}."
        )


def integer(name: str, value: Any) -> int:
    """`value` as an int (numpy's too); anything else, such as a float or a text, is refused."""
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be an integer. Received: {value!r}.") from None


def rows_asked_for(n: Any, given: dict[str, tuple[Any, int]]) -> int:
    """How many images: n, or where that is None as many as what is given row by row, or 1.

    Args:
        n: As the user gives it.
        given: By argument: its value, None where it is omitted, and the rank of one row.

    Raises:
        ValueError: n is no integer of at least 1, or arguments differ in their rows.
    """
    if n is None:
        rows = {
            name: len(value)
            for name, (value, rank) in given.items()
            if value is not None and np.ndim(value) == rank + 1
        }
        if len(set(rows.values())) > 1:
            received = ", ".join(f"{count} {name}" for name, count in rows.items())
            raise ValueError(f"There must be one row for each image. Received: {received}.")
        n = next(iter(rows.values()), 1)
    n = integer("n", n)
    if n < 1:
        raise ValueError(f"n must be at least 1. Received: {n}.")
    return n


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
    """Raises ValueError for an argument, by name, that is below 0 or not a number."""
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
                " Leave labels out, by dataset.map(lambda image, label: image)."
                if len(images) == 2
                else " Use dataset.map to leave the images alone."
            )
            received = f"{type(images).__name__} of {len(images)}"
        elif isinstance(images, dict):
            names = ", ".join(map(repr, images))
            cure = " Use dataset.map to take the images out of the dict."
            received = f"dict of {names}"
        elif received == image_shape:
            cure = " These are single images: use dataset.batch(64)."
        elif (*received, 1) == (*received[:1], *image_shape):
            cure = " Add the axis of the channel: x[..., None]."
        elif (*received[2:], received[1]) == image_shape:
            cure = " Put the channels last: tf.transpose(x, [0, 2, 3, 1])."
        size = ", ".join(map(str, image_shape))
        raise ValueError(
            f"{owner} trains on images [N, {size}] in [-1, 1].{cure} Received: {received}."
        )
    if not images.dtype.is_floating:
        raise ValueError(
            "Images must be float in [-1, 1]; x / 127.5 - 1 converts uint8. "
            f"Received: {images.dtype.name}."
        )
    images = tf.cast(images, tf.float32)
    low, high = tf.reduce_min(images), tf.reduce_max(images)
    check = tf.debugging.Assert(
        tf.reduce_all(tf.abs(images) <= LARGEST),  # False of NaN
        [f"{RANGE_RULE} Received: from", low, "to", high],
    )
    with tf.control_dependencies([check]):
        return tf.identity(images)


def refuse(wrong: tf.Tensor, rule: str, values: tf.Tensor) -> tf.Tensor:
    """`values`, with a check in the graph that raises the rule and the `wrong` ones, if any."""
    check = tf.debugging.Assert(tf.size(wrong) == 0, [f"{rule} Received:", wrong], summarize=3)
    with tf.control_dependencies([check]):
        return tf.identity(values)


def truncations_of(
    truncation: float | Sequence[float] | None, n: int, truncates: bool, owner: str
) -> np.ndarray:
    """Checks the truncation that the user gives for n images: f32 [n]; NaN for None.

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
        wrong_count = array.ndim == 1 and len(array) != n
        received = f"{len(array)} of them" if wrong_count else repr(truncation)
        raise ValueError(
            "truncation must be a finite number of at least 0, or one for each image. "
            f"Received: {received} for {n} image(s)."
        )
    return np.broadcast_to(array, n).astype(np.float32)
