"""The first GAN: the game (Goodfellow et al. 2014, algorithm 1)."""

from typing import Any

import numpy as np
import tensorflow as tf

from zoo.core import checks
from zoo.core.accumulation import in_parts
from zoo.core.noise_to_image import NoiseToImage
from zoo.nn import losses
from zoo.nn.goodfellow_sgd import GoodfellowSGD
from zoo.nn.layers import random_draws
from zoo.vanilla import networks

GENERATOR_LOSSES = {
    "non_saturating": losses.non_saturating_generator,
    "minimax": losses.minimax_generator,
}


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
            **kwargs,
        )
        self._config = {**sizes, "dropout": dropout}

    def draw_latents(self, shape: Any, seed: Any) -> tf.Tensor:
        """z from U(-sqrt 3, sqrt 3), of variance 1, as the paper's code draws it."""
        limit = 3.0**0.5
        return tf.random.stateless_uniform(shape, seed, -limit, limit, alg="philox")

    def adapt(self, dataset: tf.data.Dataset) -> None:
        """Sets G's output bias so that sigmoid(bias) is the mean image of `dataset`."""
        total, count = np.zeros(self.image_shape), 0
        for images in dataset.as_numpy_iterator():
            total += images.sum(axis=0, dtype=np.float64)
            count += len(images)
        mean = np.clip((total / count + 1.0) / 2.0, 1e-7, 1.0 - 1e-7).ravel()
        for network in (self.generator, self.ema_generator):
            network.get_layer("pixels").bias.assign(np.log(mean) - np.log1p(-mean))

    def compile(
        self,
        generator_optimizer: Any = None,
        discriminator_optimizer: Any = None,
        *,
        generator_loss: str = "non_saturating",
        **kwargs: Any,
    ) -> None:
        """The paper's code's momentum SGD, unless another is given.

        Args:
            generator_optimizer: A Keras optimizer, or its name.
            discriminator_optimizer: Likewise.
            generator_loss: "non_saturating", which the paper trains with, or "minimax", which it
                analyses.
            **kwargs: As in `GAN.compile`.
        """
        if generator_loss not in GENERATOR_LOSSES:
            raise ValueError(
                f"generator_loss must be one of {', '.join(GENERATOR_LOSSES)}. "
                f"Received: {generator_loss!r}."
            )
        self._generator_loss = GENERATOR_LOSSES[generator_loss]
        super().compile(
            generator_optimizer or GoodfellowSGD(),
            discriminator_optimizer or GoodfellowSGD(),
            **kwargs,
        )

    @in_parts
    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """One update of each network on one batch, both from the same forward pass.

        Args:
            images: f32 [N, H, W, C] in [-1, 1].
        """
        images, _ = self.check_batch(images)
        latent_seed, dropout_seed = self.step_seeds(2)
        latents = self.draw_latents([tf.shape(images)[0], self.latent_dim], latent_seed)

        with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape, random_draws(dropout_seed):
            fakes = self.generator(latents, training=True)
            real_logits = self.discriminator(images, training=True)
            fake_logits = self.discriminator(fakes, training=True)
            # Half of equation 1, as in the paper's code: its learning rate goes with that.
            d_loss = 0.5 * losses.minimax_discriminator(real_logits, fake_logits)
            g_loss = self._generator_loss(fake_logits)

        d_norm = self.minimize(d_tape, d_loss, self.discriminator, self.discriminator_optimizer)
        g_norm = self.minimize(g_tape, g_loss, self.generator, self.generator_optimizer)
        self.finish_step(images)
        return self.track(
            d_loss=d_loss,
            g_loss=g_loss,
            real_accuracy=tf.reduce_mean(tf.cast(real_logits > 0, tf.float32)),
            fake_accuracy=tf.reduce_mean(tf.cast(fake_logits < 0, tf.float32)),
            d_gradient_norm=d_norm,
            g_gradient_norm=g_norm,
        )
