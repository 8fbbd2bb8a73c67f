"""ProGAN: the game (Karras et al. 2018, appendix A.1; Gulrajani et al. 2017, algorithm 1)."""

import functools
from typing import Any

import keras
import tensorflow as tf

from zoo.core import checks
from zoo.core.gan import Game
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
        fused: Whether D halves as it convolves, before the activation, as the paper's code
            by default; otherwise after it, as in table 2.
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
    default_losses = ("wasserstein", "wasserstein")
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
        fused: bool = True,
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
                resolution, channels, fmap_base, fmap_max, group, fused, name="discriminator"
            ),
            schedule=Schedule(
                FIRST, resolution, round(1000 * stable_kimg), round(1000 * fade_kimg)
            ),
            config={"resolution": resolution, **sizes, "fused": fused, **amounts},
            **kwargs,
        )

    def draw_latents(self, shape: Any, seed: Any) -> tf.Tensor:
        """z from N(0, 1); G divides it by its length: a point on the hypersphere."""
        return tf.random.stateless_normal(shape, seed)

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """The paper's Adam, 1e-3 with betas 0 and .99 (appendix A.1)."""
        return {
            "generator": keras.optimizers.Adam(1e-3, 0.0, 0.99, epsilon=1e-8),
            "discriminator": keras.optimizers.Adam(1e-3, 0.0, 0.99, epsilon=1e-8),
        }

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """One update of each network on one batch.

        Args:
            images: f32 [N, H, W, C] in [-1, 1].
        """

        def game(images: tf.Tensor) -> Game:
            fade = self.fade_in_step(images)
            reals = self.at_stage(images, **fade)
            critic = functools.partial(self.discriminator, training=True, **fade)
            fakes = self.generator(self.latents_for(images), training=True, **fade)
            real_scores, fake_scores = critic(reals), critic(fakes)
            penalty = tf.constant(0.0)
            if self._config["penalty_weight"]:
                seed = self.step_seed("penalty")
                penalty = regularizers.gradient_penalty(critic, reals, fakes, seed)
            return Game(
                d_loss=self.discriminator_loss(real_scores, fake_scores)
                + self._config["penalty_weight"] * penalty
                + self._config["drift_weight"] * losses.drift(real_scores),
                g_loss=self.generator_loss(fake_scores),
                scalars={"gradient_penalty": penalty},
            )

        return self.play(game, images)
