"""Pix2Pix: the game (Isola et al. 2017, section 3.1)."""

from typing import Any

import keras
import tensorflow as tf

from zoo.core import checks
from zoo.core.gan import Game
from zoo.core.image_to_image import ImageToImage, padded_to
from zoo.nn import patchgan
from zoo.nn.adam import BiasCorrectedAdam
from zoo.nn.layers import random_draws
from zoo.pictures.images import LUMA
from zoo.pix2pix import networks

# D's loss and G's, by name.
ADVERSARIAL = {
    "bce": ("minimax", "non_saturating"),
    "least_squares": ("unhalved_least_squares", "unhalved_least_squares"),
}


class Pix2Pix(ImageToImage):
    """Image-to-image translation learnt from pairs.

    Args:
        resolution: Height and width of the images it is trained on: a power of two from 16.
        source_channels: Of the images to translate.
        channels: Of what it makes: 1 (grey) or 3 (RGB).
        width: Features of the first layer of both networks; the others keep the paper's proportion.
        patch: Side of the patches that D judges: 70, the paper's, 1, 16, 34, 142, or 286, which at
            256 px is the whole image.
        adversarial: "bce", the paper's, or "least_squares", as CycleGAN's.
        l1: Weight of the distance to the target, lambda.
        dropout: Rate of the noise in the decoder; 0 for none.
        fill: Inpainting: sources have 4 channels, RGB and alpha. What is transparent is seen as
            mid-grey and filled, what is opaque is kept as it is.
        tint: Colorization: sources are grey, [N, H, W, 1], and remain the luma of what is made, of
            which G draws the colours alone, as where it is given L of Lab and draws a and b.
        overlay: G draws an image and, as one channel more, how opaque it is; what is made is that
            image over the source. What needs no change stays exactly as it is.

    Example:
        gan = zoo.Pix2Pix(resolution=64, width=32)
        gan.compile()
        gan.fit(dataset)                      # (source, target) f32 [N, 64, 64, 3] in [-1, 1]
        images = gan.translate(sources)       # uint8 [N, H, W, 3], of any size

    Reference: Isola, Zhu, Zhou & Efros, "Image-to-Image Translation with Conditional Adversarial
    Networks", CVPR 2017.
    """

    family = "pix2pix"
    tracked = (*ImageToImage.tracked, "l1_loss")
    draws_twice = False  # the code updates both networks with the same image

    def __init__(
        self,
        resolution: int = 256,
        source_channels: int = 3,
        channels: int = 3,
        width: int = 64,
        patch: int = 70,
        adversarial: str = "bce",
        l1: float = 100.0,
        dropout: float = 0.5,
        fill: bool = False,
        tint: bool = False,
        overlay: bool = False,
        **kwargs: Any,
    ) -> None:
        resolution = checks.power_of_two("resolution", resolution, 16)
        channels = checks.grey_or_rgb(channels)
        sizes = checks.counts(
            {"source_channels": source_channels, "channels": channels, "width": width}
        )
        patchgan.check_patch(patch, resolution)
        if adversarial not in ADVERSARIAL:
            raise ValueError(
                f"adversarial must be one of {', '.join(ADVERSARIAL)}. Received: {adversarial!r}."
            )
        checks.check_not_negative({"l1": l1})
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1). Received: {dropout}.")
        if fill and (source_channels, channels) != (4, 3):
            raise ValueError(
                "fill needs source_channels=4, RGB and alpha, and channels=3. "
                f"Received: source_channels={source_channels}, channels={channels}."
            )
        if tint and (source_channels, channels) != (1, 3):
            raise ValueError(
                "tint needs source_channels=1, the luma, and channels=3. "
                f"Received: source_channels={source_channels}, channels={channels}."
            )
        if overlay and (fill or source_channels != channels):
            raise ValueError(
                "overlay needs as many source_channels as channels, and no fill. "
                f"Received: source_channels={source_channels}, channels={channels}, fill={fill}."
            )
        drawn = channels + 1 if overlay else channels
        super().__init__(
            generator=networks.generator(
                resolution, source_channels, drawn, width=sizes["width"], dropout=dropout
            ),
            discriminator=networks.discriminator(resolution, **sizes, patch=patch),
            config={
                "resolution": resolution,
                **sizes,
                "patch": patch,
                "adversarial": adversarial,
                "l1": l1,
                "dropout": dropout,
                "fill": fill,
                "tint": tint,
                "overlay": overlay,
            },
            **kwargs,
        )
        self.fill, self.tint, self.overlay = fill, tint, overlay
        self.l1 = l1
        self.default_losses = ADVERSARIAL[adversarial]

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """The paper's Adam, 2e-4 with beta1 .5 (section 3.3); epsilon 1e-8, as in its code."""
        return {
            "generator": BiasCorrectedAdam(2e-4, beta_1=0.5),
            "discriminator": BiasCorrectedAdam(2e-4, beta_1=0.5),
        }

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One update of each network on one batch.

        G* = arg min_G max_D L_cGAN(G, D) + lambda L_L1(G)  (equation 4). D's part is halved, "which
        slows down the rate at which D learns relative to G".

        Args:
            batch: source f32 [N, H, W, C], target f32 [N, H, W, C'], both in [-1, 1].
        """

        def game(batch: tuple[tf.Tensor, tf.Tensor]) -> Game:
            given, target = batch
            source = covered(given) if self.fill else given
            made = self.completed(given, self.generator(source, training=True))
            real_logits = self.discriminator([source, target], training=True)
            fake_logits = self.discriminator([source, made], training=True)
            g_loss = self.generator_loss(fake_logits)
            l1_loss = tf.reduce_mean(tf.abs(tf.cast(made, tf.float32) - target))
            return Game(
                d_loss=0.5 * self.discriminator_loss(real_logits, fake_logits),
                g_loss=g_loss,
                real_logits=real_logits,
                fake_logits=fake_logits,
                g_total=g_loss + self.l1 * l1_loss,
                scalars={"l1_loss": l1_loss},
            )

        return self.play(game, batch)

    def images_from(self, images: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """As in `ImageToImage`; images are reflected up to multiples of `resolution`, then cut."""
        size = tf.shape(images)[1:3]
        padded = padded_to(covered(images) if self.fill else images, self._config["resolution"])
        if seed is None:
            made = self.ema_generator(padded, training=False)
        else:
            with random_draws(seed):
                made = self.ema_generator(padded, training=False)
        return self.completed(images, made[:, : size[0], : size[1]])

    def completed(self, given: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
        """What G has drawn, beside what the source says already: f32 [N, H, W, C']."""
        drawn = tf.cast(drawn, tf.float32)
        if self.fill:
            known = opacity(given)
            return known * given[..., :3] + (1.0 - known) * drawn
        if self.overlay:
            alpha = opacity(drawn)
            return (1.0 - alpha) * given + alpha * drawn[..., :-1]
        return tinted(given, drawn) if self.tint else drawn


def opacity(images: tf.Tensor) -> tf.Tensor:
    """Alpha, the last channel, of images f32 [N, H, W, C] in [-1, 1], from 0 to 1: [N, H, W, 1]."""
    return 0.5 * images[..., -1:] + 0.5


def covered(images: tf.Tensor) -> tf.Tensor:
    """RGBA images whose transparent parts are mid-grey, whatever colours lie under them."""
    colours = opacity(images) * images[..., :3]
    return tf.concat([colours, images[..., 3:]], axis=-1)


def tinted(grey: tf.Tensor, colours: tf.Tensor) -> tf.Tensor:
    """The colours f32 [N, H, W, 3] with the luma of grey f32 [N, H, W, 1], all in [-1, 1].

    Near black and white a colour is paler, as far as its luma asks for: white stays white.
    """
    chroma = colours - tf.reduce_sum(colours * (LUMA / 65_536), axis=-1, keepdims=True)
    room = tf.where(chroma > 0, 1.0 - grey, -1.0 - grey)
    beyond = tf.abs(chroma) > tf.abs(room)
    fitting = tf.where(beyond, room / tf.where(beyond, chroma, 1.0), 1.0)
    return grey + chroma * tf.reduce_min(fitting, axis=-1, keepdims=True)
