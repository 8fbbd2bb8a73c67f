"""DCGAN: the game (Radford et al. 2016; Goodfellow et al. 2014, algorithm 1)."""

from typing import Any

import keras
import tensorflow as tf

from zoo.core.checks import integer
from zoo.core.gan import Game
from zoo.core.noise_to_image import NoiseToImage
from zoo.dcgan import networks
from zoo.nn.adam import BiasCorrectedAdam


class DCGAN(NoiseToImage):
    """Deep convolutional GAN.

    Args:
        resolution: Height and width of the images. "paper": a power of two from 16; "small": a
            multiple of 4.
        channels: 1 (grey) or 3 (RGB).
        latent_dim: Length of z.
        width: Features of the last hidden layer of G and the first of D; the paper's 128 by
            default, 64 for "small".
        architecture: "paper" (figure 1), or "small": the layout of TensorFlow's DCGAN tutorial,
            for images of 28 or 32 px, without dropout.

    Example:
        gan = zoo.DCGAN(resolution=28, channels=1, architecture="small")
        gan.compile()
        gan.fit(dataset)                      # images f32 [N, 28, 28, 1] in [-1, 1]
        images = gan.generate(16, seed=0)     # uint8 [16, 28, 28, 1]

    Reference: Radford, Metz & Chintala, "Unsupervised Representation Learning with Deep
    Convolutional Generative Adversarial Networks", ICLR 2016.
    """

    family = "dcgan"
    interpolation = "lerp"  # z is uniform

    def __init__(
        self,
        resolution: int = 64,
        channels: int = 3,
        latent_dim: int = 100,
        width: int | None = None,
        architecture: str = "paper",
        **kwargs: Any,
    ) -> None:
        resolution = integer("resolution", resolution)
        channels = integer("channels", channels)
        latent_dim = integer("latent_dim", latent_dim)
        width = width if width is None else integer("width", width)
        if architecture == "paper":
            fits = resolution >= 16 and resolution & (resolution - 1) == 0
            rule = "a power of two from 16"
            width = 128 if width is None else width
        elif architecture == "small":
            fits = resolution >= 8 and resolution % 4 == 0
            rule = "a multiple of 4 from 8"
            width = 64 if width is None else width
        else:
            raise ValueError(
                f"architecture must be 'paper' or 'small'. Received: {architecture!r}."
            )
        if not fits:
            raise ValueError(
                f"resolution must be {rule} for architecture={architecture!r}. "
                f"Received: {resolution}."
            )
        if min(channels, latent_dim, width) < 1:
            raise ValueError(
                "channels, latent_dim and width must be at least 1. "
                f"Received: {channels}, {latent_dim}, {width}."
            )
        build_generator = getattr(networks, f"{architecture}_generator")
        build_discriminator = getattr(networks, f"{architecture}_discriminator")
        super().__init__(
            generator=build_generator(resolution, channels, latent_dim, width),
            discriminator=build_discriminator(resolution, channels, width),
            config={
                "resolution": resolution,
                "channels": channels,
                "latent_dim": latent_dim,
                "width": width,
                "architecture": architecture,
            },
            **kwargs,
        )

    def draw_latents(self, shape: Any, seed: Any) -> tf.Tensor:
        """z from U(-1, 1), as the paper's code draws it."""
        return tf.random.stateless_uniform(shape, seed, -1.0, 1.0)

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """The paper's Adam, 2e-4 with beta1 .5 (section 4); epsilon 1e-8, as in its code."""
        return {
            "generator": BiasCorrectedAdam(2e-4, beta_1=0.5),
            "discriminator": BiasCorrectedAdam(2e-4, beta_1=0.5),
        }

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """One update of each network on one batch.

        Args:
            images: f32 [N, H, W, C] in [-1, 1].
        """

        def game(images: tf.Tensor) -> Game:
            fakes = self.generator(self.latents_for(images), training=True)
            # Real images and fakes are normalised apart, as in the paper's code.
            real_logits = self.discriminator(images, training=True)
            fake_logits = self.discriminator(fakes, training=True)
            return Game(
                d_loss=self.discriminator_loss(real_logits, fake_logits),
                g_loss=self.generator_loss(fake_logits),
                real_logits=real_logits,
                fake_logits=fake_logits,
            )

        return self.play(game, images)
