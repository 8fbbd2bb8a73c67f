"""R3GAN: the game (Huang et al. 2024)."""

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from zoo.core import checks
from zoo.core.noise_to_image import NoiseToImage, with_condition
from zoo.nn import augment, losses, regularizers
from zoo.nn.adam import BiasCorrectedAdam
from zoo.r3gan import networks


class R3GAN(NoiseToImage):
    """A plain GAN: relativistic pairing loss, R1 and R2, modern residual networks.

    Hyper-parameters change with the images shown, by half a cosine that ends after `decay_kimg`
    thousand images ("burn-in"): the learning rate falls to a quarter, gamma to a tenth, Adam's
    beta2 rises from .9 to .99, and the half-life of the average and the strength of the
    augmentations rise from 0. The defaults are the paper's for FFHQ at 64 px.

    Args:
        resolution: Height and width of the images: a power of two from 8.
        channels: 1 (grey) or 3 (RGB).
        latent_dim: Length of z.
        num_classes: Of labels, which then condition both networks; 0 for none.
        fmap_base: Feature maps at R px are 2 fmap_base / R, in both networks,
        fmap_max: and at most this many.
        blocks: Residual blocks at each resolution.
        group_size: Features in each group of the 3x3 convolutions.
        expansion: Features of the 3x3 convolutions, as a multiple of their block's.
        gamma: Weight of R1 and of R2 at first.
        learning_rate: Of Adam, in both networks, at first.
        ema_images: Half-life of the generator's average at last, in images.
        augment: Strength of ADA's augmentations at last, from 0 for none to 1.
        decay_kimg: See above.

    Example:
        gan = zoo.R3GAN(resolution=32, channels=1, fmap_base=512, fmap_max=128, augment=0.0)
        gan.compile()
        gan.fit(dataset)                      # images f32 [N, 32, 32, 1] in [-1, 1]
        images = gan.generate(16, seed=0)

    Reference: Huang, Gokaslan, Kuleshov & Tompkin, "The GAN is dead; long live the GAN! A Modern
    Baseline GAN", NeurIPS 2024.
    """

    family = "r3gan"
    alternates = None
    critic = True  # only differences of D's outputs mean something
    tracked = (
        "d_loss",
        "g_loss",
        "r1_penalty",
        "r2_penalty",
        "pair_accuracy",
        "d_gradient_norm",
        "g_gradient_norm",
    )

    def __init__(
        self,
        resolution: int = 64,
        channels: int = 3,
        latent_dim: int = 64,
        num_classes: int = 0,
        fmap_base: int = 12288,
        fmap_max: int = 768,
        blocks: int = 2,
        group_size: int = 16,
        expansion: int = 2,
        gamma: float = 2.0,
        learning_rate: float = 2e-4,
        ema_images: float = 500_000.0,
        augment: float = 0.3,
        decay_kimg: float = 20_000.0,
        **kwargs: Any,
    ) -> None:
        resolution = checks.power_of_two("resolution", resolution, 8)
        sizes = checks.counts(
            {
                "channels": channels,
                "latent_dim": latent_dim,
                "fmap_base": fmap_base,
                "fmap_max": fmap_max,
                "blocks": blocks,
                "group_size": group_size,
                "expansion": expansion,
            }
        )
        num_classes = checks.integer("num_classes", num_classes)
        amounts = {
            "num_classes": num_classes,
            "gamma": gamma,
            "ema_images": ema_images,
            "augment": augment,
            "decay_kimg": decay_kimg,
        }
        checks.check_not_negative(amounts)
        if not learning_rate > 0:
            raise ValueError(f"learning_rate must be more than 0. Received: {learning_rate}.")
        if augment and channels not in (1, 3):
            raise ValueError(f"Augmentations take images of 1 or 3 channels. Received: {channels}.")
        for size in networks.resolutions(resolution):
            features = networks.features_at(size, fmap_base, fmap_max)
            if features == 0 or features * expansion % group_size:
                raise ValueError(
                    f"expansion times the features at {size} px must be a multiple of group_size. "
                    f"Received: {expansion} times {features}, and {group_size}."
                )
        common = (fmap_base, fmap_max, blocks, group_size, expansion)
        super().__init__(
            generator=networks.generator(resolution, channels, latent_dim, num_classes, *common),
            discriminator=networks.discriminator(resolution, channels, num_classes, *common),
            config={
                "resolution": resolution,
                **sizes,
                **amounts,
                "learning_rate": learning_rate,
            },
            **kwargs,
        )

    def get_config(self) -> dict[str, Any]:
        return dict(self._config)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """As `GAN.compile`; the losses compare pairs of images, and are no options."""
        given = [name for name in ("generator_loss", "discriminator_loss") if kwargs.get(name)]
        if given or len(args) > 2:
            raise ValueError(
                "R3GAN's losses compare pairs of images: compile takes none. "
                f"Received: {', '.join(given) or 'more than two arguments'}."
            )
        super().compile(*args, **kwargs)

    def draw_latents(self, shape: Any, seed: Any) -> tf.Tensor:
        """z from N(0, 1)."""
        return tf.random.stateless_normal(shape, seed)

    def images_from(
        self,
        latents: tf.Tensor,
        condition: tf.Tensor | None = None,
        truncation: tf.Tensor | None = None,
    ) -> tf.Tensor:
        return tf.clip_by_value(super().images_from(latents, condition), -1.0, 1.0)

    # ---- schedules

    def _scheduled(self, first: float, last: float, before: Any = 0) -> tf.Tensor:
        """From `first` to `last` by half a cosine, now or `before` so many images."""
        shown = tf.cast(self.images_seen.value - before, tf.float32)
        share = shown / max(1000.0 * self._config["decay_kimg"], 1.0)
        decayed = 0.5 - 0.5 * tf.cos(math.pi * tf.minimum(share, 1.0))
        return first + decayed * (last - first)

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """The paper's Adam without momentum, on its schedules of the rate and of beta2."""
        rate = self._config["learning_rate"]

        def adam() -> keras.optimizers.Optimizer:
            return BiasCorrectedAdam(
                lambda: self._scheduled(rate, rate / 4.0),
                beta_1=0.0,
                beta_2=lambda: self._scheduled(0.9, 0.99),
            )

        return {"generator": adam(), "discriminator": adam()}

    def averaging_decay(self, count: tf.Tensor) -> tf.Tensor:
        """(1 / 2)^(images / half-life)."""
        half_life = self._scheduled(0.0, self._config["ema_images"], before=count)
        return 0.5 ** (tf.cast(count, tf.float32) / tf.maximum(half_life, 1e-8))

    # ---- a step

    def train_step(self, batch: Any) -> dict[str, tf.Tensor]:
        """One update of D, then one of G, against the same real images and new latents.

        L(G, D) = E[f(D(G(z)) - D(x))], f(t) = -log(1 + e^-t)  (equation 2), and for D
        gamma / 2 (R1 + R2)  (equations 3 and 4).

        Args:
            batch: images f32 [N, H, W, C] in [-1, 1], or (images, labels int [N]). The fakes are
                of the same classes.
        """
        results = self.turn(self._update_discriminator, batch)
        return results | self.turn(self._update_generator, batch)

    def _update_discriminator(self, batch: Any) -> dict[str, tf.Tensor]:
        images, labels = self.images_and_condition(batch)
        fakes = self._draw_fakes(images, labels)
        gamma = self._scheduled(self._config["gamma"], self._config["gamma"] / 10.0)
        with tf.GradientTape() as tape:
            # With respect to images before they are augmented.
            r1, real_logits = regularizers.r1_penalty(self._seen("real", labels), images)
            r2, fake_logits = regularizers.r1_penalty(self._seen("fake", labels), fakes)
            loss = losses.relativistic_discriminator(real_logits, fake_logits)
            total = loss + gamma / 2.0 * (r1 + r2)
        norm = self.minimize(tape, total, self.discriminator)
        return {
            "d_loss": loss,
            "r1_penalty": r1,
            "r2_penalty": r2,
            "pair_accuracy": tf.reduce_mean(tf.cast(real_logits > fake_logits, tf.float32)),
            "d_gradient_norm": norm,
        }

    def _update_generator(self, batch: Any) -> dict[str, tf.Tensor]:
        images, labels = self.images_and_condition(batch)
        with tf.GradientTape() as tape:
            fakes = self._draw_fakes(images, labels)
            fake_logits = self._seen("fake", labels)(fakes)
            real_logits = self._seen("real", labels)(images)
            loss = losses.relativistic_generator(real_logits, fake_logits)
        norm = self.minimize(tape, loss, self.generator)
        return {"g_loss": loss, "g_gradient_norm": norm}

    def _draw_fakes(self, images: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor:
        latents = self.latents_for(images)
        return self.generator(with_condition(latents, labels), training=True)

    def _seen(self, name: str, labels: tf.Tensor | None) -> Callable[[tf.Tensor], tf.Tensor]:
        """Images -> D's logits [N, 1] of what it sees of them."""
        seed = self.step_seed(f"augment_{name}")

        def logits(images: tf.Tensor) -> tf.Tensor:
            if self._config["augment"]:
                images = self._augmented(images, seed)
            return self.discriminator(with_condition(images, labels), training=True)

        return logits

    def _augmented(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """ADA's pipeline, colours half as often, and cutout, as in the paper's code."""
        seeds = tf.unstack(tf.random.split(tf.cast(seed, tf.int64), 3))
        p = self._scheduled(0.0, self._config["augment"])
        count, (_, size, _, channels) = tf.shape(images)[0], images.shape
        x = tf.cast(images, tf.float32) if images.dtype.size < 4 else images
        x = augment.warp(x, augment.geometry(count, size, p, seeds[0]))
        x = augment.recolour(x, augment.colours(count, channels, p / 2.0, seeds[1]))
        return tf.cast(augment.cutout(x, p, seeds[2]), images.dtype)
