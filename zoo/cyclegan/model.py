"""CycleGAN: the game (Zhu et al. 2017, section 3)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.core import checks
from zoo.core.image_to_image import ImageToImage, padded_to
from zoo.cyclegan import networks
from zoo.cyclegan.pool import HistoryPool
from zoo.cyclegan.schedule import LinearDecay
from zoo.nn import patchgan
from zoo.nn.adam import BiasCorrectedAdam
from zoo.pictures import images as image_io


class CycleGAN(ImageToImage):
    """Translation between two sets of images, learnt without pairs.

    Args:
        resolution: Height and width of the images it is trained on: a multiple of 4 from 8.
        source_channels: Of images of A.
        channels: Of images of B: 1 (grey) or 3 (RGB).
        width: Features of the first layer of all networks; the others keep the paper's proportion.
        discriminator_width: Of D's first layer; by default `width`.
        blocks: Residual blocks of a generator; by default 9 from 256 px on and 6 below.
        upsampling: How a generator doubles the size: "transposed", the paper's; "nearest" or
            "bilinear", then a convolution.
        skips: Whether a generator hands its large features past the blocks, as a U-Net does, and
            the image itself.
        padding: Where the convolutions of stride 2 pad an image: "end", at the bottom and right, or
            "start", at the top and left, as the reference code, whose weights need it.
        one_way: Whether there is G: A -> B alone, as in a preset of one published network; it
            translates and cannot be trained.
        patch: Side of the patches that D judges: 70, the paper's, 1, 16, 34, 142 or 286.
        cycle: Weight of cycle consistency, lambda.
        identity: Weight of the identity loss, as a share of `cycle`; 0 for none. .5 is that of the
            reference code; the paper has it for paintings only (section 5.2).
        pool: Generated images of each domain that are kept for D; 0 for none.
        learning_rate: Of Adam, in all networks.
        flat_steps: Steps at that rate; in the paper 100 epochs.
        decay_steps: Steps from there on until it is zero, linearly; in the paper 100 epochs. With
            neither the rate is constant.

    Example:
        gan = zoo.CycleGAN(resolution=128, flat_steps=100_000, decay_steps=100_000)
        gan.compile()
        gan.fit(dataset)                      # (a, b) f32 [N, 128, 128, 3] in [-1, 1], no pairs
        zebras = gan.translate(horses)        # uint8 [N, H, W, 3], of any size
        horses = gan.translate(zebras, "b_to_a")

    Reference: Zhu, Park, Isola & Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent
    Adversarial Networks", ICCV 2017.
    """

    family = "cyclegan"
    takes = "unpaired"
    directions = ("a_to_b", "b_to_a")
    pair_names = "(a, b)"
    tracked = (*ImageToImage.tracked, "cycle_loss")
    default_losses = ("unhalved_least_squares", "unhalved_least_squares")
    alternates = None

    def __init__(
        self,
        resolution: int = 256,
        source_channels: int = 3,
        channels: int = 3,
        width: int = 64,
        discriminator_width: int | None = None,
        blocks: int | None = None,
        upsampling: str = "transposed",
        skips: bool = False,
        padding: str = "end",
        one_way: bool = False,
        patch: int = 70,
        cycle: float = 10.0,
        identity: float = 0.5,
        pool: int = 50,
        learning_rate: float = 2e-4,
        flat_steps: int | None = None,
        decay_steps: int | None = None,
        **kwargs: Any,
    ) -> None:
        resolution = checks.integer("resolution", resolution)
        if resolution < 8 or resolution % 4:
            raise ValueError(f"resolution must be a multiple of 4 from 8. Received: {resolution}.")
        if discriminator_width is None:
            discriminator_width = width
        sizes = checks.counts(
            {
                "source_channels": source_channels,
                "channels": checks.grey_or_rgb(channels),
                "width": width,
                "discriminator_width": discriminator_width,
            }
        )
        source_channels, channels, width, discriminator_width = sizes.values()
        if blocks is None:
            blocks = 9 if resolution >= 256 else 6
        blocks, pool = checks.integer("blocks", blocks), checks.integer("pool", pool)
        if upsampling not in networks.UPSAMPLING:
            raise ValueError(
                f"upsampling must be one of {', '.join(networks.UPSAMPLING)}. "
                f"Received: {upsampling!r}."
            )
        if padding not in networks.PADDING:
            raise ValueError(
                f"padding must be one of {', '.join(networks.PADDING)}. Received: {padding!r}."
            )
        patchgan.check_patch(patch, resolution)
        checks.check_not_negative(
            {
                "blocks": blocks,
                "cycle": cycle,
                "identity": identity,
                "pool": pool,
                "learning_rate": learning_rate,
            }
        )
        if identity and source_channels != channels:
            raise ValueError(
                "identity must be 0 where A and B differ in channels, or an image of one is none "
                f"of the other. Received: {identity} for {source_channels} and {channels} channels."
            )
        if (flat_steps is None) != (decay_steps is None):
            raise ValueError(
                "flat_steps and decay_steps go together: give both, or neither for a constant "
                f"rate. Received: {flat_steps} and {decay_steps}."
            )
        if flat_steps is not None:
            steps = {"flat_steps": flat_steps, "decay_steps": decay_steps}
            flat_steps, decay_steps = checks.counts(steps, {"flat_steps": 0}).values()
        super().__init__(
            generator=networks.generator(
                source_channels, channels, width, blocks, upsampling, skips, padding, one_way
            ),
            discriminator=networks.discriminator(
                resolution, source_channels, channels, discriminator_width, patch
            ),
            config={
                "resolution": resolution,
                **sizes,
                "blocks": blocks,
                "upsampling": upsampling,
                "skips": skips,
                "padding": padding,
                "one_way": one_way,
                "patch": patch,
                "cycle": cycle,
                "identity": identity,
                "pool": pool,
                "learning_rate": learning_rate,
                "flat_steps": flat_steps,
                "decay_steps": decay_steps,
            },
            **kwargs,
        )
        self.cycle, self.identity = cycle, identity
        if one_way:
            self.directions = ("a_to_b",)
        if identity:
            self.tracked = (*self.tracked, "identity_loss")
        if pool:
            self.pool_a = HistoryPool(pool, self.source_shape, name="pool_a")
            self.pool_b = HistoryPool(pool, self.image_shape, name="pool_b")

    def channels_of(self, direction: str | None = None) -> tuple[int, int]:
        """As in `ImageToImage`."""
        channels = super().channels_of()
        return channels[::-1] if direction == "b_to_a" else channels

    @property
    def generator_a_to_b(self) -> keras.Model:
        """G: a -> b."""
        return self.generator.get_layer("generator_a_to_b")

    @property
    def generator_b_to_a(self) -> keras.Model:
        """F: b -> a."""
        return self.generator.get_layer("generator_b_to_a")

    @property
    def discriminator_a(self) -> keras.Model:
        """D_X: is this an image of A?"""
        return self.discriminator.get_layer("discriminator_a")

    @property
    def discriminator_b(self) -> keras.Model:
        """D_Y: is this an image of B?"""
        return self.discriminator.get_layer("discriminator_b")

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam with beta1 .5 and epsilon 1e-8, as in the code, at the constructor's rate.

        One for both generators and one for both discriminators.
        """
        return {"generator": self._adam(), "discriminator": self._adam()}

    def _adam(self) -> keras.optimizers.Optimizer:
        rate, flat, decay = (
            self._config[name] for name in ("learning_rate", "flat_steps", "decay_steps")
        )
        schedule = rate if flat is None else LinearDecay(rate, flat, decay)
        return BiasCorrectedAdam(schedule, beta_1=0.5)

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One update of both generators, then one of both discriminators, on one batch.

        L(G, F, D_X, D_Y) = L_GAN(G, D_Y) + L_GAN(F, D_X) + lambda L_cyc(G, F)  (equation 3), with
        least squares for L_GAN (section 4). D's part is halved, "which slows down the rate at which
        D learns", and is of images that the pools hand out.

        Args:
            batch: a f32 [N, H, W, C] and b f32 [N, H, W, C'], both in [-1, 1].
        """
        if self._config["one_way"]:
            raise ValueError(
                "CycleGAN is trained both ways. Received: one_way=True, which has no F: B -> A."
            )
        a, b = batch
        g, f = self.generator_a_to_b, self.generator_b_to_a
        d_a, d_b = self.discriminator_a, self.discriminator_b
        with tf.GradientTape() as g_tape:
            if self.identity:
                (fake_b, same_b), (fake_a, same_a) = together(g, a, b), together(f, b, a)
            else:
                fake_b, fake_a = g(a, training=True), f(b, training=True)
            logits_a, logits_b = d_a(fake_a, training=True), d_b(fake_b, training=True)
            # E[(D(G(x)) - 1)^2] of each
            g_loss = self.generator_loss(logits_b) + self.generator_loss(logits_a)
            # |F(G(a)) - a| + |G(F(b)) - b|  (equation 2)
            cycle_loss = distance(f(fake_b, training=True), a)
            cycle_loss += distance(g(fake_a, training=True), b)
            total = g_loss + self.cycle * cycle_loss
            results = {"g_loss": g_loss, "cycle_loss": cycle_loss}
            if self.identity:
                # |G(b) - b| + |F(a) - a|  (section 5.2)
                identity_loss = distance(same_b, b) + distance(same_a, a)
                total += self.identity * self.cycle * identity_loss
                results["identity_loss"] = identity_loss
        g_norm = self.minimize(g_tape, total, self.generator)

        fake_a, fake_b = tf.stop_gradient(fake_a), tf.stop_gradient(fake_b)
        if self._config["pool"]:
            fake_a = self.pool_a(fake_a, self.step_seed("pool_a"))
            fake_b = self.pool_b(fake_b, self.step_seed("pool_b"))
        with tf.GradientTape() as d_tape:
            real_a, judged_a = together(d_a, a, fake_a)
            real_b, judged_b = together(d_b, b, fake_b)
            real, fake = (real_a, real_b), (judged_a, judged_b)
            # 1/2 (E[(D(y) - 1)^2] + E[D(G(x))^2]) of each
            d_loss = 0.5 * tf.add_n(map(self.discriminator_loss, real, fake))
        d_norm = self.minimize(d_tape, d_loss, self.discriminator)
        return {
            **results,
            "d_loss": d_loss,
            **self.accuracies(real, fake),
            "d_gradient_norm": d_norm,
            "g_gradient_norm": g_norm,
        }

    def images_from(
        self, images: tf.Tensor, seed: tf.Tensor | None = None, direction: str = "a_to_b"
    ) -> tf.Tensor:
        """As in `ImageToImage`; images are reflected up to multiples of 4, then cut.

        Args:
            images: What to translate: images of A, or of B.
            seed: Without effect; this paper has no noise.
            direction: "a_to_b" or "b_to_a".
        """
        size = tf.shape(images)[1:3]
        # Reflection wants more than one pixel at a quarter of the size.
        padded = padded_to(images, 4, least=8)
        made = self.ema_generator.get_layer(f"generator_{direction}")(padded, training=False)
        return tf.cast(made[:, : size[0], : size[1]], tf.float32)

    def sample_sheet(self) -> tuple[np.ndarray, int] | None:
        """Rows of a, G(a), F(G(a)), b, F(b) and G(F(b)): uint8 [6 n, H, W, C], and 6.

        None where there are no examples.
        """
        if self.examples is None:
            return None
        columns = []
        for images, there, back in zip(
            self.examples, self.directions, reversed(self.directions), strict=True
        ):
            made = self.translate(images, there)
            columns += [images, made, self.translate(made, back)]
        colours = min(3, max(self._config["source_channels"], self._config["channels"]))
        shape = (*self.image_shape[:2], colours)
        rows = zip(*columns, strict=True)
        return np.stack([image_io.like(image, shape) for row in rows for image in row]), 6


def together(network: keras.Model, *batches: tf.Tensor) -> list[tf.Tensor]:
    """What `network` makes of each batch, in one pass: faster, and no image depends on others."""
    rows = tf.concat([tf.cast(batch, tf.float32) for batch in batches], axis=0)
    return tf.split(network(rows, training=True), len(batches))


def distance(images: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Mean absolute difference, f32 scalar."""
    return tf.reduce_mean(tf.abs(tf.cast(images, tf.float32) - tf.cast(others, tf.float32)))
