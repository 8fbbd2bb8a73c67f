"""What a GAN is given besides noise: conditions of noise-to-image, sources of image-to-image.

    object              argument      a row of a training batch     a row of a request
    Labels(k)           labels        int []                        i32 [], -1 for any
    Embedding(d)        embeddings    float [d]                     f32 [d], NaN for any
    Picture(channels)   images        float [H, W, C] in [-1, 1]    f32 [h, w, C]
    LabelMap(k)         label_map     int [H, W]                    u8 [h, w]

Each object defines its tensors, its checks and how it is drawn from a seed. Training, export,
commands and tests use it. (The client knows the arguments by name.)
A new condition or source is one class here.
"""

import dataclasses
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from zoo.core import checks
from zoo.pictures import images as image_io


@dataclasses.dataclass(frozen=True)
class Condition:
    """What both networks of a noise-to-image GAN are given: [x, condition] in place of x.

    Mirroring and resizing an image leave its condition as it is.

    Attributes:
        argument: Its name in `generate`, in a signature and in a client's call.
        any_value: In place of a row's values: draw them from the row's seed.
        columns: Of a sheet of samples.
    """

    argument: ClassVar[str]
    any_value: ClassVar[float]
    columns = 8

    @property
    def spec(self) -> tf.TensorSpec:
        """Of a batch, as the networks and the signatures take it."""
        raise NotImplementedError

    @property
    def rule(self) -> str:
        """What the user must give."""
        raise NotImplementedError

    @property
    def batch_rule(self) -> str:
        """What a training batch must hold, in brief."""
        raise NotImplementedError

    def __str__(self) -> str:
        shape = ", ".join(["N", *map(str, self.spec.shape[1:])])
        return f"{self.argument} [{shape}]"

    def check_batch(self, values: Any, count: tf.Tensor) -> tf.Tensor:
        """Checks the condition of a training batch, and casts it. Use what it returns.

        Args:
            values: A tensor with one row for each image.
            count: int32 scalar, images of the batch.

        Raises:
            ValueError: Another type or shape.
            tf.errors.InvalidArgumentError: Values out of range. (XLA omits this check.)
        """
        raise NotImplementedError

    def check_request(self, values: tf.Tensor, *, seeded: bool = False) -> tf.Tensor:
        """Checks values of `spec` in the graph of an export. Use what it returns.

        Args:
            values: As a caller sends them.
            seeded: Whether a row may hold `any_value`.
        """
        raise NotImplementedError

    def rows_of(self, given: Any, n: int) -> np.ndarray:
        """The condition as the user gives it, for n images: an array of `spec`.

        Args:
            given: One row for all images, or n rows; None stands for `any_value`.
            n: Images.

        Raises:
            ValueError: Anything else.
        """
        if given is None:
            shape = [n, *self.spec.shape[1:]]
            return np.full(shape, self.any_value, self.spec.dtype.as_numpy_dtype)
        return self._checked_rows(given, n)

    def _checked_rows(self, given: Any, n: int) -> np.ndarray:
        raise NotImplementedError

    def draw(self, shape: Any, seed: Any) -> tf.Tensor:
        """Draws rows from an integer seed [2]; `shape` is [N], or [] for one row."""
        raise NotImplementedError

    def is_any(self, values: tf.Tensor) -> tf.Tensor:
        """Which rows hold `any_value`: bool [N]."""
        raise NotImplementedError

    def filled(self, values: tf.Tensor | None, drawn: tf.Tensor) -> tf.Tensor:
        """`values`, with `drawn` in the rows that hold `any_value`; `drawn` alone for None."""
        if values is None:
            return drawn
        return tf.where(rows_like(self.is_any(values), values), drawn, values)

    def shown(self, n: int) -> Any:
        """What a sheet of n samples shows, as the user gives it; None draws from the seeds."""
        return None


@dataclasses.dataclass(frozen=True)
class Labels(Condition):
    """A class for each image: int32 [N] from 0.

    Drawn from a seed, each class is as likely as the others.

    Args:
        num_classes: At least 1.
    """

    num_classes: int
    argument: ClassVar[str] = "labels"
    any_value: ClassVar[int] = -1

    def __post_init__(self) -> None:
        checks.counts({"num_classes": self.num_classes})

    @property
    def spec(self) -> tf.TensorSpec:
        return tf.TensorSpec([None], tf.int32, name=self.argument)

    @property
    def rule(self) -> str:
        return f"Labels must be integers from 0 to {self.num_classes - 1}, one for each image."

    @property
    def batch_rule(self) -> str:
        return f"labels int [N] from 0 to {self.num_classes - 1}"

    @property
    def columns(self) -> int:
        """A column for each class, where a row has room for all."""
        return self.num_classes if 2 <= self.num_classes <= 10 else 8

    def check_batch(self, values: Any, count: tf.Tensor) -> tf.Tensor:
        fits = isinstance(values, tf.Tensor) and values.dtype.is_integer and values.shape.rank == 1
        if not fits:
            raise ValueError(f"{self.rule} Received: {_described(values)}.")
        labels = tf.cast(values, tf.int32)
        in_range = _check_classes(labels, self.num_classes, self.rule)
        with tf.control_dependencies([in_range, _check_count(labels, count, self.rule)]):
            return tf.identity(labels)

    def check_request(self, values: tf.Tensor, *, seeded: bool = False) -> tf.Tensor:
        least = self.any_value if seeded else 0
        note = f" {self.any_value} stands for one drawn from the seed." if seeded else ""
        outside = (values < least) | (values >= self.num_classes)
        return checks.refuse(tf.boolean_mask(values, outside), self.rule + note, values)

    def _checked_rows(self, given: Any, n: int) -> np.ndarray:
        array = np.asarray(given)
        fits = array.dtype.kind in "iu" and array.shape in ((), (n,))
        if not fits or np.any((array < 0) | (array >= self.num_classes)):
            received = f"{given!r}" if array.size < 10 else f"{array.dtype} {list(array.shape)}"
            if array.size >= 10 and fits:
                received += f" from {array.min()} to {array.max()}"
            if array.ndim == 1 and len(array) != n:
                received = f"{len(array)} labels"
            raise ValueError(f"{self.rule} Received: {received} for {n} image(s).")
        return np.broadcast_to(array, n).astype(np.int32)

    def draw(self, shape: Any, seed: Any) -> tf.Tensor:
        return tf.random.stateless_uniform(shape, seed, 0, self.num_classes, tf.int32)

    def is_any(self, values: tf.Tensor) -> tf.Tensor:
        return values < 0

    def shown(self, n: int) -> list[int]:
        """Every class, or as many as n images have room for, at equal distances."""
        every = max(self.num_classes // n, 1)
        return [i * every % self.num_classes for i in range(n)]


@dataclasses.dataclass(frozen=True)
class Embedding(Condition):
    """A vector for each image, of a text or of attributes: f32 [N, dim].

    Drawn from a seed, each component is from N(0, 1). Scale embeddings of your own to unit variance
    (a unit vector times sqrt(dim)), and drawn ones resemble them.

    Args:
        dim: Length of a vector.
    """

    dim: int
    argument: ClassVar[str] = "embeddings"
    any_value: ClassVar[float] = float("nan")

    def __post_init__(self) -> None:
        checks.counts({"dim": self.dim})

    @property
    def spec(self) -> tf.TensorSpec:
        return tf.TensorSpec([None, self.dim], tf.float32, name=self.argument)

    @property
    def rule(self) -> str:
        return f"Embeddings must be finite numbers [{self.dim}], one vector for each image."

    @property
    def batch_rule(self) -> str:
        return f"embeddings float [N, {self.dim}]"

    def check_batch(self, values: Any, count: tf.Tensor) -> tf.Tensor:
        fits = (
            isinstance(values, tf.Tensor)
            and values.dtype.is_floating
            and values.shape.is_compatible_with([None, self.dim])
        )
        if not fits:
            raise ValueError(f"{self.rule} Received: {_described(values)}.")
        embeddings = tf.cast(values, tf.float32)
        low, high = tf.reduce_min(embeddings), tf.reduce_max(embeddings)
        finite = tf.debugging.Assert(
            tf.reduce_all(tf.math.is_finite(embeddings)),
            [self.rule, "Received: from", low, "to", high],
        )
        with tf.control_dependencies([finite, _check_count(embeddings, count, self.rule)]):
            return tf.identity(embeddings)

    def check_request(self, values: tf.Tensor, *, seeded: bool = False) -> tf.Tensor:
        wrong = ~tf.reduce_all(tf.math.is_finite(values), axis=1)
        rule = self.rule
        if seeded:
            wrong &= ~tf.reduce_all(tf.math.is_nan(values), axis=1)
            rule += " A row of NaN stands for one drawn from the seed."
        return checks.refuse(tf.boolean_mask(values, wrong), rule, values)

    def _checked_rows(self, given: Any, n: int) -> np.ndarray:
        array = np.asarray(given)
        fits = array.dtype.kind in "iuf" and array.shape in ((self.dim,), (n, self.dim))
        if not fits or not np.all(np.isfinite(array)):
            received = f"{array.dtype} {list(array.shape)}" + (" with NaN or infinity" * fits)
            if array.ndim == 2 and len(array) != n:
                received = f"{len(array)} embeddings"
            raise ValueError(f"{self.rule} Received: {received} for {n} image(s).")
        return np.broadcast_to(array, (n, self.dim)).astype(np.float32)

    def draw(self, shape: Any, seed: Any) -> tf.Tensor:
        shape = tf.concat([tf.cast(shape, tf.int32), [self.dim]], axis=0)
        drawn = tf.random.stateless_normal(shape, seed)
        return tf.ensure_shape(drawn, [*[None] * (shape.shape[0] - 1), self.dim])

    def is_any(self, values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_any(tf.math.is_nan(values), axis=1)


@dataclasses.dataclass(frozen=True)
class Source:
    """What an image-to-image GAN makes an image of.

    Attributes:
        argument: Its name in a signature and in a client's call.
        task: The method, the command and the client's call that take it.
        channels: Of a picture file that holds one.
    """

    argument: ClassVar[str]
    task: ClassVar[str]

    @property
    def spec(self) -> tf.TensorSpec:
        """Of a batch of any size, as the generator takes it."""
        raise NotImplementedError

    @property
    def given_spec(self) -> tf.TensorSpec:
        """Of a batch of any size, as the user gives it: uint8."""
        return tf.TensorSpec(self.spec.shape, tf.uint8, name=self.argument)

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        """Of one row at that size."""
        return height, width, *self.spec.shape[3:]

    def check_batch(self, values: Any, owner: str, shape: tuple[int, ...]) -> tf.Tensor:
        """Checks the sources of a training batch, and casts them. Use what it returns.

        Args:
            values: A tensor [N, *shape].
            owner: Who is trained on them, for messages.
            shape: Of a row.

        Raises:
            ValueError: Another type or shape.
            tf.errors.InvalidArgumentError: Values out of range. (XLA omits this check.)
        """
        raise NotImplementedError

    def check_given(self, values: Any, owner: str) -> np.ndarray:
        """Sources as the user gives them: uint8, of any size, at least one.

        Raises:
            ValueError: Anything else.
        """
        array = np.asarray(values)
        fits = self.given_spec.shape.is_compatible_with(array.shape)
        if array.dtype != np.uint8 or not fits or not array.size:
            raise ValueError(
                f"{owner} takes {self._given_rule}, of any size. "
                f"Received: {array.dtype} {list(array.shape)}."
            )
        return array

    @property
    def _given_rule(self) -> str:
        raise NotImplementedError

    def from_uint8(self, given: tf.Tensor) -> tf.Tensor:
        """What a person gives, as the generator takes it."""
        raise NotImplementedError

    def to_uint8(self, values: tf.Tensor) -> tf.Tensor:
        """What the generator takes, as the user gives it."""
        raise NotImplementedError

    def shown(self, given: np.ndarray) -> np.ndarray:
        """Sources as pictures uint8 [N, H, W, C], for a sheet."""
        raise NotImplementedError

    @staticmethod
    def resized(values: tf.Tensor, height: int, width: int) -> tf.Tensor:
        """uint8 sources of another size."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Picture(Source):
    """Pictures: f32 [N, H, W, channels] in [-1, 1]; uint8 as the user gives them."""

    channels: int
    argument: ClassVar[str] = "images"
    task: ClassVar[str] = "translate"

    def __post_init__(self) -> None:
        checks.counts({"channels": self.channels})

    @property
    def spec(self) -> tf.TensorSpec:
        return tf.TensorSpec([None, None, None, self.channels], tf.float32, name=self.argument)

    def check_batch(self, values: Any, owner: str, shape: tuple[int, ...]) -> tf.Tensor:
        return checks.check_images(values, owner, shape)

    @property
    def _given_rule(self) -> str:
        return f"uint8 images [N, H, W, {self.channels}]"

    def from_uint8(self, given: tf.Tensor) -> tf.Tensor:
        return image_io.from_uint8(given)

    def to_uint8(self, values: tf.Tensor) -> tf.Tensor:
        return image_io.to_uint8(values)

    def shown(self, given: np.ndarray) -> np.ndarray:
        return given

    @staticmethod
    def resized(values: tf.Tensor, height: int, width: int) -> tf.Tensor:
        """Bilinear, rounded."""
        return tf.cast(tf.round(tf.image.resize(values, (height, width))), tf.uint8)


@dataclasses.dataclass(frozen=True)
class LabelMap(Source):
    """Maps of classes: int32 [N, H, W]; uint8 as the user gives them, grey in a PNG.

    A map is resized by nearest neighbour, since classes cannot be averaged.

    Args:
        num_classes: From 2 to 256, as many as a byte tells apart.
    """

    num_classes: int
    argument: ClassVar[str] = "label_map"
    task: ClassVar[str] = "paint"
    channels: ClassVar[int] = 1

    def __post_init__(self) -> None:
        checks.counts({"num_classes": self.num_classes}, {"num_classes": 2})
        if self.num_classes > 256:
            raise ValueError(f"num_classes must be at most 256. Received: {self.num_classes}.")

    @property
    def spec(self) -> tf.TensorSpec:
        return tf.TensorSpec([None, None, None], tf.int32, name=self.argument)

    @property
    def rule(self) -> str:
        """What a map's values must be."""
        return f"A label map must hold classes from 0 to {self.num_classes - 1}."

    def check_batch(self, values: Any, owner: str, shape: tuple[int, ...]) -> tf.Tensor:
        fits = isinstance(values, tf.Tensor) and values.dtype.is_integer
        if not fits or tuple(values.shape[1:]) != shape:
            size = ", ".join(map(str, shape))
            raise ValueError(
                f"{owner} trains on label maps int [N, {size}], classes from 0 to "
                f"{self.num_classes - 1}. Received: {_described(values)}."
            )
        classes = tf.cast(values, tf.int32)
        with tf.control_dependencies([_check_classes(classes, self.num_classes, self.rule)]):
            return tf.identity(classes)

    def check_given(self, values: Any, owner: str) -> np.ndarray:
        array = super().check_given(values, owner)
        if array.max() >= self.num_classes:
            raise ValueError(f"{self.rule} Received: {array.max()}.")
        return array

    def check_request(self, values: tf.Tensor) -> tf.Tensor:
        """Checks maps in the graph of an export. Use what it returns."""
        outside = tf.cast(values, tf.int32) >= self.num_classes
        return checks.refuse(tf.boolean_mask(values, outside), self.rule, values)

    @property
    def _given_rule(self) -> str:
        return "uint8 label maps [N, H, W]"

    def from_uint8(self, given: tf.Tensor) -> tf.Tensor:
        return tf.cast(given, tf.int32)

    def to_uint8(self, values: tf.Tensor) -> tf.Tensor:
        return tf.cast(values, tf.uint8)

    def shown(self, given: np.ndarray) -> np.ndarray:
        """Classes as levels of grey, black for the first and white for the last."""
        levels = np.rint(np.linspace(0, 255, self.num_classes)).astype(np.uint8)
        return levels[given][..., None]

    @staticmethod
    def resized(values: tf.Tensor, height: int, width: int) -> tf.Tensor:
        """To the nearest."""
        return tf.image.resize(values[..., None], (height, width), method="nearest")[..., 0]


def resized(values: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Pictures uint8 [N, H, W, C] or label maps [N, H, W] of another size, each in its own way."""
    source = LabelMap if values.shape.rank == 3 else Picture
    return source.resized(values, height, width)


def mirrored(values: tf.Tensor, which: tf.Tensor) -> tf.Tensor:
    """Pictures [N, H, W, C] or label maps [N, H, W], mirrored in the rows of `which`, bool [N]."""
    return tf.where(rows_like(which, values), tf.reverse(values, [2]), values)


def rows_like(which: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """bool [N] -> bool [N, 1, ...] of the rank of `values`, for `tf.where`."""
    return tf.reshape(which, [-1] + [1] * (values.shape.rank - 1))


def _described(values: Any) -> str:
    dtype = getattr(values, "dtype", type(values))
    return f"{getattr(dtype, 'name', dtype)} of shape {getattr(values, 'shape', None)}"


def _check_classes(classes: tf.Tensor, num_classes: int, rule: str) -> tf.Operation:
    low, high = tf.reduce_min(classes), tf.reduce_max(classes)
    fits = (low >= 0) & (high < num_classes)
    return tf.debugging.Assert(fits, [rule, "Received: from", low, "to", high])


def _check_count(rows: tf.Tensor, count: tf.Tensor, rule: str) -> tf.Operation:
    received = tf.shape(rows)[0]
    return tf.debugging.Assert(received == count, [rule, "Received:", received, "for", count])
