"""Tasks that make training pairs from any set of images: the network learns to undo a degradation.

Every task is a pure function of (images uint8 [N, H, W, 3], seeds int64 [N, 2]): the same row and
seed give the same source, whatever else is in the batch. Tasks without random draws ignore the
seed. Sizes in pixels refer to the training resolution.
"""

import dataclasses
import functools
import math
from collections.abc import Callable

import tensorflow as tf

from trainers.data import DataError, bicubic
from zoo.core.spelling import near_misses
from zoo.pictures.images import luma

Degrade = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

_GREY = 128


@dataclasses.dataclass(frozen=True)
class Task:
    """One kind of degradation.

    Attributes:
        degrade: (images uint8 [N, H, W, 3], seeds int64 [N, 2]) -> uint8 [N, H, W, C].
        source_channels: C.
        sharpens: Whether the task restores detail; if so, targets must not be blurred.
    """

    degrade: Degrade
    source_channels: int
    sharpens: bool = False

    def with_channels(self, channels: int) -> Degrade | None:
        """`degrade` with that many output channels, repeating a grey source; None if impossible."""
        if channels == self.source_channels:
            return self.degrade
        if (self.source_channels, channels) == (1, 3):
            return lambda images, seeds: tf.repeat(self.degrade(images, seeds), 3, axis=-1)
        return None


def get(name: str) -> Task:
    """Returns the task with that name.

    Raises:
        DataError: if there is none.
    """
    if name not in TASKS:
        raise DataError(
            f"Unknown task.{near_misses(name, TASKS)} The tasks are: {', '.join(TASKS)}. "
            f"Received: '{name}'."
        )
    return TASKS[name]


def _image_by_image(channels: int) -> Callable[[Callable], Degrade]:
    """Decorator for functions of one image f32 [H, W, 3] in 0..255 and a seed int64 [2]."""

    def decorate(one: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Degrade:
        @functools.wraps(one)
        def degrade(images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
            def row(image_and_seed: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
                image, seed = image_and_seed
                out = one(tf.cast(image, tf.float32), seed)
                return tf.cast(tf.clip_by_value(tf.round(out), 0, 255), tf.uint8)

            spec = tf.TensorSpec([*images.shape[1:3], channels], tf.uint8)
            return tf.map_fn(row, (images, seeds), fn_output_signature=spec)

        return degrade

    return decorate


def _draws(seed: tf.Tensor, which: int, shape: tuple[int, ...] = ()) -> tf.Tensor:
    """The `which`-th of a row's independent draws, uniform in [0, 1)."""
    return tf.random.stateless_uniform(shape, tf.random.experimental.stateless_fold_in(seed, which))


def _between(low: float, high: float, draw: tf.Tensor) -> tf.Tensor:
    return low + (high - low) * draw


def colorize(images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
    """Removes the colour: 1 channel, the luma of Rec. 601, .299 R + .587 G + .114 B."""
    del seeds
    return luma(images)


@_image_by_image(4)
def inpaint(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Covers parts with mid-grey (128) and makes them transparent; the fourth channel is alpha.

    Half of the images get 1 to 3 rectangles, with sides from 1/8 to 1/2 of the image's. The others
    get 1 to 3 brush strokes, 1/20 to 1/8 of the height wide, made of 4 straight segments of 1/8 to
    1/3 of the height with turns of at most 60 degrees. Channels 0 to 2 are the image; channel 3 is
    0 for missing pixels and 255 elsewhere (-1 and 1 in a batch).
    """
    height, width = image.shape[:2]
    y = tf.range(height, dtype=tf.float32)[:, None, None] + 0.5
    x = tf.range(width, dtype=tf.float32)[None, :, None] + 0.5
    used = tf.range(3.0) < 1 + tf.floor(3 * _draws(seed, 0))  # [3]: which of three shapes are used

    size = _between(1 / 8, 1 / 2, _draws(seed, 1, (2, 3))) * [[height], [width]]
    corner = _draws(seed, 2, (2, 3)) * ([[height], [width]] - size)
    boxes = (tf.abs(y - corner[0] - size[0] / 2) <= size[0] / 2) & (
        tf.abs(x - corner[1] - size[1] / 2) <= size[1] / 2
    )  # [H, W, 3]

    turns = tf.concat(
        [
            2 * math.pi * _draws(seed, 3, (1, 3)),
            math.pi / 3 * _between(-1, 1, _draws(seed, 4, (3, 3))),
        ],
        axis=0,
    )
    angle = tf.cumsum(turns)  # [4, 3]: segments, strokes
    length = height * _between(1 / 8, 1 / 3, _draws(seed, 5, (4, 3)))
    dy, dx = length * tf.sin(angle), length * tf.cos(angle)
    start = _draws(seed, 6, (2, 3)) * [[height], [width]]
    radius = height * _between(1 / 40, 1 / 16, _draws(seed, 7, (3,)))
    y0 = start[0] + tf.cumsum(dy, exclusive=True)
    x0 = start[1] + tf.cumsum(dx, exclusive=True)
    strokes = tf.zeros([height, width, 3], tf.bool)
    for i in range(4):  # pixels near the segment from (y0, x0) to (y0 + dy, x0 + dx)
        along = ((y - y0[i]) * dy[i] + (x - x0[i]) * dx[i]) / length[i] ** 2
        along = tf.clip_by_value(along, 0, 1)
        square = (y - y0[i] - along * dy[i]) ** 2 + (x - x0[i] - along * dx[i]) ** 2
        strokes |= square <= tf.maximum(radius, 0.75) ** 2

    shapes = tf.where(_draws(seed, 8) < 0.5, boxes, strokes)
    missing = tf.reduce_any(shapes & used, axis=-1, keepdims=True)
    picture = tf.where(missing, float(_GREY), image)
    return tf.concat([picture, tf.where(missing, 0.0, 255.0)], axis=-1)


@_image_by_image(3)
def denoise(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Adds camera noise: shot noise (Poisson) and read noise (Gaussian).

    Each value x becomes 255 / p * Poisson(p x / 255) + Normal(0, sigma). p is 30 to 300 photons at
    white (shot noise at mid-grey: 33 down to 10 levels), sigma is 2 to 20 levels; both are drawn
    once per image.
    """
    photons = tf.exp(_between(math.log(30), math.log(300), _draws(seed, 0)))
    sigma = _between(2, 20, _draws(seed, 1))
    fold = tf.random.experimental.stateless_fold_in
    shape = tf.shape(image)
    shot = tf.random.stateless_poisson(shape, fold(seed, 2), image * photons / 255, tf.float32)
    return shot * 255 / photons + sigma * tf.random.stateless_normal(shape, fold(seed, 3))


@_image_by_image(3)
def derain(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Adds rain: white, semi-transparent streaks with the same slant throughout an image.

    Drops of random brightness lie at 0.5 to 2 % of the pixels and stretch over 9 to 25 pixels at a
    slant of at most 30 degrees. Their maximum opacity is 50 to 80 %.
    """
    height, width = image.shape[:2]
    share = _between(0.005, 0.02, _draws(seed, 0))
    drops = _draws(seed, 1, (height, width, 1))
    brightness = _draws(seed, 2, (height, width, 1))
    drops = tf.where(drops < share, _between(0.3, 1, brightness), 0)
    slant = math.pi / 2 + math.pi / 6 * _between(-1, 1, _draws(seed, 3))
    line = _line(_between(9, 25, _draws(seed, 4)), slant, 12)
    streaks = _filtered(drops, line / tf.reduce_max(line))
    covered = _between(0.5, 0.8, _draws(seed, 5)) * tf.minimum(streaks, 1)
    return image + covered * (255 - image)


@_image_by_image(3)
def deblur(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Blurs: half of the images are out of focus, the others have motion blur.

    Out of focus is a Gaussian with a sigma of 0.8 to 3 pixels. Motion blur is a straight line of 5
    to 21 pixels in any direction. Border pixels are repeated outside the image.
    """
    radius = 10
    y, x = _grid(radius)
    sigma = _between(0.8, 3, _draws(seed, 0))
    gaussian = tf.exp(-(x**2 + y**2) / (2 * sigma**2))
    line = _line(_between(5, 21, _draws(seed, 1)), math.pi * _draws(seed, 2), radius)
    kernel = tf.where(_draws(seed, 3) < 0.5, gaussian, line)
    return _filtered(image, kernel / tf.reduce_sum(kernel))


def edges_to_photo(images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
    """Keeps only the outlines: 1 channel, dark lines on white.

    It is the magnitude of the luma's Sobel gradient, kept only at its maximum across the edge, so
    that lines are one pixel wide. A step of 64 levels or more is black, one below 8 is white.
    """
    del seeds
    gradient = tf.image.sobel_edges(tf.cast(luma(images), tf.float32))[..., 0, :] / 4
    dy, dx = gradient[..., 0], gradient[..., 1]  # [N, H, W]: the height of a step edge
    size = tf.sqrt(dx**2 + dy**2)
    height, width = images.shape[1:3]
    padded = tf.pad(size, [[0, 0], [1, 1], [1, 1]])

    def neighbour(down: int, across: int) -> tf.Tensor:
        return padded[:, 1 + down : 1 + down + height, 1 + across : 1 + across + width]

    # The direction across the edge, in eighths of a turn: 0, 45, 90 or 135 degrees.
    octant = tf.cast(tf.round(tf.atan2(dy, dx) / (math.pi / 4)), tf.int32) % 4
    thinnest = tf.zeros_like(size, tf.bool)
    for i, (down, across) in enumerate([(0, 1), (1, 1), (1, 0), (1, -1)]):
        peak = (size >= neighbour(down, across)) & (size > neighbour(-down, -across))
        thinnest |= (octant == i) & peak
    ink = tf.where(thinnest & (size >= 8), tf.minimum(size / 64, 1), 0)
    return tf.cast(tf.round(255 * (1 - ink)), tf.uint8)[..., None]


def super_resolve(images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
    """Removes detail: resizes to a quarter of the size and back, both bicubic as in Pillow.

    Raises:
        DataError: unless height and width are multiples of 4.
    """
    del seeds
    height, width = images.shape[1:3]
    if height % 4 or width % 4:
        raise DataError(
            "super_resolve needs a height and width that are multiples of 4. "
            f"Received: {height}x{width}."
        )
    return bicubic.resize(bicubic.resize(images, height // 4, width // 4), height, width)


def _grid(radius: int) -> tuple[tf.Tensor, tf.Tensor]:
    """(y, x) of a kernel's pixels relative to its centre: f32 [K, 1], [1, K], K = 2 radius + 1."""
    steps = tf.range(-radius, radius + 1, dtype=tf.float32)
    return steps[:, None], steps[None, :]


def _line(length: tf.Tensor, angle: tf.Tensor, radius: int) -> tf.Tensor:
    """A line one pixel wide through the centre of a kernel: f32 [K, K] in [0, 1]."""
    y, x = _grid(radius)
    along = tf.abs(x * tf.cos(angle) + y * tf.sin(angle))
    across = tf.abs(y * tf.cos(angle) - x * tf.sin(angle))
    return tf.clip_by_value(length / 2 + 0.5 - along, 0, 1) * tf.maximum(1 - across, 0)


def _filtered(image: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Filters every channel of f32 [H, W, C] with one kernel [K, K]; border pixels are repeated.

    Uses the FFT, which is ten times faster on a CPU than a one-channel convolution. The kernel must
    be symmetric under a rotation by 180 degrees.
    """
    height, width, _ = image.shape
    border = kernel.shape[0] - 1
    for axis, size in ((0, height), (1, width)):
        near = tf.range(-(border // 2), size + border // 2)
        image = tf.gather(image, tf.clip_by_value(near, 0, size - 1), axis=axis)
    lengths = [height + border, width + border]
    spectrum = tf.signal.rfft2d(tf.transpose(image, [2, 0, 1]))
    out = tf.signal.irfft2d(spectrum * tf.signal.rfft2d(kernel, lengths), lengths)
    return tf.transpose(out[:, border:, border:], [1, 2, 0])


TASKS = {
    "colorize": Task(colorize, source_channels=1),
    "inpaint": Task(inpaint, source_channels=4),
    "denoise": Task(denoise, source_channels=3, sharpens=True),
    "derain": Task(derain, source_channels=3),
    "deblur": Task(deblur, source_channels=3, sharpens=True),
    "edges_to_photo": Task(edges_to_photo, source_channels=1),
    "super_resolve": Task(super_resolve, source_channels=3, sharpens=True),
}
