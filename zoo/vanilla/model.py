"""The first GAN: the game (Goodfellow et al. 2014, algorithm 1)."""

from typing import Any

import numpy as np
import tensorflow as tf

from zoo.core import checks
from zoo.core.gan import Game
from zoo.core.noise_to_image import NoiseToImage
from zoo.nn.goodfellow_sgd import GoodfellowSGD
from zoo.vanilla import networks


class VanillaGAN(NoiseToImage):
    """The GAN of multilayer perceptrons, with which it began.

    Args:
        resolution: Height and width of the images.
        channels: 1 (grey) or 3 (RGB).
        latent_dim: Length of z.
        generator_width: Units of each of G's two hidden layers.
        discriminator_width: Maxout units of each of D's two hidden layers.
        pieces: Linear maps in each maxout unit.
        dropout: Whether D drops 20 % of its input and half of each hidden layer.

    Example:
        gan = zoo.VanillaGAN(resolution=28)
        gan.compile()
        gan.adapt(dataset)                    # G's first images are the mean image
        gan.fit(dataset)                      # images f32 [N, 28, 28, 1] in [-1, 1]
        images = gan.generate(16, seed=0)     # uint8 [16, 28, 28, 1]

    Reference: Goodfellow et al., "Generative Adversarial Nets", NIPS 2014.
    """

    family = "vanilla"
    interpolation = "lerp"  # z is uniform

    def __init__(
        self,
        resolution: int = 28,
        channels: int = 1,
        latent_dim: int = 100,
        generator_width: int = 1200,
        discriminator_width: int = 240,
        pieces: int = 5,
        dropout: bool = True,
        **kwargs: Any,
    ) -> None:
        sizes = {
            "resolution": resolution,
            "channels": channels,
            "latent_dim": latent_dim,
            "generator_width": generator_width,
            "discriminator_width": discriminator_width,
            "pieces": pieces,
        }
        sizes = checks.counts(sizes)
        super().__init__(
            generator=networks.generator(resolution, channels, latent_dim, generator_width),
            discriminator=networks.discriminator(
                resolution, channels, discriminator_width, pieces, dropout
            ),
            config={**sizes, "dropout": dropout},
            **kwargs,
        )

    def draw_latents(self, shape: Any, seed: Any) -> tf.Tensor:
        """z from U(-sqrt 3, sqrt 3), of variance 1, as the paper's code draws it."""
        limit = 3.0**0.5
        return tf.random.stateless_uniform(shape, seed, -limit, limit)

    def adapt(self, dataset: tf.data.Dataset) -> None:
        """Sets G's output bias so that sigmoid(bias) is the mean image of `dataset`."""
        total, count = np.zeros(self.image_shape), 0
        for images in dataset.as_numpy_iterator():
            total += images.sum(axis=0, dtype=np.float64)
            count += len(images)
        mean = np.clip((total / count + 1.0) / 2.0, 1e-7, 1.0 - 1e-7).ravel()
        for network in (self.generator, self.ema_generator):
            network.get_layer("pixels").bias.assign(np.log(mean) - np.log1p(-mean))

    def default_optimizers(self) -> dict[str, GoodfellowSGD]:
        """Momentum SGD as in the paper's code."""
        return {"generator": GoodfellowSGD(), "discriminator": GoodfellowSGD()}

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Algorithm 1 with k = 1: one update of each network on one batch.

        G's loss is -log D(G(z)), which the paper trains with; `compile(generator_loss="minimax")`
        takes log(1 - D(G(z))), which it analyses.

        Args:
            images: f32 [N, H, W, C] in [-1, 1].
        """

        def game(images: tf.Tensor) -> Game:
            fakes = self.generator(self.latents_for(images), training=True)
            real_logits = self.discriminator(images, training=True)
            fake_logits = self.discriminator(fakes, training=True)
            return Game(
                # Half of equation 1, as in the paper's code: its learning rate goes with that.
                d_loss=0.5 * self.discriminator_loss(real_logits, fake_logits),
                g_loss=self.generator_loss(fake_logits),
                real_logits=real_logits,
                fake_logits=fake_logits,
            )

        return self.play(game, images)
