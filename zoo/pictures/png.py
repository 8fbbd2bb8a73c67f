"""The pixels of a PNG, in the graph of an export and outside: one decoder for both.

Pillow would not notice a wrong checksum or a missing end, nor a transparent colour of 16 bits.
"""

import tensorflow as tf

from zoo.pictures import exif

MAGIC = b"\x89PNG\r\n\x1a\n"
# Signature, length and name of the first chunk, width, height, bit depth, colour type.
HEADER = 26
# Bit depth and colour type of 8-bit grey.
GREY_8 = b"\x08\x00"
# Colour types that have alpha.
_GREY_ALPHA, _RGB_ALPHA = 4, 6
_SIGNIFICANT = b"sBIT"
# 16 bits a channel that hold no larger value hold values of 12 bits or fewer, and would look black.
FEWEST_BITS = 12
BITS_RULE = (
    "A picture of 16 bits a channel must use their range: multiply values of 12 bits by 16. "
    "Received: values up to "
)


def header(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The first `HEADER` bytes of a file, filled up with zeros, and whether they are a PNG's."""
    head = tf.strings.substr(
        tf.strings.join([tf.strings.substr(data, 0, HEADER), b"\0" * HEADER]), 0, HEADER
    )
    is_png = (tf.strings.substr(head, 0, 8) == MAGIC) & (tf.strings.substr(head, 12, 4) == b"IHDR")
    return head, is_png


def decode(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The bytes of a PNG, a string scalar -> its pixels as they lie in the file.

    Palettes and grey become RGB; 16 bits keep the upper 8; an animation shows its first picture.

    Returns:
        uint8 [H, W, 4], and whether the file has alpha: a channel, or a transparent colour.

    Raises:
        tf.errors.InvalidArgumentError: A damaged file, or 16 bits that hold 12 (`BITS_RULE`).
    """
    kind = tf.strings.substr(header(data)[0], 24, 2)
    depth, colour_type = tf.unstack(tf.cast(tf.io.decode_raw(kind, tf.uint8), tf.int32), 2)
    pixels = tf.cond(
        depth == 16, lambda: _upper_bits(data), lambda: tf.io.decode_png(data, channels=4)
    )
    pixels = tf.ensure_shape(pixels, [None, None, 4])
    alpha = pixels[..., 3:]
    # Without alpha TensorFlow fills in the largest value of the depth: 1, 3 or 15 of few bits.
    filled = tf.where(depth < 8, tf.bitwise.left_shift(1, tf.minimum(depth, 8)) - 1, 255)
    is_channel = (colour_type == _GREY_ALPHA) | (colour_type == _RGB_ALPHA)
    has_alpha = is_channel | tf.reduce_any(alpha != tf.cast(filled, tf.uint8))
    alpha = tf.where(has_alpha, alpha, tf.constant(255, tf.uint8))
    return tf.concat([pixels[..., :3], alpha], axis=-1), has_alpha


def _upper_bits(data: tf.Tensor) -> tf.Tensor:
    pixels = tf.io.decode_png(data, channels=4, dtype=tf.uint16)
    largest = tf.reduce_max(tf.cast(pixels[..., :3], tf.int32))
    # The bits that the file says are significant; a writer should have put them on top.
    at = exif.chunk(data, _SIGNIFICANT)
    stated = tf.strings.substr(tf.strings.join([data, b"\0"]), tf.maximum(at, 0), 1)
    bits = tf.cast(tf.io.decode_raw(stated, tf.uint8)[0], tf.int32)
    bits = tf.where((at > 0) & (bits > FEWEST_BITS) & (bits < 16), bits, FEWEST_BITS)
    fits = (largest == 0) | (largest >= tf.bitwise.left_shift(1, bits))
    message = tf.strings.join([BITS_RULE, tf.strings.as_string(largest), "."])
    with tf.control_dependencies([tf.debugging.Assert(fits, [message])]):
        return tf.cast(tf.bitwise.right_shift(pixels, tf.constant(8, tf.uint16)), tf.uint8)
