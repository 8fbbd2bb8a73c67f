"""The conditional GAN: the game (Mirza & Osindero 2014, equation 2)."""

from typing import Any

import keras
import tensorflow as tf

from zoo.cgan import networks
from zoo.cgan.optimizer import MirzaSGD
from zoo.core import checks
from zoo.core.gan import Game
from zoo.core.noise_to_image import NoiseToImage
from zoo.nn.adam import BiasCorrectedAdam

L2 = 2.5e-5  # of the convolutional form's code


class CGAN(NoiseToImage):
    """Conditional GAN: both networks see the class.

    Args:
        resolution: Height and width of the images; "conv": a multiple of 4 from 8, made for 28
            and 32.
        channels: 1 (grey) or 3 (RGB).
        num_classes: Of the labels.
        latent_dim: Length of z.
        architecture: "mlp", the paper's, or "conv", the convolutional form of DCGAN's code.
        width: "mlp": units of G's joint layer, 1200 by default; the other layers keep the paper's
            proportion to it. "conv": features at half the resolution, 64 by default.
        dense_units: "conv" alone: units of the dense layer of each network, 1024 by default.
        dropout: "mlp" alone: whether half of each hidden layer is dropped, in both networks.

    Example:
        gan = zoo.CGAN(architecture="conv")
        gan.compile()
        gan.fit(dataset)          # (images f32 [N, 28, 28, 1] in [-1, 1], labels int [N])
        images = gan.generate(10, seed=0, labels=range(10))      # uint8 [10, 28, 28, 1]

    Reference: Mirza & Osindero, "Conditional Generative Adversarial Nets", 2014 (arXiv:1411.1784).
    """

    family = "cgan"
    interpolation = "lerp"  # z is uniform

    def __init__(
        self,
        resolution: int = 28,
        channels: int = 1,
        num_classes: int = 10,
        latent_dim: int = 100,
        architecture: str = "mlp",
        width: int | None = None,
        dense_units: int | None = None,
        dropout: bool = True,
        **kwargs: Any,
    ) -> None:
        if architecture not in ("mlp", "conv"):
            raise ValueError(f"architecture must be 'mlp' or 'conv'. Received: {architecture!r}.")
        if architecture == "mlp" and dense_units is not None:
            raise ValueError(
                f"dense_units belongs to architecture='conv'. Received: {dense_units} for 'mlp'."
            )
        conv = architecture == "conv"
        sizes = {
            "resolution": resolution,
            "channels": channels,
            "num_classes": num_classes,
            "latent_dim": latent_dim,
            "width": (64 if conv else 1200) if width is None else width,
        }
        if conv:
            sizes["dense_units"] = 1024 if dense_units is None else dense_units
        sizes = checks.counts(sizes, {"num_classes": 2, "width": 1 if conv else 24})
        if conv and (resolution < 8 or resolution % 4):
            raise ValueError(
                "resolution must be a multiple of 4 from 8 for architecture='conv'. "
                f"Received: {resolution}."
            )
        of_both = {name: sizes[name] for name in ("resolution", "channels", "num_classes", "width")}
        z = {"latent_dim": sizes["latent_dim"]}
        if conv:
            of_both["dense_units"] = sizes["dense_units"]
            generator = networks.conv_generator(**of_both, **z)
            discriminator = networks.conv_discriminator(**of_both)
        else:
            generator = networks.mlp_generator(**of_both, **z, dropout=dropout)
            discriminator = networks.mlp_discriminator(**of_both, dropout=dropout)
        super().__init__(
            generator=generator,
            discriminator=discriminator,
            config={
                "dense_units": dense_units,
                **sizes,
                "architecture": architecture,
                "dropout": dropout,
            },
            **kwargs,
        )
        self._l2 = L2 if conv else 0.0

    def draw_latents(self, shape: Any, seed: Any) -> tf.Tensor:
        """z uniform: "mlp" in the unit hypercube, as the paper says; "conv" in (-1, 1)."""
        low = -1.0 if self._config["architecture"] == "conv" else 0.0
        return tf.random.stateless_uniform(shape, seed, low, 1.0)

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """The paper's momentum SGD; "conv": Adam, 2e-4 with beta1 .5, epsilon 1e-8."""
        if self._config["architecture"] == "conv":
            return {
                "generator": BiasCorrectedAdam(2e-4, beta_1=0.5),
                "discriminator": BiasCorrectedAdam(2e-4, beta_1=0.5),
            }
        return {"generator": MirzaSGD(), "discriminator": MirzaSGD()}

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One update of each network on one batch (equation 2).

        Args:
            batch: (images f32 [N, H, W, C] in [-1, 1], labels int [N]). The fakes are of the same
                classes.
        """

        def game(batch: tuple[tf.Tensor, tf.Tensor]) -> Game:
            images, labels = batch
            fakes = self.generator([self.latents_for(images), labels], training=True)
            # As one batch: normalised each by itself (as in the code of "conv"), real images and
            # fakes would have the same mean and variance in every feature of D's last layers.
            both = tf.concat([images, tf.cast(fakes, images.dtype)], axis=0)
            logits = self.discriminator([both, tf.concat([labels, labels], axis=0)], training=True)
            real_logits, fake_logits = tf.split(logits, 2)
            # -E[log D(x|y)] - E[log(1 - D(G(z|y)|y))]; G's -E[log D(G(z|y)|y)]
            d_loss = self.discriminator_loss(real_logits, fake_logits)
            g_loss = self.generator_loss(fake_logits)
            return Game(
                d_loss=d_loss,
                g_loss=g_loss,
                real_logits=real_logits,
                fake_logits=fake_logits,
                d_total=d_loss + self._decay(self.discriminator),
                g_total=g_loss + self._decay(self.generator),
            )

        return self.play(game, batch)

    def _decay(self, network: keras.Model) -> tf.Tensor:
        """L2 / 2 |w|^2 over all weights."""
        if not self._l2:
            return tf.constant(0.0)
        return self._l2 * tf.add_n([tf.nn.l2_loss(v.value) for v in network.trainable_variables])
