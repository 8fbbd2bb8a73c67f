"""Augmentations inside training: D never sees an image without them, real or generated.

`ada` is the pipeline of Karras et al. 2020a, "Training Generative Adversarial Networks with Limited
Data" (appendix B: pixel blitting, geometry, colour), whose strength p `AdaptiveStrength` controls;
`diff_augment` is Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training".
Both are differentiable in the images, twice (R1 goes through them), and functions of their seed.

Differences from the paper's code: its image ends one width away from its edges, with zeros beyond,
where this one is mirrored for ever; and what is mirrored is mirrored at twice the size, where the
code filters a mirrored image (the filter is not quite symmetric).
"""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

TURN = 2.0 * math.pi
# The low-pass of the wavelet sym6 (Daubechies 1992, table 8.3): orthogonal to its shifts by two, so
# that doubling an image with it and halving the result gives the image back.
SYM6 = np.array(
    [
        0.015404109327027373,
        0.0034907120842174702,
        -0.11799011114819057,
        -0.048311742585633,
        0.4910559419267466,
        0.787641141030194,
        0.3379294217276218,
        -0.07263752278646252,
        -0.021060292512300564,
        0.04472490177066578,
        0.0017677118642428036,
        -0.007800708325034148,
    ]
)
PEAK = 5  # its largest tap
MARGIN = 6  # pixels of the doubled image beyond each edge
LUMA = np.full([3], 1.0 / math.sqrt(3.0), np.float32)  # the grey axis of RGB


class _Draws:
    """Draws for `count` images, each draw from its own stream."""

    def __init__(self, seed: tf.Tensor, count: tf.Tensor) -> None:
        self._seed = tf.cast(seed, tf.int64)
        self._taken = 0
        self.count = count

    def _next(self) -> tf.Tensor:
        self._taken += 1
        return tf.random.fold_in(self._seed, tf.constant(self._taken, tf.int64))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
        """f32 [N]."""
        return tf.random.stateless_uniform([self.count], self._next(), low, high)

    def normal(self, deviation: float) -> tf.Tensor:
        """f32 [N]."""
        return deviation * tf.random.stateless_normal([self.count], self._next())

    def whole(self, limit: int) -> tf.Tensor:
        """0 to limit - 1, as f32 [N]."""
        return tf.minimum(tf.floor(self.uniform(0.0, float(limit))), limit - 1.0)

    def choose(self, p: tf.Tensor | float) -> tf.Tensor:
        """True with probability p: bool [N]."""
        return self.uniform() < p


# ---- ADA


def ada(images: tf.Tensor, p: tf.Tensor | float, seed: tf.Tensor) -> tf.Tensor:
    """Applies every transformation of the pipeline with probability p, to each image separately.

    Args:
        images: float [N, H, W, C] in [-1, 1], C 1 or 3; H = W.
        p: Scalar, at least 0; from 1 on every transformation is applied.
        seed: Integer [2].

    Returns:
        As `images`; colours may leave [-1, 1].
    """
    geometry_seed, colour_seed = tf.unstack(tf.random.split(tf.cast(seed, tf.int64), 2))
    count, (_, height, _, channels) = tf.shape(images)[0], images.shape
    wide = tf.cast(images, tf.float32) if images.dtype.size < 4 else images
    wide = warp(wide, geometry(count, height, p, geometry_seed))
    wide = recolour(wide, colours(count, channels, p, colour_seed))
    return tf.cast(wide, images.dtype)


def geometry(count: tf.Tensor, size: int, p: tf.Tensor | float, seed: tf.Tensor) -> tf.Tensor:
    """Draws what `warp` takes: f32 [count, 3, 3], for images of `size` pixels a side.

    In the pipeline's order: flip, quarter turns, whole shifts; scale, rotation, stretch, rotation,
    shift. The matrix goes from a pixel of the result to one of the image, so it is the product of
    their inverses in this order.
    """
    draw = _Draws(seed, count)
    flip = tf.where(draw.choose(p), draw.whole(2), 0.0)
    matrix = _scaling(1.0 - 2.0 * flip, tf.ones_like(flip))
    matrix @= _quarter_turns(tf.where(draw.choose(p), draw.whole(4), 0.0))
    chosen = draw.choose(p)
    shifts = [tf.round(draw.uniform(-0.125, 0.125) * size) for _ in "xy"]
    matrix @= _shift(*(tf.where(chosen, -shift, 0.0) for shift in shifts))

    scale = tf.where(draw.choose(p), 2.0 ** draw.normal(0.2), 1.0)
    matrix @= _scaling(1.0 / scale, 1.0 / scale)
    # Two rotations, so that at least one of them happens with probability p.
    p_each = 1.0 - tf.sqrt(tf.clip_by_value(1.0 - p, 0.0, 1.0))
    angle = tf.where(draw.choose(p_each), draw.uniform(-TURN / 2, TURN / 2), 0.0)
    matrix @= _rotation(angle)
    stretch = tf.where(draw.choose(p), 2.0 ** draw.normal(0.2), 1.0)
    matrix @= _scaling(1.0 / stretch, stretch)
    angle = tf.where(draw.choose(p_each), draw.uniform(-TURN / 2, TURN / 2), 0.0)
    matrix @= _rotation(angle)
    chosen = draw.choose(p)
    shifts = [draw.normal(0.125) * size for _ in "xy"]
    return matrix @ _shift(*(tf.where(chosen, -shift, 0.0) for shift in shifts))


def _rows(rows: list[list[tf.Tensor | float]], like: tf.Tensor) -> tf.Tensor:
    """Rows of tensors [N] and numbers -> [N, rows, columns]."""
    return tf.stack(
        [tf.stack([entry + tf.zeros_like(like) for entry in row], axis=-1) for row in rows], axis=-2
    )


def _scaling(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return _rows([[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, 1.0]], x)


def _shift(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return _rows([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]], x)


def _rotation(angle: tf.Tensor) -> tf.Tensor:
    sin, cos = tf.sin(angle), tf.cos(angle)
    return _rows([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]], angle)


def _quarter_turns(turns: tf.Tensor) -> tf.Tensor:
    """Like `_rotation`, with exact sines; `turns` is from 0 to 3."""
    sin = tf.gather([0.0, 1.0, 0.0, -1.0], tf.cast(turns, tf.int32))
    cos = tf.gather([1.0, 0.0, -1.0, 0.0], tf.cast(turns, tf.int32))
    return _rows([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]], turns)


def warp(images: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
    """Images through affine maps, at twice their size (2020a, appendix B).

    The image is doubled by the wavelet filter, sampled bilinearly at every half pixel of the
    result, and halved by the same filter turned around. So high frequencies survive that bilinear
    sampling at the image's own size would lose. Beyond its edges the image is mirrored.

    Args:
        images: float [N, H, W, C], H and W at least 4.
        matrices: float [N, 3, 3]: from (x, y, 1) of the result to that of the image, in pixels
            from the centre, x to the right and y down.

    Returns:
        As `images`.
    """
    _, height, width, _ = images.shape
    matrices = tf.cast(matrices, images.dtype)
    doubled = _along_axes(images, _doubling(height), _doubling(width))
    # Half pixels of the result, those beyond its edges included that the filter needs.
    y, x = (np.arange(-PEAK, 2 * size + 5) / 2 - (size - 1) / 2 for size in (height, width))
    y, x = (grid.ravel() for grid in np.meshgrid(y, x, indexing="ij"))
    places = tf.constant(np.stack([x, y, np.ones_like(x)]), images.dtype)
    sources = matrices[:, :2] @ places  # [N, 2, P]
    column, right = _mirrored(sources[:, 0] + (width - 1) / 2, width)
    row, down = _mirrored(sources[:, 1] + (height - 1) / 2, height)
    sampled = _bilinear(doubled, row, down, column, right)
    sampled = tf.reshape(sampled, [-1, 2 * height + 10, 2 * width + 10, images.shape[-1]])
    return _along_axes(sampled, _halving(height), _halving(width))


def _doubling(size: int) -> np.ndarray:
    """From a line of pixels to twice as many, MARGIN more on each side: [2 size - 1 + 12, size].

    Pixel i is at 2 i + MARGIN. The line is mirrored at its first and last pixel.
    """
    matrix = np.zeros([2 * size - 1 + 2 * MARGIN, size])
    for i in range(-2 * MARGIN, size + 2 * MARGIN):
        pixel = i % (2 * size - 2)
        pixel = min(pixel, 2 * size - 2 - pixel)
        for tap, value in enumerate(SYM6):
            place = 2 * i + tap - PEAK + MARGIN
            if 0 <= place < len(matrix):
                matrix[place, pixel] += math.sqrt(2.0) * value
    return matrix


def _halving(size: int) -> np.ndarray:
    """From half pixels, PEAK before the first pixel and 6 after the last: [size, 2 size + 10]."""
    matrix = np.zeros([size, 2 * size + 10])
    for i in range(size):
        matrix[i, 2 * i : 2 * i + len(SYM6)] = SYM6 / math.sqrt(2.0)
    return matrix


def _along_axes(images: tf.Tensor, rows: np.ndarray, columns: np.ndarray) -> tf.Tensor:
    """Matrices applied to the columns and to the rows of images [N, H, W, C]."""
    x = tf.transpose(images, [0, 3, 1, 2])
    x = tf.tensordot(x, tf.constant(columns.T, x.dtype), 1)  # [N, C, H, W']
    x = tf.tensordot(tf.transpose(x, [0, 1, 3, 2]), tf.constant(rows.T, x.dtype), 1)
    return tf.transpose(x, [0, 3, 2, 1])  # of [N, C, W', H']


def _mirrored(place: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """A coordinate in pixels: that of the doubled image before it, and the fraction that is left.

    Beyond the doubled image's margin it is mirrored.
    """
    place *= 2.0
    end = 2.0 * (size - 1)
    # To the nearest image of pixel 0, of which there is one every 2 `end`.
    beyond = tf.abs(place - 2.0 * end * tf.round(place / (2.0 * end)))
    inside = (place >= -MARGIN) & (place <= end + MARGIN)
    place = tf.where(inside, place, beyond) + MARGIN
    before = tf.floor(place)
    return tf.cast(before, tf.int32), place - before


def _bilinear(
    images: tf.Tensor, row: tf.Tensor, down: tf.Tensor, column: tf.Tensor, right: tf.Tensor
) -> tf.Tensor:
    """Pixels [N, P] of images [N, H, W, C], each mixed with its neighbours: [N, P, C]."""
    # Each pixel with the three after it, so that one look-up finds all four. Sums over them are
    # products with constant matrices, which are faster than sums of short axes.
    x = tf.concat([images, _successor(images, 2)], axis=-1)
    x = tf.concat([x, _successor(x, 1)], axis=-1)
    channels, points = images.shape[-1], row.shape[1]
    four = tf.reshape(_pixels(x, row, column), [-1, 4 * channels])
    left, up = 1.0 - right, 1.0 - down
    shares = tf.stack([up * left, up * right, down * left, down * right])
    shares = tf.transpose(tf.reshape(shares, [4, -1]))
    spread = tf.constant(np.kron(np.eye(4), np.ones([1, channels])), x.dtype)
    total = tf.constant(np.kron(np.ones([4, 1]), np.eye(channels)), x.dtype)
    return tf.reshape((four * (shares @ spread)) @ total, [-1, points, channels])


def _successor(images: tf.Tensor, axis: int) -> tf.Tensor:
    """Each pixel's successor along an axis; the last one's is itself."""
    size = images.shape[axis]
    return tf.gather(images, np.minimum(np.arange(size) + 1, size - 1), axis=axis)


def _pixels(images: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """The pixels of each image at rows, columns [N, P]: [N, P, C]."""
    count, height, width, channels = tf.unstack(tf.shape(images))
    # One flat list: gathering from it is faster than in batches, and so is its gradient.
    start = tf.range(count)[:, None] * (height * width)
    return tf.gather(tf.reshape(images, [-1, channels]), start + rows * width + columns)


def colours(count: tf.Tensor, channels: int, p: tf.Tensor | float, seed: tf.Tensor) -> tf.Tensor:
    """Draws what `recolour` takes: f32 [count, 4, 4].

    In the pipeline's order: brightness, contrast, luma flip and, for RGB, hue and saturation.
    """
    draw = _Draws(seed, count)
    shift = tf.where(draw.choose(p), draw.normal(0.2), 0.0)
    matrix = _colour(tf.eye(3, batch_shape=[count]), shift)
    contrast = tf.where(draw.choose(p), 2.0 ** draw.normal(0.5), 1.0)
    matrix = _colour(contrast[:, None, None] * tf.eye(3)) @ matrix
    luma = tf.constant(np.outer(LUMA, LUMA))
    flip = tf.where(draw.choose(p), draw.whole(2), 0.0)
    matrix = _colour(tf.eye(3) - 2.0 * flip[:, None, None] * luma) @ matrix
    if channels == 1:
        return matrix
    angle = tf.where(draw.choose(p), draw.uniform(-TURN / 2, TURN / 2), 0.0)
    matrix = _colour(_around_grey(angle)) @ matrix
    saturation = tf.where(draw.choose(p), 2.0 ** draw.normal(1.0), 1.0)
    return _colour(luma + saturation[:, None, None] * (tf.eye(3) - luma)) @ matrix


def _colour(linear: tf.Tensor, shift: tf.Tensor | None = None) -> tf.Tensor:
    """[N, 3, 3], and one shift [N] for R, G and B -> [N, 4, 4]."""
    count = tf.shape(linear)[0]
    shift = tf.zeros([count]) if shift is None else shift
    upper = tf.concat([linear, tf.repeat(shift[:, None, None], 3, axis=1)], axis=2)
    return tf.concat([upper, tf.repeat([[[0.0, 0.0, 0.0, 1.0]]], count, axis=0)], axis=1)


def _around_grey(angle: tf.Tensor) -> tf.Tensor:
    """Rotation by `angle` [N] around the grey axis (Rodrigues): [N, 3, 3]."""
    v = float(LUMA[0])
    cross = tf.constant([[0.0, -v, v], [v, 0.0, -v], [-v, v, 0.0]])
    sin, versine = tf.sin(angle)[:, None, None], (1.0 - tf.cos(angle))[:, None, None]
    return tf.eye(3) + sin * cross + versine * (cross @ cross)


def recolour(images: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
    """Applies affine maps [N, 4, 4] of (R, G, B, 1) to the pixels of images [N, H, W, C].

    A grey image is treated as R = G = B, and the result is the mean of the three.
    """
    matrices = tf.cast(matrices, images.dtype)
    linear, shift = matrices[:, :3, :3], matrices[:, None, None, :3, 3]
    if images.shape[-1] == 1:
        factor = tf.reduce_mean(tf.reduce_sum(linear, axis=2), axis=1)
        shift = tf.reduce_mean(shift, axis=-1, keepdims=True)
        return images * factor[:, None, None, None] + shift
    if images.shape[-1] != 3:
        raise ValueError(f"ADA takes images of 1 or 3 channels. Received: {images.shape[-1]}.")
    return tf.einsum("nhwc,ndc->nhwd", images, linear) + shift


def cutout(images: tf.Tensor, p: tf.Tensor | float, seed: tf.Tensor) -> tf.Tensor:
    """Sets a square of half the size, anywhere in the image, to 0 with probability p.

    It is the last transformation of appendix B, which `ada` leaves out, as the paper's best
    pipeline does.

    Args:
        images: float [N, H, W, C].
        p: Scalar.
        seed: Integer [2].

    Returns:
        As `images`.
    """
    draw = _Draws(seed, tf.shape(images)[0])
    cut = draw.choose(p)[:, None, None]
    for axis in (1, 2):
        size = images.shape[axis]
        places = tf.constant((np.arange(size) + 0.5) / size, tf.float32)
        near = tf.abs(places - draw.uniform()[:, None]) < 0.25
        cut &= tf.expand_dims(near, 3 - axis)
    return tf.where(cut[..., None], tf.zeros_like(images), images)


@keras.saving.register_keras_serializable("gan_zoo")
class AdaptiveStrength(keras.layers.Layer):
    """ADA's controller: the strength p that holds r_t = E[sign D(real)] at a target.

    p rises by images / speed if r_t of the last `interval` steps was above the target (D overfits),
    and falls otherwise, but not below 0 (section 3 of the paper). As in the paper's code it may
    rise above 1, and r_t counts all logits of real images, those of R1 too.

    Args:
        target: The target of r_t.
        interval: Steps from one adjustment to the next.
        speed: Images that p needs to go from 0 to 1.
    """

    def __init__(
        self, target: float = 0.6, interval: int = 4, speed: float = 500_000.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.target = target
        self.interval = interval
        self.speed = speed
        self.p = self._state("p")
        # Since the last adjustment, on a replica.
        self.signs = self._state("signs")
        self.judged = self._state("judged")
        self.built = True

    def _state(self, name: str) -> keras.Variable:
        return self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="float32",
            trainable=False,
            autocast=False,
            aggregation="mean",
            name=name,
        )

    def observe(self, real_logits: tf.Tensor) -> None:
        """Counts D's logits [N, 1] of real images on this replica."""
        self.signs.assign_add(tf.reduce_sum(tf.sign(tf.cast(real_logits, tf.float32))))
        self.judged.assign_add(tf.cast(tf.shape(real_logits)[0], tf.float32))

    def adjust(self, step: tf.Tensor, count: tf.Tensor) -> None:
        """After step number `step`, from 1: adjusts p if this is the last step of an interval.

        Args:
            step: Integer scalar.
            count: Real images that each step shows, on all replicas.
        """
        due = tf.equal(step % self.interval, 0)
        excess = tf.sign(self.signs / tf.maximum(self.judged, 1.0) - self.target)
        images = tf.cast(count, tf.float32) * self.interval
        moved = tf.maximum(self.p + excess * images / self.speed, 0.0)
        self.p.assign(tf.where(due, moved, self.p))
        for sum_of in (self.signs, self.judged):
            sum_of.assign(tf.where(due, 0.0, sum_of))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "target": self.target,
            "interval": self.interval,
            "speed": self.speed,
        }


# ---- DiffAugment


def diff_augment(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Colour, translation and cutout, on every image (Zhao et al. 2020, section 4).

    Brightness + U(-.5, .5), saturation x U(0, 2), contrast x U(.5, 1.5); a shift of up to an eighth
    of the size, zeros coming in; a square of half the size, anywhere, set to 0.

    Args:
        images: float [N, H, W, C] in [-1, 1].
        seed: Integer [2].

    Returns:
        As `images`.
    """
    count, (_, height, width, _) = tf.shape(images)[0], images.shape
    draw = _Draws(seed, count)

    def per_image(value: tf.Tensor) -> tf.Tensor:
        return tf.cast(value[:, None, None, None], images.dtype)

    x = images + per_image(draw.uniform(-0.5, 0.5))
    grey = tf.reduce_mean(x, axis=3, keepdims=True)
    x = grey + (x - grey) * per_image(draw.uniform(0.0, 2.0))
    mean = tf.reduce_mean(x, axis=[1, 2, 3], keepdims=True)
    x = mean + (x - mean) * per_image(draw.uniform(0.5, 1.5))

    masks, places = [], []
    for size in (height, width):
        reach = int(size / 8 + 0.5)
        shift = tf.cast(draw.whole(2 * reach + 1), tf.int32) - reach
        source = tf.range(size)[None] + shift[:, None]  # [N, size]
        masks.append((source >= 0) & (source < size))
        places.append(tf.clip_by_value(source, 0, size - 1))
    shape = [count, height, width]
    rows, columns = (
        tf.reshape(tf.broadcast_to(place, shape), [count, -1])
        for place in (places[0][:, :, None], places[1][:, None, :])
    )
    x = tf.reshape(_pixels(x, rows, columns), tf.shape(x))
    kept = masks[0][:, :, None] & masks[1][:, None, :]

    cut = tf.fill(shape, True)
    for size, axis in ((height, 2), (width, 1)):
        side = int(size / 2 + 0.5)
        first = tf.cast(draw.whole(size + 1 - side % 2), tf.int32) - side // 2
        place = tf.range(size)[None] - first[:, None]
        cut &= tf.expand_dims((place >= 0) & (place < side), axis)
    return tf.where((kept & ~cut)[..., None], x, tf.zeros_like(x))
