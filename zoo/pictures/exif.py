"""Which way up a picture lies in its file, in the graph: EXIF of a PNG or a JPEG.

Pillow also believes XMP and ImageMagick's text chunks. Most viewers do not, and neither does this.
"""

import tensorflow as tf

ORIENTATION = 0x0112  # the tag
# Adobe's segment of a JPEG, which says how CMYK is stored.
ADOBE = 0xEE, b"Adobe"
CMYK_RULE = (
    "A JPEG of CMYK must have Adobe's marker, which says how the inks are stored: convert it to "
    "RGB. Received: one without."
)
_EXIF = 0xE1, b"Exif\x00\x00"
_PNG_EXIF = b"eXIf"
_LONG = 4  # EXIF's type of 32 bits; others are read as 16
# Segments or chunks that are looked at, and bytes of EXIF.
_MOST = 2**16


def orientation(data: tf.Tensor, is_png: tf.Tensor) -> tf.Tensor:
    """EXIF's orientation: int32 scalar from 1 (upright) to 8.

    1 if there is none that can be read.

    Args:
        data: The bytes of a PNG or a JPEG, a string scalar.
        is_png: bool scalar.
    """
    start = tf.cond(
        is_png, lambda: chunk(data, _PNG_EXIF), lambda: segment(data, *_EXIF) + len(_EXIF[1])
    )
    # A PNG should hold the TIFF file alone, but some writers put a JPEG's heading before it.
    headed = is_png & (_bytes(data, start, len(_EXIF[1])) == _EXIF[1])
    start += tf.where(headed, len(_EXIF[1]), 0)
    found = start >= len(_EXIF[1]) + 2
    tiff = tf.strings.join([_bytes(data, tf.maximum(start, 0), _MOST), b"\0" * 16])
    tiff = tf.cast(tf.io.decode_raw(tiff, tf.uint8), tf.int32)
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
    directory = tf.clip_by_value(number(tf.constant(4), 4), 0, _MOST)
    entries = directory + 2 + 12 * tf.range(tf.minimum(number(directory, 2), _MOST // 12))
    long = number(entries + 2, 2) == _LONG
    values = tf.where(long, number(entries + 8, 4), number(entries + 8, 2))
    named = tf.boolean_mask(values, number(entries, 2) == ORIENTATION)[:1]
    value = tf.reduce_sum(named)
    return tf.where(found & (value >= 1) & (value <= 8), value, 1)


def upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns a picture [H, W, C] upright."""
    swapped = orientation >= 5  # rows are columns
    image = tf.cond(swapped, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    left_right = tf.reduce_any(orientation == [2, 3, 6, 7])
    upside_down = tf.reduce_any(orientation == [3, 4, 7, 8])
    image = tf.cond(left_right, lambda: tf.reverse(image, [1]), lambda: image)
    return tf.cond(upside_down, lambda: tf.reverse(image, [0]), lambda: image)


def chunk(data: tf.Tensor, name: bytes) -> tf.Tensor:
    """Where the content of a PNG's first chunk of that name starts: int32 scalar, -1 for none."""

    def look(at: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        length = tf.io.decode_raw(_bytes(data, at, 4), tf.int32, little_endian=False)[0]
        here = _bytes(data, at + 4, 4) == name
        # A length from 2^31 is negative, and the walk ends.
        after = tf.where(length < 0, -1, at + 12 + length)
        return after, tf.where(here, at + 8, -1)

    return _walk(data, look, 8)


def segment(data: tf.Tensor, marker: int, start: bytes) -> tf.Tensor:
    """Where the content of a JPEG's first segment of a marker begins, if it starts with `start`.

    int32 scalar, -1 for none. Only what comes before the pixels is looked at.
    """

    def look(at: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        head = tf.cast(tf.io.decode_raw(_bytes(data, at, 4), tf.uint8), tf.int32)
        is_marker, kind = head[0] == 0xFF, head[1]
        here = is_marker & (kind == marker) & (_bytes(data, at + 4, len(start)) == start)
        step = tf.where(kind == 0xFF, 1, 2 + 256 * head[2] + head[3])  # a byte that fills up
        ends = ~is_marker | (kind == 0xDA) | (kind == 0xD9) | (step == 0)
        return tf.where(ends, -1, at + step), tf.where(here, at + 4, -1)

    return _walk(data, look, 2)


def _walk(data: tf.Tensor, look, start: int) -> tf.Tensor:
    length = tf.strings.length(data)
    _, found = tf.while_loop(
        lambda at, found: (found < 0) & (at >= 0) & (at + 8 <= length),
        look,
        (tf.constant(start), tf.constant(-1)),
        maximum_iterations=_MOST,
    )
    return found


def _bytes(data: tf.Tensor, at: tf.Tensor, count: int) -> tf.Tensor:
    """`count` bytes from `at`, fewer at the end; zeros fill up what is short of 16."""
    at = tf.clip_by_value(at, 0, tf.strings.length(data))
    some = tf.strings.substr(data, at, count)
    if count > 16:
        return some
    return tf.strings.substr(tf.strings.join([some, b"\0" * count]), 0, count)
