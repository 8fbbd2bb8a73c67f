"""ProGAN: the game (Karras et al. 2018, appendix A.1; Gulrajani et al. 2017, algorithm 1)."""

import functools
from typing import Any

import keras
import tensorflow as tf

from zoo.core import checks
from zoo.core.accumulation import in_parts
from zoo.core.growing import GrowingGAN
from zoo.core.stages import Schedule
from zoo.nn import losses, regularizers
from zoo.nn.progressive import FIRST
from zoo.progan import networks


class ProGAN(GrowingGAN):
    """Progressively growing GAN: trained at 4 px first, then at twice that, and so on.

    In plain `fit` it grows with the images that it has been shown; the images of the data set have
    the last resolution throughout and are shrunk to the stage's. `python -m trainers` also gives
    each resolution a batch size of its own.

    Args:
        resolution: Height and width of the images, a power of two from 4.
        channels: 1 (grey) or 3 (RGB).
        latent_dim: Length of z.
        fmap_base: Feature maps at r pixels are 2 * fmap_base / r,
        fmap_max: and no more than this.
        stable_kimg: Thousands of real images for which each resolution is trained,
        fade_kimg: and over which the next one's layers are faded in.
        group: Images over which the minibatch standard deviation is taken; batches must be a
            multiple of it, or smaller.
        penalty_weight: lambda of the gradient penalty.
        drift_weight: epsilon_drift, of the critic's squared scores.

    Example:
        gan = zoo.ProGAN(resolution=32, channels=1, fmap_base=512, stable_kimg=60, fade_kimg=60)
        gan.compile()
        gan.fit(dataset, epochs=20)                        # images f32 [N, 32, 32, 1] in [-1, 1]
        images = gan.generate(16, seed=0)                  # uint8 [16, 32, 32, 1]
        small = gan.generate(16, seed=0, resolution=8)     # uint8 [16, 8, 8, 1]

    Reference: Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and
    Variation", ICLR 2018.
    """

    family = "progan"
    critic = True
    tracked = ("d_loss", "g_loss", "gradient_penalty", "d_gradient_norm", "g_gradient_norm")

    def __init__(
        self,
        resolution: int = 1024,
        channels: int = 3,
        latent_dim: int = 512,
        fmap_base: int = 8192,
        fmap_max: int = 512,
        stable_kimg: float = 800.0,
        fade_kimg: float = 800.0,
        group: int = 4,
        penalty_weight: float = 10.0,
        drift_weight: float = 1e-3,
        **kwargs: Any,
    ) -> None:
        resolution = checks.power_of_two("resolution", resolution, FIRST)
        sizes = {
            "channels": channels,
            "latent_dim": latent_dim,
            "fmap_base": fmap_base,
            "fmap_max": fmap_max,
            "group": group,
        }
        sizes = checks.counts(sizes)
        amounts = {
            "stable_kimg": stable_kimg,
            "fade_kimg": fade_kimg,
            "penalty_weight": penalty_weight,
            "drift_weight": drift_weight,
        }
        checks.check_not_negative(amounts)
        super().__init__(
            generator=networks.Generator(
                resolution, channels, latent_dim, fmap_base, fmap_max, name="generator"
            ),
            discriminator=networks.Discriminator(
                resolution, channels, fmap_base, fmap_max, group, name="discriminator"
            ),
            schedule=Schedule(
                FIRST, resolution, round(1000 * stable_kimg), round(1000 * fade_kimg)
            ),
            **kwargs,
        )
        self._config = {"resolution": resolution, **sizes, **amounts}

    def draw_latents(self, shape: Any, seed: Any) -> tf.Tensor:
        """z from N(0, 1); G divides it by its length: a point on the hypersphere."""
        return tf.random.stateless_normal(shape, seed, alg="philox")

    def compile(
        self,
        generator_optimizer: Any = None,
        discriminator_optimizer: Any = None,
        **kwargs: Any,
    ) -> None:
        """The paper's Adam, 1e-3 with betas 0 and .99 (appendix A.1), unless another is given."""
        super().compile(
            generator_optimizer or keras.optimizers.Adam(1e-3, 0.0, 0.99, epsilon=1e-8),
            discriminator_optimizer or keras.optimizers.Adam(1e-3, 0.0, 0.99, epsilon=1e-8),
            **kwargs,
        )

    @in_parts
    def train_step(self, batch: Any) -> dict[str, tf.Tensor]:
        """One update of each network on one batch, both from the same forward pass.

        Args:
            batch: Images f32 [N, H, W, C] in [-1, 1].
        """
        images, _ = self.check_batch(batch)
        fade = self.fade_in_step(images)
        reals = self.at_stage(images, **fade)
        generator = functools.partial(self.generator, training=True, **fade)
        critic = functools.partial(self.discriminator, training=True, **fade)
        latent_seed, mix_seed = self.step_seeds(2)
        latents = self.draw_latents([tf.shape(images)[0], self.latent_dim], latent_seed)

        with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
            fakes = generator(latents)
            real_scores = critic(reals)
            fake_scores = critic(fakes)
            penalty = tf.constant(0.0)
            if self._config["penalty_weight"]:
                penalty = regularizers.gradient_penalty(critic, reals, fakes, mix_seed)
            d_loss = (
                losses.wasserstein_discriminator(real_scores, fake_scores)
                + self._config["penalty_weight"] * penalty
                + self._config["drift_weight"] * losses.drift(real_scores)
            )
            g_loss = losses.wasserstein_generator(fake_scores)

        d_norm = self.minimize(d_tape, d_loss, self.discriminator, self.discriminator_optimizer)
        g_norm = self.minimize(g_tape, g_loss, self.generator, self.generator_optimizer)
        self.finish_step(images)
        return self.track(
            d_loss=d_loss,
            g_loss=g_loss,
            gradient_penalty=penalty,
            d_gradient_norm=d_norm,
            g_gradient_norm=g_norm,
        )
