"""Picture files in the graph: from the bytes of a PNG or JPEG to pixels, and back to a PNG.

A file's size is read from its header and checked before anything is decoded. Bad input is refused
with INVALID_ARGUMENT and a one-line message.
"""

import tensorflow as tf

from zoo.pictures import exif, png, transparency
from zoo.pictures.images import luma
from zoo.pictures.marks import PNG_HEADER, Mark

# Limits of a signature's output. 1920 x 1080 fits: Pix2Pix at the paper's widths takes 0.8 GiB and
# 13 s for it on two CPU cores. Larger pictures go through `zoo.pictures.tiles`.
MAX_PIXELS = 2**21
MAX_SIDE = 2**13

JPEG = b"\xff\xd8\xff"


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
    """One file, a string scalar -> its pixels, upright, as `zoo.pictures.decoder` decodes it.

    Args:
        data: The bytes of a PNG or a JPEG.
        channels: 1, 3 or 4; 1 is grey, 4 has alpha.
        scale: The model's: the limits apply to its output.

    Returns:
        uint8 [H, W, channels], on white unless it has alpha; RGB as in the file, and alpha, uint8
        [H, W, 4]; bool scalar, whether the file has alpha.
    """
    head, is_png = png.header(data)
    known = _check(
        is_png | (tf.strings.substr(head, 0, 3) == JPEG),
        [
            "Each of image_bytes must be a PNG or a JPEG. Received: ",
            tf.strings.as_string(tf.strings.length(data)),
            " bytes of something else.",
        ],
    )
    with tf.control_dependencies([known]):
        data = tf.identity(data)
    shape = tf.cond(is_png, lambda: _shape(head), lambda: tf.image.extract_jpeg_shape(data))
    with tf.control_dependencies([check_size(shape[0], shape[1], scale)]):
        data = tf.identity(data)
    pixels, has_alpha = tf.cond(is_png, lambda: png.decode(data), lambda: _of_jpeg(data, shape[2]))
    pixels = exif.upright(pixels, exif.orientation(data, is_png))
    pixels = tf.ensure_shape(pixels, [None, None, 4])
    if channels == 4:
        return pixels, pixels, has_alpha
    given = transparency.on_white(pixels[..., :3], pixels[..., 3:])
    return luma(given) if channels == 1 else given, pixels, has_alpha


def decode_map(data: tf.Tensor, scale: int) -> tf.Tensor:
    """One file, a string scalar -> a map of classes uint8 [H, W].

    Args:
        data: The bytes of a PNG of 8-bit grey, whose values are the classes. (Colours, a palette or
            a JPEG would change them.)
        scale: Of the model: the limit is on what comes out.
    """
    head, is_png = png.header(data)
    known = _check(
        is_png & (tf.strings.substr(head, 24, 2) == png.GREY_8),
        [
            "Each of image_bytes must be a PNG of 8-bit grey, whose values are the classes. "
            "Received: ",
            tf.strings.as_string(tf.strings.length(data)),
            " bytes of another kind.",
        ],
    )
    with tf.control_dependencies([known]):
        height, width, _ = tf.unstack(_shape(head))
    with tf.control_dependencies([check_size(height, width, scale)]):
        data = tf.identity(data)
    classes = tf.ensure_shape(tf.io.decode_png(data, channels=1), [None, None, 1])
    return exif.upright(classes, exif.orientation(data, is_png))[..., 0]


def encode(made: tf.Tensor, pixels: tf.Tensor, has_alpha: tf.Tensor) -> tf.Tensor:
    """uint8 [H, W, C], C 1 or 3 -> a PNG, a string scalar.

    Args:
        made: The model's output.
        pixels: uint8 [h, w, 4], the picture that it was made of.
        has_alpha: Whether the PNG gets its alpha; see `zoo.pictures.transparency`.
    """
    return tf.cond(
        has_alpha,
        lambda: tf.io.encode_png(transparency.off_white(made, pixels[..., :3], pixels[..., 3:])),
        lambda: tf.io.encode_png(made),
    )


def marked(files: tf.Tensor, mark: Mark) -> tf.Tensor:
    """PNG files, string [N] -> the same, each with the mark behind its header."""
    head = tf.strings.substr(files, 0, PNG_HEADER)
    rest = tf.strings.substr(files, PNG_HEADER, tf.int32.max)
    return tf.strings.join([head, tf.constant(mark.chunk()), rest])


def _shape(head: tf.Tensor) -> tf.Tensor:
    """Height, width and 4 of a PNG's header: int32 [3]."""
    sides = tf.io.decode_raw(tf.strings.substr(head, 16, 8), tf.int32, little_endian=False)
    return tf.stack([sides[1], sides[0], 4])


def _of_jpeg(data: tf.Tensor, channels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Opaque pixels, uint8 [H, W, 4], and False."""
    known = _check((channels != 4) | (exif.segment(data, *exif.ADOBE) >= 0), [exif.CMYK_RULE])
    with tf.control_dependencies([known]):
        data = tf.identity(data)
    image = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")
    opaque = tf.fill(tf.shape(image[..., :1]), tf.constant(255, tf.uint8))
    return tf.concat([image, opaque], -1), tf.constant(False)


def _check(fits: tf.Tensor, parts: list[str | tf.Tensor]) -> tf.Operation:
    return tf.debugging.Assert(fits, [tf.strings.join(parts)])
