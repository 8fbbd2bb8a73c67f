"""What StyleGANs share: latents become styles w, one for each layer, styles become images.

    paper                    here
    f(z) = w                 map: latents [N, z] -> w [N, L, W]
    g(w)                     synthesize: w [N, L, W] -> images
    w_bar, psi               MeanStyle, truncation   (Karras et al. 2019, appendix B)
    style mixing             mix                     (section 3.1)

A family's generator has the layers "mapping" (latents, or [latents, labels], -> w [N, W]; its
layer "mean_style" is a `MeanStyle`) and "synthesis" (w [N, L, W] -> images).
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.core import checks
from zoo.core.gan import on_all_replicas
from zoo.core.noise_to_image import NoiseToImage, with_condition
from zoo.nn.layers import without_noise
from zoo.pictures.images import to_uint8

NOISES = ("constant", "none")


@keras.saving.register_keras_serializable("gan_zoo")
class MeanStyle(keras.layers.Layer):
    """Passes w through, and in training keeps its running mean, of each class its own.

    Input w [N, W], or [w, labels int [N]] -> w. The mean is over the batches of all replicas.

    Args:
        num_classes: 0 for one mean.
        decay: Weight of the mean so far at each step that has images of the class.
    """

    def __init__(self, num_classes: int = 0, decay: float = 0.995, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.decay = decay

    def build(self, input_shape: Any) -> None:
        width = (input_shape[0] if self.num_classes else input_shape)[-1]
        self.mean = self.add_weight(
            shape=(max(self.num_classes, 1), width),
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="mean",
            name="mean",
        )

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        w, labels = inputs if self.num_classes else (inputs, None)
        if training:
            self._move_towards(tf.stop_gradient(tf.cast(w, tf.float32)), labels)
        return w

    def _move_towards(self, w: tf.Tensor, labels: tf.Tensor | None) -> None:
        if labels is None:
            labels = tf.zeros(tf.shape(w)[:1], tf.int32)
        classes = self.mean.shape[0]
        total = tf.math.unsorted_segment_sum(w, labels, classes)
        count = tf.math.unsorted_segment_sum(tf.ones_like(w[:, :1]), labels, classes)
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            context = tf.distribute.get_replica_context()
            total, count = context.all_reduce(tf.distribute.ReduceOp.SUM, [total, count])
        rate = tf.where(count > 0.0, 1.0 - self.decay, 0.0)
        mean = total / tf.maximum(count, 1.0)
        self.mean.assign(self.mean + rate * (mean - self.mean))

    def of(self, labels: tf.Tensor | None) -> tf.Tensor:
        """The means of the labels' classes: f32 [N, W], or [1, W] of a model without labels."""
        mean = tf.convert_to_tensor(self.mean)
        return mean if labels is None else tf.gather(mean, labels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_classes": self.num_classes, "decay": self.decay}


class StyleBased(NoiseToImage):
    """Base of StyleGANs: generation by way of w, truncation and mixing."""

    truncates = True

    @property
    def num_layers(self) -> int:
        """L: how many layers have a style of their own, two a resolution from 4 px on."""
        return 2 * (self.image_shape[0].bit_length() - 2)

    def finish_step(self, count: tf.Tensor) -> None:
        """As in `GAN`; what no optimizer moves, w_bar among it, is copied, not averaged.

        The papers' code does so too.
        """
        super().finish_step(count)
        sources = self.generator.variables
        copied = [i for i, source in enumerate(sources) if not source.trainable]
        averages = self.ema_generator.variables
        on_all_replicas(
            lambda average, source: average.assign(source),
            [averages[i] for i in copied],
            [sources[i] for i in copied],
        )

    # ---- tensors

    def map_latents(
        self,
        latents: tf.Tensor,
        labels: tf.Tensor | None = None,
        truncation: tf.Tensor | None = None,
        cutoff: int | None = None,
    ) -> tf.Tensor:
        """latents f32 [N, z] (and labels int [N]) -> w f32 [N, L, W], by the EMA generator.

        w_bar + psi (w - w_bar) in the first `cutoff` layers (all where None), w in the others.

        Args:
            latents: f32 [N, z].
            labels: int [N] of a conditional model; w_bar is then that of the class.
            truncation: psi, f32 [N]; NaN, 1 or None leave w as it is.
            cutoff: From 0 to L.
        """
        mapping = self.ema_generator.get_layer("mapping")
        w = tf.cast(mapping(with_condition(latents, labels), training=False), tf.float32)
        w = tf.repeat(w[:, None, :], self.num_layers, axis=1)
        if truncation is None:
            return w
        mean = mapping.get_layer("mean_style").of(labels)[:, None, :]
        psi = tf.where(tf.math.is_nan(truncation), 1.0, truncation)[:, None, None]
        if cutoff is not None:
            psi = tf.where(self._layer_numbers() < cutoff, psi, 1.0)
        return tf.where(psi == 1.0, w, mean + psi * (w - mean))

    def _layer_numbers(self) -> tf.Tensor:
        """0 to L - 1: int32 [1, L, 1]."""
        return tf.range(self.num_layers)[None, :, None]

    def synthesize_w(self, w: tf.Tensor) -> tf.Tensor:
        """w f32 [N, L, W] -> images f32 [N, H, W, C] in [-1, 1], by the EMA generator."""
        images = self.ema_generator.get_layer("synthesis")(w, training=False)
        return tf.clip_by_value(tf.cast(images, tf.float32), -1.0, 1.0)

    def mix_seeds(
        self,
        seed_a: tf.Tensor,
        seed_b: tf.Tensor,
        cutoff: tf.Tensor,
        labels: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Images f32 [N, H, W, C] with the styles of seed a, and those of seed b from `cutoff` on.

        Args:
            seed_a: int64 [N].
            seed_b: int64 [N].
            cutoff: int32 [N], from 0 (all of b) to L (all of a).
            labels: int32 [N] for both; -1, or None, for each seed's own.
        """
        w_a, w_b = (self._w_of_seeds(seeds, labels) for seeds in (seed_a, seed_b))
        return self.synthesize_w(tf.where(self._layer_numbers() < cutoff[:, None, None], w_a, w_b))

    def _w_of_seeds(self, seeds: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor:
        return self.map_latents(self.latents_from_seeds(seeds), self.fill_condition(labels, seeds))

    def images_from(
        self,
        latents: tf.Tensor,
        labels: tf.Tensor | None = None,
        truncation: tf.Tensor | None = None,
    ) -> tf.Tensor:
        return self.synthesize_w(self.map_latents(latents, labels, truncation))

    # ---- arrays

    def map(
        self,
        latents: np.ndarray,
        labels: int | Sequence[int] | None = None,
        *,
        truncation: float | Sequence[float] | None = None,
        cutoff: int | None = None,
    ) -> np.ndarray:
        """latents [N, z] -> styles w f32 [N, L, W].

        Args:
            latents: Of N(0, 1); `latents_from_seeds` has those of `generate`.
            labels: Of a conditional model: one class for all, or N of them.
            truncation: psi: 0 for the mean style, None or 1 for w as it is.
            cutoff: Truncates the first so many layers, from 0 to L; None: all.

        Raises:
            ValueError: Anything out of range.
        """
        latents = tf.cast(latents, tf.float32)
        if latents.shape.rank != 2 or latents.shape[1] != self.latent_dim:
            raise ValueError(
                f"{type(self).__name__} takes latents [N, {self.latent_dim}]. "
                f"Received: {latents.shape}."
            )
        n, owner = latents.shape[0], type(self).__name__
        rows = self.condition_rows(n, needed=True, labels=labels)
        psi = checks.truncations_of(truncation, n, self.truncates, owner)
        return self.map_latents(
            latents,
            None if rows is None else tf.constant(rows),
            tf.constant(psi),
            None if cutoff is None else int(self._cutoffs(cutoff, ())),
        ).numpy()

    def synthesize(self, w: np.ndarray, *, noise: str = "constant") -> np.ndarray:
        """Styles w [N, L, W], of `map` -> images uint8 [N, H, W, C].

        Args:
            w: float [N, L, W].
            noise: "constant", the same for every image, or "none".

        Raises:
            ValueError: w of another shape, or another noise.
        """
        w = tf.cast(w, tf.float32)
        if not w.shape.is_compatible_with([None, self.num_layers, self.latent_dim]):
            raise ValueError(
                f"{type(self).__name__} synthesizes w [N, {self.num_layers}, {self.latent_dim}]. "
                f"Received: {w.shape}."
            )
        if noise not in NOISES:
            raise ValueError(f"noise must be one of {', '.join(NOISES)}. Received: {noise!r}.")
        if noise == "constant":
            return to_uint8(self.synthesize_w(w)).numpy()
        with without_noise():
            return to_uint8(self.synthesize_w(w)).numpy()

    def mix(
        self,
        seed_a: int | Sequence[int],
        seed_b: int | Sequence[int],
        cutoff: int | Sequence[int],
        *,
        labels: int | Sequence[int] | None = None,
    ) -> np.ndarray:
        """Images with the styles of seed a, and those of seed b from layer `cutoff` on.

        Args:
            seed_a: One seed, or N.
            seed_b: Likewise.
            cutoff: From 0 (all of b) to L (all of a), one or N.
            labels: Of a conditional model: one class for all, or N of them; None: each seed's own.

        Returns:
            uint8 [N, H, W, C].

        Raises:
            ValueError: Anything out of range.
        """
        try:
            shape = np.broadcast_shapes(np.shape(seed_a), np.shape(seed_b), np.shape(cutoff), (1,))
        except ValueError:
            shape = (0, 0)
        seeds = [np.asarray(seed) for seed in (seed_a, seed_b)]
        if len(shape) != 1 or any(seed.dtype.kind not in "iu" for seed in seeds):
            raise ValueError(
                "seed_a, seed_b and cutoff must be integers, each one or as many as the others. "
                f"Received: {seed_a!r}, {seed_b!r}, {cutoff!r}."
            )
        rows = self.condition_rows(shape[0], labels=labels)
        images = self.mix_seeds(
            *(tf.constant(np.broadcast_to(seed, shape), tf.int64) for seed in seeds),
            tf.constant(self._cutoffs(cutoff, shape)),
            None if rows is None else tf.constant(rows),
        )
        return to_uint8(images).numpy()

    def _cutoffs(self, cutoff: Any, shape: tuple[int, ...]) -> np.ndarray:
        """int32 of `shape`, if they are layers."""
        array = np.asarray(cutoff)
        if (
            array.dtype.kind not in "iu"
            or array.shape not in ((), shape)
            or np.any((array < 0) | (array > self.num_layers))
        ):
            raise ValueError(
                f"cutoff must be an integer from 0 to {self.num_layers}, the layers of this "
                f"{type(self).__name__}. Received: {cutoff!r}."
            )
        return np.broadcast_to(array, shape).astype(np.int32)
