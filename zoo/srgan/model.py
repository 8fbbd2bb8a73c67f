"""SRGAN: the game (Ledig et al. 2017, section 2)."""

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.core import checks
from zoo.core.gan import Game
from zoo.core.image_to_image import ImageToImage
from zoo.nn.features import ContentLoss
from zoo.srgan import networks

PRETRAINING, ADVERSARIAL = "pretraining", "adversarial"


class SRGAN(ImageToImage):
    """Super-resolution: an image of `scale` times the height and width.

    Its training has two phases: `pretrain_steps` updates of G alone towards the least squared error
    (SRResNet), then the game, with optimizers that begin afresh.

    Args:
        scale: 2, or 4, the paper's.
        channels: 1 (grey) or 3 (RGB).
        resolution: Height and width of the high-resolution crops that it is trained on: a multiple
            of 16.
        width: Features of the first layer of both networks; the others keep the paper's proportion.
        blocks: Residual blocks of G.
        upsampling: How G doubles the size: "pixel_shuffle", the paper's; "nearest" or "bilinear",
            each followed by a convolution; "transposed", a convolution of 4x4.
        features: Whose features the content loss compares: "vgg19", the paper's, "hed", either with
            "_22" for a shallow layer, or "none" for pixels. See `zoo.nn.features`.
        adversarial: Weight of the adversarial loss beside the content loss.
        pretrain_steps: Updates of G alone.
        learning_rate: Of Adam, in both phases and networks.
        decay_after: Updates of the game after which the rate is a tenth; half of the paper's.

    Example:
        gan = zoo.SRGAN(scale=4, features="hed", pretrain_steps=100_000)
        gan.compile()
        gan.fit(dataset)                      # (low, high) f32 [N, 24, 24, 3], [N, 96, 96, 3]
        large = gan.upscale(small)            # uint8 [N, 4 H, 4 W, 3], of any size

    Reference: Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative
    Adversarial Network", CVPR 2017.
    """

    family = "srgan"
    takes = "low_high"
    pair_names = "(low, high)"
    tracked = (*ImageToImage.tracked, "mse_loss", "content_loss")
    further_optimizers = ("pretraining",)

    def __init__(
        self,
        scale: int = 4,
        channels: int = 3,
        resolution: int = 96,
        width: int = 64,
        blocks: int = 16,
        upsampling: str = "pixel_shuffle",
        features: str = "vgg19",
        adversarial: float = 1e-3,
        pretrain_steps: int = 1_000_000,
        learning_rate: float = 1e-4,
        decay_after: int = 100_000,
        **kwargs: Any,
    ) -> None:
        scale = checks.integer("scale", scale)
        if scale not in (2, 4):
            raise ValueError(f"scale must be 2 or 4. Received: {scale}.")
        channels = checks.grey_or_rgb(channels)
        resolution = checks.integer("resolution", resolution)
        if resolution < 16 or resolution % 16:
            raise ValueError(f"resolution must be a multiple of 16. Received: {resolution}.")
        counts = checks.counts({"width": width, "blocks": blocks, "decay_after": decay_after})
        width, blocks, decay_after = counts.values()
        if upsampling not in networks.UPSAMPLING:
            raise ValueError(
                f"upsampling must be one of {', '.join(networks.UPSAMPLING)}. "
                f"Received: {upsampling!r}."
            )
        not_negative = {
            "adversarial": adversarial,
            "pretrain_steps": checks.integer("pretrain_steps", pretrain_steps),
            "learning_rate": learning_rate,
        }
        checks.check_not_negative(not_negative)
        content = ContentLoss(features)
        super().__init__(
            generator=networks.generator(scale, channels, width, blocks, upsampling),
            discriminator=networks.discriminator(resolution, channels, width),
            config={
                "scale": scale,
                "channels": channels,
                "resolution": resolution,
                **counts,
                "upsampling": upsampling,
                "features": features,
                **not_negative,
            },
            **kwargs,
        )
        self.scale = scale
        # What the convolutions reach, in pixels of the low image: 9x9, two 3x3 a block, one before
        # and one in each doubling, 9x9 at the end; bilinear doublings take one more each.
        self.context = 4 + 2 * blocks + 1 + 2 * (scale.bit_length() - 1) + 2
        self.content = content
        self.adversarial = adversarial
        self.pretrain_steps = not_negative["pretrain_steps"]

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam with beta1 .9 (section 3.2): "pretraining", of G before the game, and the game's.

        In the game the rate falls to a tenth after `decay_after` updates. Epsilon is 1e-8, the
        default of Adam's paper.
        """
        return {
            "generator": self._adam(),
            "discriminator": self._adam(),
            "pretraining": keras.optimizers.Adam(self._config["learning_rate"], epsilon=1e-8),
        }

    def _adam(self) -> keras.optimizers.Optimizer:
        rate, updates = self._config["learning_rate"], self._config["decay_after"]
        return keras.optimizers.Adam(
            # The update with the boundary's number still has the first rate.
            keras.optimizers.schedules.PiecewiseConstantDecay([updates - 1], [rate, rate / 10]),
            epsilon=1e-8,
        )

    @functools.wraps(keras.Model.fit)
    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        self.content.find()  # now, not after days of pretraining
        return super().fit(*args, **kwargs)

    @property
    def phase_starts(self) -> tuple[int, ...]:
        """The steps at which the phases begin."""
        return (0, self.pretrain_steps) if self.pretrain_steps else (0,)

    def phase(self) -> str:
        """What the next step is part of: "pretraining" or "adversarial"."""
        return PRETRAINING if int(self.steps.numpy()) < self.pretrain_steps else ADVERSARIAL

    def preset_config(self) -> dict[str, Any]:
        """As in `Saving`: the pretraining that is left."""
        left = max(0, self.pretrain_steps - int(self.steps.numpy()))
        return {**super().preset_config(), "pretrain_steps": left}

    def before_phase(self, phase: str) -> None:
        """Reads the feature network where the game begins."""
        if phase == ADVERSARIAL:
            with self.distribute_strategy.scope():
                self.content.build()

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One update of G alone, or one of each network.

        Args:
            batch: low f32 [N, h, w, C] and high f32 [N, H, W, C], both in [-1, 1].
        """
        if self.current_phase == PRETRAINING:
            return self._pretrain(*batch)
        return self.play(self._game, batch)

    def _pretrain(self, low: tf.Tensor, high: tf.Tensor) -> dict[str, tf.Tensor]:
        """l_MSE = E[(I^HR - G(I^LR))^2]  (equation 4)."""
        with tf.GradientTape() as tape:
            mse = squared_error(self.generator(low, training=True), high)
        norm = self.minimize(tape, mse, self.generator, self.pretraining_optimizer)
        return {"mse_loss": mse, "g_gradient_norm": norm}

    def _game(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Game:
        """l^SR = l_X + 10^-3 l_Gen  (equation 3), l_X of features (equation 5)."""
        low, high = batch
        made = self.generator(low, training=True)
        real_logits = self.discriminator(high, training=True)
        fake_logits = self.discriminator(made, training=True)
        g_loss = self.generator_loss(fake_logits)
        content_loss = self.content(made, high)
        return Game(
            d_loss=self.discriminator_loss(real_logits, fake_logits),
            g_loss=g_loss,
            real_logits=real_logits,
            fake_logits=fake_logits,
            g_total=content_loss + self.adversarial * g_loss,
            scalars={"content_loss": content_loss, "mse_loss": squared_error(made, high)},
        )

    def images_from(self, images: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """As in `ImageToImage`; there is no noise, so a seed has no effect."""
        return tf.cast(self.ema_generator(images, training=False), tf.float32)

    def upscale(self, images: np.ndarray) -> np.ndarray:
        """Enlarges images with the EMA generator.

        Args:
            images: uint8 [N, H, W, C], all of one size, which may be any.

        Returns:
            uint8 [N, scale H, scale W, C].

        Raises:
            ValueError: Anything else than such images.
        """
        return self.translate(images)


def squared_error(images: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Mean squared difference, f32 scalar."""
    return tf.reduce_mean(tf.square(tf.cast(images, tf.float32) - tf.cast(targets, tf.float32)))
