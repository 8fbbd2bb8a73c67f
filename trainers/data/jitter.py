"""Augmentations for image-to-image networks: functions of the images and one seed per row."""

import tensorflow as tf

from zoo.core.conditions import mirrored, resized

# Pix2Pix and CycleGAN enlarge 256 pixels to 286 and crop 256 of them.
ENLARGED = 286 / 256

# Numbers of a row's independent draws; tasks use lower numbers.
JITTER, TURN, CROP = 100, 101, 102


def jitter(seeds: tf.Tensor, *images: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Enlarges (bilinear), crops back and mirrors at random, as Pix2Pix and CycleGAN do.

    Args:
        seeds: int64 [N, 2].
        images: uint8 [N, R, R, C] each; row n is cropped and mirrored the same way in all of them.
            One may be a label map [N, R, R], which is resized by nearest neighbour.

    Returns:
        The same shapes, uint8.
    """
    size = images[0].shape[1]
    room = round(size * ENLARGED) - size
    draws = uniform(seeds, JITTER, 3)  # [N, 3]: down, across, mirrored
    first = tf.cast(tf.floor(draws[:, :2] * (room + 1)), tf.int32)  # [N, 2]
    rows, columns = (first[:, i, None] + tf.range(size) for i in (0, 1))  # [N, R] each
    columns = tf.where(draws[:, 2, None] < 0.5, tf.reverse(columns, [1]), columns)

    def one(image: tf.Tensor) -> tf.Tensor:
        image = resized(image, size + room, size + room)
        image = tf.gather(image, rows, axis=1, batch_dims=1)
        return tf.gather(image, columns, axis=2, batch_dims=1)

    return tuple(map(one, images))


def mirror(seeds: tf.Tensor, *images: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Mirrors at random, all images of a row alike; does not resample, so images stay sharp.

    Args, returns: as `jitter`.
    """
    which = uniform(seeds, JITTER, 3)[:, 2] < 0.5
    return tuple(mirrored(image, which) for image in images)


def flip_and_turn(seeds: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """Mirrors and rotates by multiples of 90 degrees at random: [N, R, R, C] -> the same shape."""
    draws = uniform(seeds, TURN, 3)[:, :, None, None, None] < 0.5
    images = tf.where(draws[:, 0], tf.reverse(images, [1]), images)
    images = tf.where(draws[:, 1], tf.reverse(images, [2]), images)
    return tf.where(draws[:, 2], tf.transpose(images, [0, 2, 1, 3]), images)


def uniform(seeds: tf.Tensor, which: int, count: int) -> tf.Tensor:
    """Draws from [0, 1) for each row, from its own seed: int64 [N, 2] -> f32 [N, count].

    Args:
        seeds: One seed per row.
        which: Number of the draw; draws of a row with different numbers are independent.
        count: How many values to draw per row.
    """

    def draw(seed: tf.Tensor) -> tf.Tensor:
        seed = tf.random.experimental.stateless_fold_in(seed, which)
        return tf.random.stateless_uniform([count], seed)

    return tf.map_fn(draw, seeds, fn_output_signature=tf.TensorSpec([count], tf.float32))
