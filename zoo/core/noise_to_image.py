"""GANs from noise to images: latents, conditions and truncation to images; D's judgement."""

import functools
import secrets
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.core import checks, conditions
from zoo.core.gan import GAN
from zoo.nn import losses
from zoo.pictures import images as image_io

# Images generated at a time; the memory of `generate` does not grow with n.
GENERATE_BATCH = 64
SAMPLE_SHEET = 64


def with_condition(x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor | list[tf.Tensor]:
    """What a network is called with: x alone, or [x, condition] of a conditional model."""
    return x if condition is None else [x, condition]


class NoiseToImage(GAN):
    """Base of GANs that draw images from latents.

    A family says how its latents are drawn, and overrides `images_from` where it truncates.
    Its config holds `latent_dim`. The networks of a conditional family take [x, condition] in place
    of x, for instance labels int32 [N]; so does `images_from`.

    Args:
        condition: An object of `zoo.core.conditions`; by default `Labels` of the `num_classes` in
            the config, and None where there are none.
        **kwargs: As in `GAN`.

    Attributes:
        truncates: Whether `images_from` takes a truncation.
        critic: Whether a `train_step` of the family's own trains D to return a score without bounds
            (WGAN), and no logits.
        interpolation: How to walk between two latents within their distribution: "slerp", "lerp".
    """

    config_needs = ("resolution", "channels", "latent_dim")
    truncates = False
    critic = False
    interpolation = "slerp"

    def __init__(self, *, condition: conditions.Condition | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._must_override(NoiseToImage, "draw_latents", "how its latents are drawn")
        num_classes = self._config.get("num_classes", 0)
        if condition is None and num_classes:
            condition = conditions.Labels(num_classes)
        self.condition: Any = condition  # a Condition, or None
        further = [] if condition is None else [condition.spec]
        self._check_network(
            self.generator,
            tf.TensorSpec([None, self.latent_dim], name="latents"),
            *further,
            gives=[None, *self.image_shape],
        )
        self._check_network(
            self.discriminator,
            tf.TensorSpec([None, *self.image_shape], name="images"),
            *further,
            gives=[None, 1],
        )
        self._drawing: dict[Hashable, Any] = {}

    @property
    def discriminator_output(self) -> str:
        """What D's output becomes: "probability" (the sigmoid of a logit), or "score".

        D's output is a logit where its loss is "minimax", and a score under any other loss. The
        loss is that of `compile`, or the preset's, or the family's default.
        """
        if self.critic:
            return "score"
        if self.compiled:
            probable = self.discriminator_loss is losses.minimax_discriminator
        elif self.card and "discriminator_output" in self.card:
            return self.card["discriminator_output"]
        else:
            probable = self.default_losses[0] == "minimax"
        return "probability" if probable else "score"

    def _facts(self) -> dict[str, Any]:
        return {**super()._facts(), "discriminator_output": self.discriminator_output}

    @property
    def latent_dim(self) -> int:
        """Length of z."""
        return self._config["latent_dim"]

    def check_batch(self, batch: Any) -> Any:
        """Checks a batch: images f32 [N, H, W, C]; for a conditional model (images, condition).

        Use what it returns: a batch out of range then fails before D has learnt from it. (XLA
        omits checks of values.)

        Raises:
            ValueError: Another type, shape or structure.
            tf.errors.InvalidArgumentError: Values that are NaN or out of range.
        """
        owner = type(self).__name__
        condition = self.condition
        if condition is None:
            return checks.check_images(batch, owner, self.image_shape)
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            received = (
                f"{type(batch).__name__} of {len(batch)}"
                if isinstance(batch, tuple | list)
                else "one tensor"
            )
            raise ValueError(
                f"{owner} trains on (images, {condition.argument}), {condition.batch_rule}. "
                f"Received: {received}."
            )
        images = checks.check_images(batch[0], owner, self.image_shape)
        return images, condition.check_batch(batch[1], tf.shape(images)[0])

    def images_and_condition(self, batch: Any) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Splits a batch of `train_step` into images and condition; None for a model without."""
        return (batch, None) if self.condition is None else batch

    def latents_for(self, images: tf.Tensor) -> tf.Tensor:
        """Latents f32 [N, z] for as many fakes as there are images, from the step's seed."""
        return self.draw_latents([tf.shape(images)[0], self.latent_dim], self.step_seed("latents"))

    def draw_latents(self, shape: Any, seed: Any) -> tf.Tensor:
        """Draws z of the paper's distribution, f32 of `shape`, from an integer seed [2]."""
        raise NotImplementedError(f"{type(self).__name__} must say how its latents are drawn.")

    def draw_condition(self, shape: Any, seed: Any) -> tf.Tensor:
        """Draws labels or embeddings, `shape` of them, from an integer seed [2]."""
        return self.condition.draw(shape, seed)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        # Not in `call`, to whose errors Keras adds all that it was given.
        if self._check_inputs(inputs) == 0:
            return tf.zeros([0, *self.image_shape])
        if tf.executing_eagerly():
            self._settle_once()
        return super().__call__(inputs, *args, **kwargs)

    @functools.wraps(keras.Model.predict)
    def predict(self, x: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        streams = isinstance(x, tf.data.Dataset | keras.utils.PyDataset | Iterator)
        if not streams and self._check_inputs(x) == 0:
            return np.zeros([0, *self.image_shape], np.float32)
        self._settle_once()
        return super().predict(x, *args, **kwargs)

    def _check_inputs(self, inputs: Any) -> int | None:
        """How many latents there are; None where that is not known."""
        rule = f"latents [N, {self.latent_dim}]"
        latents = inputs
        if self.condition is not None:
            rule = f"({rule}, {self.condition})"
            if not isinstance(inputs, tuple | list) or len(inputs) != 2:
                raise ValueError(
                    f"{type(self).__name__} takes {rule}. Received: {type(inputs).__name__}."
                )
            latents = inputs[0]
        shape = tf.TensorShape(getattr(latents, "shape", None) or np.shape(latents))
        if not shape.is_compatible_with([None, self.latent_dim]):
            raise ValueError(f"{type(self).__name__} takes {rule}. Received: {shape}.")
        return None if shape.rank is None else shape[0]

    def call(self, inputs: Any) -> tf.Tensor:
        """Images f32 [N, H, W, C] in [-1, 1] by the EMA generator.

        Args:
            inputs: latents f32 [N, z]; for a conditional model (latents, condition).
        """
        return self.images_from(inputs) if self.condition is None else self.images_from(*inputs)

    def call_signature(self) -> Any:
        """As `GAN.call_signature`: latents, or (latents, condition)."""
        latents = tf.TensorSpec([None, self.latent_dim], tf.float32, name="latents")
        return latents if self.condition is None else (latents, self.condition.spec)

    def images_from(
        self,
        latents: tf.Tensor,
        condition: tf.Tensor | None = None,
        truncation: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """latents f32 [N, z] (and labels, say) -> images f32 [N, H, W, C], by the EMA generator.

        No row depends on another. A family that truncates overrides this; `truncation` is then
        f32 [N], with NaN for rows that are not truncated, or None.
        """
        images = self.ema_generator(with_condition(latents, condition), training=False)
        return tf.cast(images, tf.float32)

    def latents_from_seeds(self, seeds: tf.Tensor) -> tf.Tensor:
        """int64 [N] -> latents f32 [N, z]; row i depends only on seed i."""
        return tf.map_fn(
            lambda seed: self.draw_latents([self.latent_dim], [seed, 0]),
            seeds,
            fn_output_signature=tf.TensorSpec([self.latent_dim], tf.float32),
        )

    def condition_from_seeds(self, seeds: tf.Tensor) -> tf.Tensor:
        """int64 [N] -> labels int32 [N], or embeddings; row i depends only on seed i."""
        spec = self.condition.spec
        return tf.map_fn(
            lambda seed: self.draw_condition([], [seed, 1]),
            seeds,
            fn_output_signature=tf.TensorSpec(spec.shape[1:], spec.dtype),
        )

    def fill_condition(self, condition: tf.Tensor | None, seeds: tf.Tensor) -> tf.Tensor | None:
        """The condition, with open rows drawn from int64 seeds [N]; None for a model without.

        Args:
            condition: A row for each seed, where -1 and NaN are open; None where all are.
            seeds: int64 [N].
        """
        if self.condition is None:
            return None
        return self.condition.filled(condition, self.condition_from_seeds(seeds))

    def images_from_seeds(
        self,
        seeds: tf.Tensor,
        condition: tf.Tensor | None = None,
        truncation: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """int64 [N] -> images f32 [N, H, W, C] in [-1, 1].

        Args:
            seeds: Row i is made from seed i.
            condition: As in `fill_condition`.
            truncation: f32 [N]; NaN, or None, for none.
        """
        return self.images_from(
            self.latents_from_seeds(seeds),
            self.fill_condition(condition, seeds),
            truncation if self.truncates else None,
        )

    def generate(
        self,
        n: int | None = None,
        *,
        seed: int | None = None,
        labels: int | Sequence[int] | None = None,
        embeddings: np.ndarray | None = None,
        truncation: float | Sequence[float] | None = None,
    ) -> np.ndarray:
        """Draws images with the EMA generator.

        Args:
            n: How many, at least 1; by default as many as labels, embeddings or truncations are
                given, else 1.
            seed: Row i is made from seed + i, whatever n; None draws a fresh one. Both are int64.
            labels: For a model with classes: one for all images, or n of them. None draws them too,
                row i from seed + i.
            embeddings: For a model with vectors: one [d] for all images, or [n, d]. None likewise.
            truncation: For a model that has it: trades variety for fidelity; 0 gives one image for
                each class. One number for all images, or n of them; None does not truncate.

        Returns:
            uint8 [n, H, W, C].

        Raises:
            ValueError: Anything out of range, or what the model does not take.
        """
        given = {
            "labels": (labels, 0),
            "embeddings": (embeddings, 1),
            "truncation": (truncation, 0),
        }
        n = checks.rows_asked_for(n, given)
        seed = secrets.randbits(32) if seed is None else checks.integer("seed", seed)
        if not -(2**63) <= seed <= 2**63 - n:
            raise ValueError(f"seed to seed + n - 1 must be int64. Received: {seed}, n {n}.")
        owner = type(self).__name__
        condition_of = self.condition_rows(n, labels=labels, embeddings=embeddings)
        truncation_of = checks.truncations_of(truncation, n, self.truncates, owner)
        self._settle_once()
        draw = self._draw_function()
        chunks = []
        for start in range(0, n, GENERATE_BATCH):
            rows = slice(start, min(start + GENERATE_BATCH, n))
            seeds = np.arange(seed + rows.start, seed + rows.stop, dtype=np.int64)
            inputs = [seeds, truncation_of[rows]]
            if condition_of is not None:
                inputs.append(condition_of[rows])
            chunks.append(draw(*map(tf.constant, inputs)).numpy())
        return np.concatenate(chunks)

    def _draw_function(self) -> Any:
        structure = self.structure()
        if structure not in self._drawing:
            spec = [
                tf.TensorSpec([None], tf.int64),
                tf.TensorSpec([None], tf.float32),
                *([] if self.condition is None else [self.condition.spec]),
            ]
            self._drawing[structure] = tf.function(
                lambda seeds, truncation, condition=None: image_io.to_uint8(
                    self.images_from_seeds(seeds, condition, truncation)
                ),
                input_signature=spec,
                autograph=False,
            )
        return self._drawing[structure]

    def condition_rows(self, n: int, *, needed: bool = False, **given: Any) -> np.ndarray | None:
        """Checks the condition that the user gives for n images; None for a model without.

        Args:
            n: Images.
            needed: Whether a conditional model must be given one.
            **given: Values by argument ("labels", "embeddings"); None for one that is omitted.

        Raises:
            ValueError: Values out of range, or an argument that the model does not take.
        """
        taken = None if self.condition is None else self.condition.argument
        for argument, value in given.items():
            if value is not None and argument != taken:
                owner = type(self).__name__
                rule = f"{owner} takes {taken or 'no condition'}, and no {argument}"
                if argument == "labels" and taken is None:
                    rule = f"{owner} has no labels here (num_classes is 0)"
                shown = repr(value) if np.size(value) < 10 else f"shape {list(np.shape(value))}"
                raise ValueError(f"{rule}: leave them out. Received: {shown}.")
        if taken is None:
            return None
        if needed and given.get(taken) is None:
            raise ValueError(f"{self.condition.rule} Received: None.")
        return self.condition.rows_of(given.get(taken), n)

    def sample_sheet(self) -> tuple[np.ndarray, int]:
        """Images from fixed seeds to look at: uint8 [n, H, W, C], and the number of columns.

        For a model with up to 10 classes, each column is one class.
        """
        if self.condition is None:
            return self.generate(SAMPLE_SHEET, seed=0), 8
        columns = self.condition.columns
        n = SAMPLE_SHEET // 8 * columns
        given = {self.condition.argument: self.condition.shown(n)}
        return self.generate(n, seed=0, **given), columns

    def discriminate(
        self,
        images: np.ndarray,
        labels: int | Sequence[int] | None = None,
        *,
        embeddings: np.ndarray | None = None,
    ) -> np.ndarray:
        """Probability that each image is real, as D sees it, or D's score.

        D gives a probability where it was trained on logits (`discriminator_output`).

        Args:
            images: uint8 [N, H, W, C], or float in [-1, 1].
            labels: For a model with classes: one, or N of them.
            embeddings: For a model with vectors: one [d], or [N, d].

        Returns:
            f32 [N]: probabilities in [0, 1], or scores without bounds, higher for real.

        Raises:
            ValueError: Other images or conditions, or a model that is a generator alone.
        """
        if not self.judges:
            raise ValueError(
                f"This {type(self).__name__} is a generator alone, and its discriminator has no "
                "weights: train it first, or convert a checkpoint that has one. "
                "Received: images to judge."
            )
        images = np.asarray(images)
        if images.dtype == np.uint8:
            images = images.astype(np.float32) / 127.5 - 1.0
        elif images.dtype.kind == "f" and not np.all(np.abs(images) <= checks.LARGEST):
            raise ValueError(
                f"{checks.RANGE_RULE} Received: from {images.min()} to {images.max()}."
            )
        owner = type(self).__name__
        images = checks.check_images(tf.convert_to_tensor(images), owner, self.image_shape)
        rows = self.condition_rows(len(images), needed=True, labels=labels, embeddings=embeddings)
        condition = None if rows is None else tf.constant(rows)
        if not len(images):
            return np.zeros([0], np.float32)
        return self.judge(tf.cast(images, tf.float32), condition).numpy()

    def judge(self, images: tf.Tensor, condition: tf.Tensor | None = None) -> tf.Tensor:
        """images f32 [N, H, W, C] in [-1, 1] -> f32 [N]: see `discriminate`."""
        logits = self.discriminator(with_condition(images, condition), training=False)
        return self.judged(logits)

    def judged(self, logits: tf.Tensor) -> tf.Tensor:
        """D's outputs [N, 1] -> f32 [N]: their sigmoid if it is a probability, else as they are."""
        logits = tf.cast(logits[:, 0], tf.float32)
        return tf.sigmoid(logits) if self.discriminator_output == "probability" else logits
