"""Augmentations inside training: D never sees an image without them, real or generated.

`ada` is the pipeline of Karras et al. 2020a, "Training Generative Adversarial Networks with Limited
Data" (appendix B: pixel blitting, geometry, colour), whose strength p `AdaptiveStrength` controls;
`diff_augment` is Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training".
Both are differentiable in the images, twice (R1 goes through them), and functions of their seed.

One difference from the paper's code: the warp samples bilinearly at the image's own size, where the
code samples at twice that size between two wavelet filters. Flips, quarter turns and whole shifts
are exact.
"""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

TURN = 2.0 * math.pi
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
        return tf.random.stateless_uniform([self.count], self._next(), low, high, alg="philox")

    def normal(self, deviation: float) -> tf.Tensor:
        """f32 [N]."""
        return deviation * tf.random.stateless_normal([self.count], self._next(), alg="philox")

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
        p: Scalar in [0, 1].
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
    """Images sampled bilinearly through affine maps; beyond their edges they are mirrored.

    Args:
        images: float [N, H, W, C], H and W at least 2.
        matrices: float [N, 3, 3]: from (x, y, 1) of the result to that of the image, in pixels
            from the centre, x to the right and y down.

    Returns:
        As `images`.
    """
    _, height, width, _ = images.shape
    matrices = tf.cast(matrices, images.dtype)
    y, x = np.mgrid[:height, :width].reshape(2, -1) - np.array([[height - 1], [width - 1]]) / 2
    places = tf.constant(np.stack([x, y, np.ones_like(x)]), images.dtype)
    sources = matrices[:, :2] @ places  # [N, 2, H W]
    left, right, to_right = _mirrored(sources[:, 0] + (width - 1) / 2, width)
    above, below, down = _mirrored(sources[:, 1] + (height - 1) / 2, height)
    top = _mix(_pixels(images, above, left), _pixels(images, above, right), to_right)
    bottom = _mix(_pixels(images, below, left), _pixels(images, below, right), to_right)
    return tf.reshape(_mix(top, bottom, down), tf.shape(images))


def _mirrored(place: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """A coordinate, mirrored at the edges: the pixels before and after it, and its fraction."""
    place = tf.math.floormod(place, 2.0 * (size - 1))
    place = tf.minimum(place, 2.0 * (size - 1) - place)
    before = tf.floor(place)
    after = tf.minimum(before + 1.0, size - 1.0)
    return tf.cast(before, tf.int32), tf.cast(after, tf.int32), place - before


def _mix(a: tf.Tensor, b: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    return a + share[..., None] * (b - a)


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


@keras.saving.register_keras_serializable("gan_zoo")
class AdaptiveStrength(keras.layers.Layer):
    """ADA's controller: the strength p that holds r_t = E[sign D(real)] at a target.

    p rises by images / speed if r_t of the last `interval` steps was above the target (D overfits),
    and falls otherwise. It stays in [0, 1] (section 3 of the paper).

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
        self.images = self._state("images")
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
        self.images.assign_add(tf.cast(tf.shape(real_logits)[0], tf.float32))

    def adjust(self, step: tf.Tensor) -> None:
        """After step number `step`, from 1: adjusts p if this is the last step of an interval."""
        due = tf.equal(step % self.interval, 0)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        excess = tf.sign(self.signs / tf.maximum(self.images, 1.0) - self.target)
        moved = tf.clip_by_value(self.p + excess * self.images * replicas / self.speed, 0.0, 1.0)
        self.p.assign(tf.where(due, moved, self.p))
        for count in (self.signs, self.images):
            count.assign(tf.where(due, 0.0, count))

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
