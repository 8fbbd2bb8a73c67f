"""The game of Pix2Pix without its L1, from a map of classes."""

from typing import Any

import keras
import tensorflow as tf

from tests.toys.toy_map import networks
from zoo.core.conditions import LabelMap
from zoo.core.gan import Game
from zoo.core.image_to_image import ImageToImage
from zoo.nn.layers import random_draws


class ToyMap(ImageToImage):
    """Paints a map of classes.

    Example:
        gan = ToyMap()
        gan.compile()
        gan.fit(dataset)          # (label_map int [N, 8, 8], image f32 [N, 8, 8, 3] in [-1, 1])
        images = gan.paint(label_maps, seed=0)                   # uint8 [N, H, W, 3]
    """

    family = "toy_map"
    pair_names = "(label_map, image)"

    def __init__(
        self,
        resolution: int = 8,
        channels: int = 3,
        num_classes: int = 4,
        width: int = 8,
        dropout: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            generator=networks.generator(num_classes, channels, width, dropout),
            discriminator=networks.discriminator(resolution, num_classes, channels, width),
            source=LabelMap(num_classes),
            config={
                "resolution": resolution,
                "channels": channels,
                "num_classes": num_classes,
                "width": width,
                "dropout": dropout,
            },
            **kwargs,
        )

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam, 1e-3."""
        return {
            "generator": keras.optimizers.Adam(1e-3),
            "discriminator": keras.optimizers.Adam(1e-3),
        }

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One update of each network on one batch of (label_map, image)."""

        def game(batch: tuple[tf.Tensor, tf.Tensor]) -> Game:
            label_map, image = batch
            painted = self.generator(label_map, training=True)
            real_logits = self.discriminator([label_map, image], training=True)
            fake_logits = self.discriminator([label_map, painted], training=True)
            return Game(
                d_loss=self.discriminator_loss(real_logits, fake_logits),
                g_loss=self.generator_loss(fake_logits),
                real_logits=real_logits,
                fake_logits=fake_logits,
            )

        return self.play(game, batch)

    def images_from(self, images: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """As in `ImageToImage`, of maps int32 [N, H, W]."""
        if seed is None:
            return tf.cast(self.ema_generator(images, training=False), tf.float32)
        with random_draws(seed):
            return tf.cast(self.ema_generator(images, training=False), tf.float32)
