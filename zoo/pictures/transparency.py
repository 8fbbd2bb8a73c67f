"""Transparent pictures: laid on white before a model, as in training, and taken off it again.

What colours hide under transparent pixels is never seen.
"""

import tensorflow as tf

from zoo.pictures.images import luma

# Of alpha: below, what the model changed is not enlarged further, since errors would be, too.
_LEAST = 0.5


def on_white(colours: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    """uint8 [H, W, C] and uint8 [H, W, 1] -> uint8 [H, W, C], rounded as Pillow's composite."""
    colours, alpha = tf.cast(colours, tf.int32), tf.cast(alpha, tf.int32)
    return tf.cast((colours * alpha + 255 * (255 - alpha) + 127) // 255, tf.uint8)


def off_white(made: tf.Tensor, colours: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    """The output for a transparent picture, with its alpha.

    With alpha a in [0, 1], enlarged to the output's size, and c the picture's colours, enlarged
    after they are multiplied by alpha and divided by it again, so that no colour bleeds:

        laid = a c + (1 - a) 255,   colours = c + (made - laid) / max(a, 1/2)

    So opaque pixels are the model's, and so is what is at least half opaque once it is laid on
    white. Towards transparency the picture's own colours come in: no rim shows on any background.

    Args:
        made: uint8 [H, W, C], what the model made of the picture on white.
        colours: uint8 [h, w, c], the picture's.
        alpha: uint8 [h, w, 1].

    Returns:
        uint8 [H, W, C + 1]. Fully transparent pixels are white.
    """
    channels = made.shape[-1]
    share = tf.cast(alpha, tf.float32) / 255.0
    colours = tf.cast(colours, tf.float32)
    if colours.shape[-1] != channels:
        grey = luma(tf.cast(colours, tf.uint8)) if colours.shape[-1] == 3 else colours
        colours = tf.repeat(tf.cast(grey, tf.float32), channels, axis=-1)
    size = tf.shape(made)[:2]
    fitted = tf.concat([colours * share, share], -1)
    fitted = tf.cond(
        tf.reduce_all(tf.shape(fitted)[:2] == size),
        lambda: fitted,
        lambda: tf.image.resize(fitted, size, method="bicubic"),
    )
    fitted = tf.ensure_shape(fitted, [None, None, channels + 1])
    share = tf.clip_by_value(fitted[..., channels:], 0.0, 1.0)
    alpha = tf.round(share * 255.0)
    colours = tf.clip_by_value(tf.math.divide_no_nan(fitted[..., :channels], share), 0.0, 255.0)
    laid = share * colours + (1.0 - share) * 255.0
    colours += (tf.cast(made, tf.float32) - laid) / tf.maximum(share, _LEAST)
    colours = tf.where(alpha == 0.0, 255.0, tf.clip_by_value(tf.round(colours), 0.0, 255.0))
    return tf.cast(tf.concat([colours, alpha], -1), tf.uint8)
