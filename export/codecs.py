"""Picture files in the graph: from the bytes of a PNG or JPEG to pixels, and back to a PNG.

A file's size is read from its header and checked before anything is decoded. Bad input is refused
with INVALID_ARGUMENT and a one-line message.
"""

import tensorflow as tf

from zoo.pictures.images import luma

# Limits of a signature's output. 1920 x 1080 fits: Pix2Pix at the paper's widths takes 0.8 GiB and
# 13 s for it on two CPU cores. Larger pictures go through `zoo.pictures.tiles`.
MAX_PIXELS = 2**21
MAX_SIDE = 2**13

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
EXIF = b"Exif\x00\x00"
EXIF_WITHIN = 4096  # bytes from the start of a file
ORIENTATION = 0x0112
# PNG's colour types that have alpha.
GREY_ALPHA, RGB_ALPHA = 4, 6
# Bit depth and colour type of a PNG of 8-bit grey.
GREY_8 = b"\x08\x00"
# Of a PNG: signature, length and name of the first chunk, width, height, bit depth, colour type.
HEADER = 26


def size_rule(scale: int) -> str:
    """The rule for the size of an image."""
    made = f" once it is enlarged {scale} times" if scale > 1 else ""
    return (
        f"An image must have at most {MAX_PIXELS} pixels and {MAX_SIDE} a side{made}, "
        "and at least 1."
    )


def check_size(height: tf.Tensor, width: tf.Tensor, scale: int) -> tf.Operation:
    """An assertion that an image is neither empty nor too large."""
    height, width = (tf.cast(side, tf.int64) * scale for side in (height, width))
    fits = (tf.minimum(height, width) >= 1) & (tf.maximum(height, width) <= MAX_SIDE)
    received = [tf.strings.as_string(side // scale) for side in (height, width)]
    return _check(
        fits & (height * width <= MAX_PIXELS),
        [size_rule(scale), " Received: ", received[0], " x ", received[1], " (H x W)."],
    )


def check_rows(images: tf.Tensor) -> tf.Operation:
    """An assertion that there is at least one image."""
    n = tf.shape(images)[0]
    received = tf.strings.as_string(n)
    return _check(n >= 1, ["There must be at least one image. Received: ", received, "."])


def decode(data: tf.Tensor, channels: int, scale: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """One file, a string scalar -> its pixels, turned upright by a JPEG's EXIF orientation.

    Palettes, grey and CMYK become RGB. 16-bit files keep their upper 8 bits, an animated PNG its
    first frame.

    Args:
        data: The bytes of a PNG or a JPEG.
        channels: 1, 3 or 4; 1 is grey, 4 has alpha.
        scale: The model's: the limits apply to its output.

    Returns:
        uint8 [H, W, channels]; alpha uint8 [H, W, 1]; bool scalar, whether the file has alpha.
    """
    length = tf.strings.length(data)
    head, is_png = _header(data)
    known = _check(
        is_png | (tf.strings.substr(head, 0, 3) == JPEG),
        [
            "Each of image_bytes must be a PNG or a JPEG. Received: ",
            tf.strings.as_string(length),
            " bytes of something else.",
        ],
    )
    with tf.control_dependencies([known]):
        data = tf.identity(data)
    sides = tf.cond(
        is_png,
        lambda: _sides(head),
        lambda: tf.image.extract_jpeg_shape(data)[:2][::-1],
    )
    with tf.control_dependencies([check_size(sides[1], sides[0], scale)]):
        data = tf.identity(data)
    pixels = tf.cond(
        is_png,
        lambda: tf.io.decode_png(data, channels=4),
        lambda: _with_alpha(
            _upright(
                tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE"),
                orientation(data),
            )
        ),
    )
    pixels = tf.ensure_shape(pixels, [None, None, 4])
    alpha, has_alpha = _true_alpha(pixels[..., 3:], is_png, tf.strings.substr(head, 24, 2))
    pixels = tf.concat([pixels[..., :3], alpha], axis=-1)
    if channels == 1:
        return luma(pixels[..., :3]), alpha, has_alpha
    return pixels[..., :channels], alpha, has_alpha


def decode_map(data: tf.Tensor, scale: int) -> tf.Tensor:
    """One file, a string scalar -> a map of classes uint8 [H, W].

    Args:
        data: The bytes of a PNG of 8-bit grey, whose values are the classes. (Colours, a palette or
            a JPEG would change them.)
        scale: Of the model: the limit is on what comes out.
    """
    head, is_png = _header(data)
    known = _check(
        is_png & (tf.strings.substr(head, 24, 2) == GREY_8),
        [
            "Each of image_bytes must be a PNG of 8-bit grey, whose values are the classes. "
            "Received: ",
            tf.strings.as_string(tf.strings.length(data)),
            " bytes of another kind.",
        ],
    )
    with tf.control_dependencies([known]):
        height, width = tf.unstack(_sides(head)[::-1], 2)
    with tf.control_dependencies([check_size(height, width, scale)]):
        data = tf.identity(data)
    return tf.ensure_shape(tf.io.decode_png(data, channels=1), [None, None, 1])[..., 0]


def _header(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The first `HEADER` bytes of a file, filled up with zeros, and whether they are a PNG's."""
    head = tf.strings.substr(
        tf.strings.join([tf.strings.substr(data, 0, HEADER), b"\0" * HEADER]), 0, HEADER
    )
    is_png = (tf.strings.substr(head, 0, 8) == PNG) & (tf.strings.substr(head, 12, 4) == b"IHDR")
    return head, is_png


def _sides(head: tf.Tensor) -> tf.Tensor:
    """Width and height in a PNG's header: int32 [2]."""
    return tf.io.decode_raw(tf.strings.substr(head, 16, 8), tf.int32, little_endian=False)


def encode(image: tf.Tensor, alpha: tf.Tensor, has_alpha: tf.Tensor) -> tf.Tensor:
    """uint8 [H, W, C], C 1 or 3 -> a PNG, a string scalar.

    Args:
        image: The model's output.
        alpha: uint8 [h, w, 1], enlarged to the image's size by bicubic interpolation.
        has_alpha: Whether the PNG gets alpha.
    """

    def with_alpha() -> tf.Tensor:
        same = tf.reduce_all(tf.shape(alpha) == tf.shape(image[..., :1]))
        fitted = tf.cond(same, lambda: alpha, lambda: _resized(alpha, tf.shape(image)[:2]))
        return tf.io.encode_png(tf.concat([image, fitted], axis=-1))

    return tf.cond(has_alpha, with_alpha, lambda: tf.io.encode_png(image))


def _resized(alpha: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    fitted = tf.image.resize(alpha, size, method="bicubic")
    return tf.cast(tf.clip_by_value(tf.round(fitted), 0.0, 255.0), tf.uint8)


def _true_alpha(
    alpha: tf.Tensor, is_png: tf.Tensor, kind: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Alpha with 255 for opaque, and whether the file has alpha: a channel, or a clear colour.

    For a PNG without alpha, TensorFlow fills in the largest value of its bit depth, which is less
    than 255 for 1, 2 and 4 bits.
    """
    depth, colour_type = tf.unstack(tf.cast(tf.io.decode_raw(kind, tf.uint8), tf.int32), 2)
    fewer = is_png & (depth < 8)
    filled = tf.cast(tf.where(fewer, tf.bitwise.left_shift(1, depth) - 1, 255), tf.uint8)
    is_channel = is_png & ((colour_type == GREY_ALPHA) | (colour_type == RGB_ALPHA))
    has_alpha = is_channel | tf.reduce_any(alpha != filled)
    return tf.where(has_alpha, alpha, tf.constant(255, tf.uint8)), has_alpha


def _with_alpha(image: tf.Tensor) -> tf.Tensor:
    return tf.concat([image, tf.fill(tf.shape(image[..., :1]), tf.constant(255, tf.uint8))], -1)


def orientation(data: tf.Tensor) -> tf.Tensor:
    """A JPEG's EXIF orientation: int32 scalar from 1 (upright) to 8.

    1 if there is none that can be read.
    """
    head = tf.strings.substr(data, 0, EXIF_WITHIN)
    data = tf.cast(tf.io.decode_raw(head, tf.uint8), tf.int32)
    # The EXIF block starts with its name; a TIFF file follows.
    count = tf.maximum(tf.size(data) - len(EXIF), 0)
    is_here = tf.fill([count], True)
    for i, byte in enumerate(EXIF):
        is_here &= data[i : i + count] == byte
    places = tf.where(is_here)[:1, 0]
    found = tf.size(places) > 0
    start = tf.cast(tf.reduce_sum(places), tf.int32) + len(EXIF)
    tiff = tf.concat([data[start:], tf.zeros([16], tf.int32)], 0)
    little = tiff[0] == ord("I")

    def number(at: tf.Tensor, size: int) -> tf.Tensor:
        """The unsigned number in `size` bytes from `at`; 0 beyond the end."""
        value = tf.zeros_like(at)
        for i in range(size):
            power = tf.where(little, i, size - 1 - i)
            place = at + i
            byte = tf.gather(tiff, tf.clip_by_value(place, 0, tf.size(tiff) - 1))
            byte = tf.where((place >= 0) & (place < tf.size(tiff)), byte, 0)
            value += tf.bitwise.left_shift(byte, 8 * power)
        return value

    # The first directory: the number of entries, and 12 bytes each: tag, type, count, value.
    directory = tf.clip_by_value(number(tf.constant(4), 4), 0, EXIF_WITHIN)
    entries = directory + 2 + 12 * tf.range(tf.minimum(number(directory, 2), EXIF_WITHIN // 12))
    values = number(entries + 8, 2)
    named = tf.boolean_mask(values, number(entries, 2) == ORIENTATION)[:1]
    value = tf.reduce_sum(named)
    return tf.where(found & (value >= 1) & (value <= 8), value, 1)


def _upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns a picture upright; EXIF's orientation says how it is stored."""
    swapped = orientation >= 5  # rows are columns
    image = tf.cond(swapped, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    left_right = tf.reduce_any(orientation == [2, 3, 6, 7])
    upside_down = tf.reduce_any(orientation == [3, 4, 7, 8])
    image = tf.cond(left_right, lambda: tf.reverse(image, [1]), lambda: image)
    return tf.cond(upside_down, lambda: tf.reverse(image, [0]), lambda: image)


def _check(fits: tf.Tensor, parts: list[str | tf.Tensor]) -> tf.Operation:
    return tf.debugging.Assert(fits, [tf.strings.join(parts)])
