"""GANs from image to image: trained at one size, used at any."""

import secrets
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.core import checks, conditions
from zoo.core.gan import GAN
from zoo.pictures import images as image_io

# Images that a sheet shows.
SHEET_ROWS = 8
# Pixels of images made at a time.
PIXELS_AT_A_TIME = 2**20


class ImageToImage(GAN):
    """Base of GANs that turn an image into another.

    A family writes `images_from`. Its config holds `resolution`, the height and width that it is
    trained at, `channels` of what it makes, and `source_channels` where the pictures that it
    translates have others.

    Args:
        source: The input, an object of `zoo.core.conditions`: by default a `Picture` of
            `source_channels`.
        **kwargs: As in `GAN`.

    Attributes:
        scale: Pixels of an output for each of the input, in height and in width.
        directions: Ways to translate, where there are several: "a_to_b" and "b_to_a". The first is
            the default; `images_from` then takes `direction`.
        context: Receptive field: how many source pixels, to each side, affect an output pixel; None
            where all do, for example through statistics of the image. See `zoo.pictures.tiles`.
        examples: (sources uint8 [n, h, w, c], targets uint8 [n, H, W, C]) that `sample_sheet`
            shows, or None. A trainer sets them; plain `fit` takes the first batch's.
    """

    takes = "pairs"
    scale = 1
    directions: tuple[str, ...] = ()
    context: int | None = None

    def __init__(self, *, source: conditions.Source | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._must_override(ImageToImage, "images_from", "how it makes an image of an image")
        if source is None:
            channels = self._config.get("source_channels", self._config["channels"])
            source = conditions.Picture(channels)
        self.source: Any = source  # a Source
        self._check_network(self.generator, source.spec, more=True)
        self.examples: tuple[np.ndarray, np.ndarray] | None = None
        self._functions: dict[tuple[int, str | None], Any] = {}

    @property
    def task(self) -> str:
        """The method, the command and the client's call: "translate", "upscale" or "paint"."""
        return "upscale" if self.scale > 1 else self.source.task

    @property
    def alters_pictures(self) -> bool:
        """Whether its images are made of pictures; a map of classes is none."""
        return self.task != "paint"

    def channels_of(self, direction: str | None = None) -> tuple[int, int]:
        """Channels of the input and of the output of a direction."""
        return self.source.channels, self.image_shape[2]

    def source_of(self, direction: str | None = None) -> conditions.Source:
        """The input of a direction."""
        if direction is None:
            return self.source
        return conditions.Picture(self.channels_of(direction)[0])

    @property
    def source_shape(self) -> tuple[int, ...]:
        """Of one source of a training batch: (H, W, C), or (H, W) of a label map."""
        side = self._config["resolution"] // self.scale
        return self.source.shape(side, side)

    def check_batch(self, batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Sources and targets f32 [N, H, W, C] of a training batch, once checked.

        Raises:
            ValueError: Another type, shape or structure.
            tf.errors.InvalidArgumentError: Values that are NaN or out of range.
        """
        owner = type(self).__name__
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            received = (
                f"{type(batch).__name__} of {len(batch)}"
                if isinstance(batch, tuple | list)
                else "one tensor"
            )
            raise ValueError(
                f"{owner} trains on pairs of images, {self.pair_names}. Received: {received}."
            )
        first, second = batch
        return (
            self.source.check_batch(first, f"{owner}, first of a pair,", self.source_shape),
            checks.check_images(second, f"{owner}, second of a pair,", self.image_shape),
        )

    # What the two images of a training batch are called.
    pair_names = "(source, target)"

    def first_batch(self, batch: tuple[tf.Tensor, tf.Tensor]) -> None:
        """Keeps a few as `examples`, unless there are some."""
        if self.examples is None:
            first, second = batch
            self.examples = (
                self.source.to_uint8(first[:SHEET_ROWS]).numpy(),
                image_io.to_uint8(second[:SHEET_ROWS]).numpy(),
            )

    # ---- images to images

    def images_from(self, images: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Sources of any size -> f32 [N, scale h, scale w, C] in [-1, 1].

        By the EMA generator; no row depends on another. A family with `directions` takes a third
        argument, `direction`, one of them.

        Args:
            images: f32 [N, h, w, c] in [-1, 1]; or what else the source is, as int32 [N, h, w].
            seed: Integer [2]; where it is given, and the paper has noise, noise is drawn from it.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how it translates.")

    def call_signature(self) -> Any:
        """As `GAN.call_signature`: sources of any size."""
        return self.source.spec

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """As `images_from`, without noise."""
        return self.images_from(inputs)

    def made_from(
        self, images: tf.Tensor, *seed: tf.Tensor, direction: str | None = None
    ) -> tf.Tensor:
        """`images_from`, of a direction where there are several; None for the first."""
        if not self.directions:
            return self.images_from(images, *seed)
        return self.images_from(images, *seed, direction=direction or self.directions[0])

    def check_direction(self, direction: Any) -> str | None:
        """The direction to translate in: one of `directions`, or None of a model without.

        Raises:
            ValueError: Another one.
        """
        owner = type(self).__name__
        if not self.directions:
            if direction is not None:
                raise ValueError(
                    f"{owner} translates one way only: leave direction out. "
                    f"Received: direction={direction!r}."
                )
            return None
        if direction is None:
            return self.directions[0]
        if direction not in self.directions:
            raise ValueError(
                f"direction must be one of {', '.join(self.directions)} of {owner}. "
                f"Received: {direction!r}."
            )
        return direction

    def check_sources(self, images: Any, direction: str | None = None) -> np.ndarray:
        """Checks sources that the user gives, uint8.

        Args:
            images: The sources.
            direction: In which; see `source_of`.

        Raises:
            ValueError: Another type or shape, nothing at all, or classes out of range.
        """
        return self.source_of(direction).check_given(images, type(self).__name__)

    def translate(
        self, images: np.ndarray, direction: str | None = None, *, seed: int | None = None
    ) -> np.ndarray:
        """Translates images with the EMA generator.

        Args:
            images: uint8 [N, H, W, C], all of one size, which may be any.
            direction: Of a model that has several: one of `directions`; None for the first.
            seed: Where the paper has noise, row i draws it from seed + i; None omits it.

        Returns:
            uint8 [N, scale H, scale W, C'].

        Raises:
            ValueError: Other images, an unknown direction, or a model that paints.
        """
        if self.source.task != "translate":
            raise ValueError(
                f"{type(self).__name__} takes a {self.source.argument}: use {self.source.task}. "
                "Received: translate."
            )
        direction = self.check_direction(direction)
        return self.translated(self.check_sources(images, direction), seed, direction)

    def paint(self, label_maps: np.ndarray, *, seed: int | None = None) -> np.ndarray:
        """Paints maps of classes with the EMA generator.

        Args:
            label_maps: uint8 [N, H, W], all of one size, which may be any.
            seed: Map i is painted from seed + i; None draws a fresh one.

        Returns:
            uint8 [N, H, W, C].

        Raises:
            ValueError: Other maps, classes out of range, or a model that translates.
        """
        if self.source.task != "paint":
            raise ValueError(
                f"{type(self).__name__} takes {self.source.argument}: use {self.task}. "
                "Received: paint."
            )
        seed = secrets.randbits(32) if seed is None else checks.integer("seed", seed)
        return self.translated(self.check_sources(label_maps), seed)

    def translated(
        self, images: np.ndarray, seed: int | None = None, direction: str | None = None
    ) -> np.ndarray:
        """`translate` for checked images: a few at a time, one by one with a seed."""
        self._settle_once()
        n, height, width = images.shape[:3]
        pixels = height * width * self.scale**2
        each = 1 if seed is not None else max(1, PIXELS_AT_A_TIME // pixels)
        chunks = []
        for start in range(0, n, each):
            given = [tf.constant(images[start : start + each])]
            if seed is not None:
                given.append(tf.constant([seed + start, 0], tf.int64))
            chunks.append(self._translating(len(given), direction)(*given).numpy())
        return np.concatenate(chunks)

    def _translating(self, inputs: int, direction: str | None) -> Any:
        """The function of images uint8, and of a seed where there are two inputs."""
        key = (inputs, direction)
        if key not in self._functions:
            source = self.source_of(direction)
            spec = [source.given_spec, tf.TensorSpec([2], tf.int64)]
            self._functions[key] = tf.function(
                lambda images, *seed: image_io.to_uint8(
                    self.made_from(source.from_uint8(images), *seed, direction=direction)
                ),
                input_signature=spec[:inputs],
                autograph=False,
            )
        return self._functions[key]

    def sample_sheet(self) -> tuple[np.ndarray, int] | None:
        """Rows of source, translation, target: uint8 [3 n, H, W, C], and 3; None without examples.

        A smaller source is enlarged. Channels beyond colour (a mask) are omitted.
        """
        if self.examples is None:
            return None
        sources, targets = self.examples
        made = self.translated(self.check_sources(sources))
        sources = self.source.shown(sources)
        rows = [
            image_io.like(image, made.shape[1:])
            for row in zip(sources, made, targets, strict=True)
            for image in row
        ]
        return np.stack(rows), 3


def padded_to(images: tf.Tensor, multiple: int, least: int = 1) -> tf.Tensor:
    """Images [N, H, W, C] reflected at the bottom and right until H and W are multiples.

    The reflection goes back and forth, so that an image may be of any size, one pixel too.

    Args:
        images: Of any size.
        multiple: What H and W are divisible by afterwards.
        least: What they are at least.
    """
    for axis in (1, 2):
        size = tf.shape(images)[axis]
        # Without negative numbers, which ONNX's division rounds otherwise.
        index = tf.range((tf.maximum(size, least) + multiple - 1) // multiple * multiple)
        period = tf.maximum(2 * (size - 1), 1)
        index = index % period
        images = tf.gather(images, tf.minimum(index, period - index), axis=axis)
    return images
