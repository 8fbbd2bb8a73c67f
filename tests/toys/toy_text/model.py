"""The game of the first GAN, with a vector for each image."""

from typing import Any

import keras
import tensorflow as tf

from tests.toys.toy_text import networks
from zoo.core.conditions import Embedding
from zoo.core.gan import Game
from zoo.core.noise_to_image import NoiseToImage


class ToyText(NoiseToImage):
    """Draws images from noise and an embedding.

    Example:
        gan = ToyText()
        gan.compile()
        gan.fit(dataset)          # (images f32 [N, 8, 8, 1] in [-1, 1], embeddings f32 [N, 6])
        images = gan.generate(2, seed=0, embeddings=vector)      # uint8 [2, 8, 8, 1]
    """

    family = "toy_text"

    def __init__(
        self,
        resolution: int = 8,
        channels: int = 1,
        latent_dim: int = 4,
        dim: int = 6,
        width: int = 16,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            generator=networks.generator(resolution, channels, latent_dim, dim, width),
            discriminator=networks.discriminator(resolution, channels, dim, width),
            condition=Embedding(dim),
            config={
                "resolution": resolution,
                "channels": channels,
                "latent_dim": latent_dim,
                "dim": dim,
                "width": width,
            },
            **kwargs,
        )

    def draw_latents(self, shape: Any, seed: Any) -> tf.Tensor:
        """z from N(0, 1)."""
        return tf.random.stateless_normal(shape, seed, alg="philox")

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam, 1e-3."""
        return {
            "generator": keras.optimizers.Adam(1e-3),
            "discriminator": keras.optimizers.Adam(1e-3),
        }

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One update of each network on one batch of (images, embeddings)."""

        def game(batch: tuple[tf.Tensor, tf.Tensor]) -> Game:
            images, embeddings = batch
            fakes = self.generator([self.latents_for(images), embeddings], training=True)
            real_logits = self.discriminator([images, embeddings], training=True)
            fake_logits = self.discriminator([fakes, embeddings], training=True)
            return Game(
                d_loss=self.discriminator_loss(real_logits, fake_logits),
                g_loss=self.generator_loss(fake_logits),
                real_logits=real_logits,
                fake_logits=fake_logits,
            )

        return self.play(game, batch)
