"""GANs from noise to images: latents, labels and truncation to images, what D says of images."""

import functools
import secrets
from collections.abc import Hashable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.core import checks
from zoo.core.gan import GAN
from zoo.pictures import images as image_io

# Images generated at a time; the memory of `generate` does not grow with n.
GENERATE_BATCH = 64
SAMPLE_SHEET = 64


def with_labels(x: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor | list[tf.Tensor]:
    """What a network is called with: x alone, or [x, labels] of a conditional model."""
    return x if labels is None else [x, labels]


class NoiseToImage(GAN):
    """Base of GANs that draw images from latents.

    A family says how its latents are drawn, and overrides `images_from` where it truncates.
    Its config holds `latent_dim` and, of a conditional family, `num_classes`; its networks then
    take [x, labels] in place of x, labels int32 [N].

    Attributes:
        truncates: Whether `images_from` takes a truncation.
        critic: Whether D returns a score without bounds (WGAN) in place of logits.
        interpolation: How to walk between two latents within their distribution: "slerp", "lerp".
    """

    config_needs = ("resolution", "channels", "latent_dim")
    truncates = False
    critic = False
    interpolation = "slerp"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._drawing: dict[Hashable, Any] = {}

    @property
    def latent_dim(self) -> int:
        """Length of z."""
        return self._config["latent_dim"]

    def check_batch(self, batch: Any) -> Any:
        """Images f32 [N, H, W, C]; of a conditional model (images, labels int32 [N]), once checked.

        Use what it returns: a batch out of range then fails before D has learnt from it. (XLA
        omits checks of values.)

        Raises:
            ValueError: Another type, shape or structure.
            tf.errors.InvalidArgumentError: Values that are NaN or out of range.
        """
        owner = type(self).__name__
        if not self.num_classes:
            images = checks.check_images(batch, owner, self.image_shape)
            self._check_size_of(images)
            return images
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            received = (
                f"{type(batch).__name__} of {len(batch)}"
                if isinstance(batch, tuple | list)
                else "one tensor"
            )
            raise ValueError(
                f"{owner} trains on (images, labels), labels int [N] from 0 to "
                f"{self.num_classes - 1}. Received: {received}."
            )
        images = checks.check_images(batch[0], owner, self.image_shape)
        self._check_size_of(images)
        return images, checks.check_labels(batch[1], tf.shape(images)[0], self.num_classes)

    def images_and_labels(self, batch: Any) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The images and the labels of a batch of `train_step`; None of an unconditional model."""
        return batch if self.num_classes else (batch, None)

    def latents_for(self, images: tf.Tensor) -> tf.Tensor:
        """Latents f32 [N, z] for as many fakes as there are images, from the step's seed."""
        return self.draw_latents([tf.shape(images)[0], self.latent_dim], self.step_seed("latents"))

    def _check_size_of(self, images: tf.Tensor) -> None:
        if images.shape[0] is not None:
            self.check_batch_size(images.shape[0])

    def draw_latents(self, shape: Any, seed: Any) -> tf.Tensor:
        """Draws z of the paper's distribution, f32 of `shape`, from an integer seed [2]."""
        raise NotImplementedError(f"{type(self).__name__} must say how its latents are drawn.")

    def draw_labels(self, shape: Any, seed: Any) -> tf.Tensor:
        """Draws labels, int32 of `shape`, each class as likely as the others."""
        return tf.random.stateless_uniform(shape, seed, 0, self.num_classes, tf.int32, alg="philox")

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        # Not in `call`, to whose errors Keras adds all that it was given.
        self._check_inputs(inputs)
        if tf.executing_eagerly():
            self._settle_once()
        return super().__call__(inputs, *args, **kwargs)

    @functools.wraps(keras.Model.predict)
    def predict(self, x: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        if not isinstance(x, tf.data.Dataset):
            self._check_inputs(x)
        self._settle_once()
        return super().predict(x, *args, **kwargs)

    def _check_inputs(self, inputs: Any) -> None:
        rule = f"latents [N, {self.latent_dim}]"
        latents = inputs
        if self.num_classes:
            rule = f"({rule}, labels [N])"
            if not isinstance(inputs, tuple | list) or len(inputs) != 2:
                raise ValueError(
                    f"{type(self).__name__} takes {rule}. Received: {type(inputs).__name__}."
                )
            latents = inputs[0]
        shape = tf.TensorShape(getattr(latents, "shape", None) or np.shape(latents))
        if not shape.is_compatible_with([None, self.latent_dim]):
            raise ValueError(f"{type(self).__name__} takes {rule}. Received: {shape}.")

    def call(self, inputs: Any) -> tf.Tensor:
        """Images f32 [N, H, W, C] in [-1, 1] by the EMA generator.

        Args:
            inputs: latents f32 [N, z]; of a conditional model (latents, labels int [N]).
        """
        return self.images_from(*inputs) if self.num_classes else self.images_from(inputs)

    def images_from(
        self,
        latents: tf.Tensor,
        labels: tf.Tensor | None = None,
        truncation: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """latents f32 [N, z] (and labels int [N]) -> images f32 [N, H, W, C], by the EMA generator.

        No row depends on another. A family that truncates overrides this; `truncation` is then
        f32 [N], NaN or None where nothing is to be truncated.
        """
        images = self.ema_generator(with_labels(latents, labels), training=False)
        return tf.cast(images, tf.float32)

    def latents_from_seeds(self, seeds: tf.Tensor) -> tf.Tensor:
        """int64 [N] -> latents f32 [N, z]; row i depends on seed i alone."""
        return tf.map_fn(
            lambda seed: self.draw_latents([self.latent_dim], [seed, 0]),
            seeds,
            fn_output_signature=tf.TensorSpec([self.latent_dim], tf.float32),
        )

    def labels_from_seeds(self, seeds: tf.Tensor) -> tf.Tensor:
        """int64 [N] -> labels int32 [N]; row i depends on seed i alone."""
        return tf.map_fn(
            lambda seed: self.draw_labels([], [seed, 1]),
            seeds,
            fn_output_signature=tf.TensorSpec([], tf.int32),
        )

    def images_from_seeds(
        self,
        seeds: tf.Tensor,
        labels: tf.Tensor | None = None,
        truncation: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """int64 [N] -> images f32 [N, H, W, C] in [-1, 1].

        Args:
            seeds: Row i is made from seed i.
            labels: int32 [N]; -1, or None, for one drawn from the seed.
            truncation: f32 [N]; NaN, or None, for none.
        """
        if self.num_classes:
            drawn = self.labels_from_seeds(seeds)
            labels = drawn if labels is None else tf.where(labels < 0, drawn, labels)
        return self.images_from(
            self.latents_from_seeds(seeds),
            labels if self.num_classes else None,
            truncation if self.truncates else None,
        )

    def generate(
        self,
        n: int = 1,
        *,
        seed: int | None = None,
        labels: int | Sequence[int] | None = None,
        truncation: float | Sequence[float] | None = None,
    ) -> np.ndarray:
        """Draws images with the EMA generator.

        Args:
            n: How many, at least 1.
            seed: Row i is made from seed + i, whatever n; None draws a fresh one. Both are int64.
            labels: Of a conditional model: one class for all, or n of them; None draws them too,
                row i from seed + i.
            truncation: Of a model that has it: variety given up for likeness, 0 for one image (a
                class); one for all, or n of them; None for the untouched samples.

        Returns:
            uint8 [n, H, W, C].

        Raises:
            ValueError: Anything out of range, or labels or truncation of a model that has none.
        """
        n = checks.integer("n", n)
        if n < 1:
            raise ValueError(f"n must be at least 1. Received: {n}.")
        seed = secrets.randbits(48) if seed is None else checks.integer("seed", seed)
        if not -(2**63) <= seed <= 2**63 - n:
            raise ValueError(f"seed to seed + n - 1 must be int64. Received: {seed}, n {n}.")
        owner = type(self).__name__
        label_of = checks.labels_of(labels, n, self.num_classes, owner)
        truncation_of = checks.truncations_of(truncation, n, self.truncates, owner)
        self._settle_once()
        draw = self._draw_function()
        chunks = []
        for start in range(0, n, GENERATE_BATCH):
            rows = slice(start, min(start + GENERATE_BATCH, n))
            seeds = np.arange(seed + rows.start, seed + rows.stop, dtype=np.int64)
            inputs = (seeds, label_of[rows], truncation_of[rows])
            chunks.append(draw(*map(tf.constant, inputs)).numpy())
        return np.concatenate(chunks)

    def _draw_function(self) -> Any:
        structure = self.structure()
        if structure not in self._drawing:
            spec = [
                tf.TensorSpec([None], tf.int64),
                tf.TensorSpec([None], tf.int32),
                tf.TensorSpec([None], tf.float32),
            ]
            self._drawing[structure] = tf.function(
                lambda *inputs: image_io.to_uint8(self.images_from_seeds(*inputs)),
                input_signature=spec,
                autograph=False,
            )
        return self._drawing[structure]

    def sample_sheet(self) -> tuple[np.ndarray, int]:
        """Images from fixed seeds for a person to look at: uint8 [n, H, W, C], and images a row.

        Of a conditional model each column is a class, where a row has room for all.
        """
        columns = self.num_classes if 2 <= self.num_classes <= 10 else 8
        n = SAMPLE_SHEET // 8 * columns
        labels = None
        if self.num_classes:
            every = max(self.num_classes // n, 1)
            labels = [i * every % self.num_classes for i in range(n)]
        return self.generate(n, seed=0, labels=labels), columns

    def discriminate(
        self, images: np.ndarray, labels: int | Sequence[int] | None = None
    ) -> np.ndarray:
        """Probability that each image is real, as D sees it; of a critic, its score.

        Args:
            images: uint8 [N, H, W, C], or float in [-1, 1].
            labels: Of a conditional model: int, or N of them.

        Returns:
            f32 [N], probabilities in [0, 1].
        """
        images = np.asarray(images)
        if images.dtype == np.uint8:
            images = images.astype(np.float32) / 127.5 - 1.0
        elif images.dtype.kind == "f" and not np.all(np.abs(images) <= checks.LARGEST):
            raise ValueError(
                f"{checks.RANGE_RULE} Received: from {images.min()} to {images.max()}."
            )
        owner = type(self).__name__
        images = checks.check_images(tf.convert_to_tensor(images), owner, self.image_shape)
        if self.num_classes and labels is None:
            raise ValueError(f"{checks.labels_rule(self.num_classes)} Received: None.")
        label_of = checks.labels_of(labels, len(images), self.num_classes, owner)
        return self.judge(
            tf.cast(images, tf.float32), tf.constant(label_of) if self.num_classes else None
        ).numpy()

    def judge(self, images: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """images f32 [N, H, W, C] in [-1, 1] -> f32 [N]: sigmoid of logits; a critic's score."""
        logits = self.discriminator(with_labels(images, labels), training=False)
        logits = tf.cast(logits[:, 0], tf.float32)
        return logits if self.critic else tf.sigmoid(logits)
