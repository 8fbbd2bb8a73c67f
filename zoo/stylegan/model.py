"""StyleGAN: the game (Karras et al. 2019, appendix C)."""

from typing import Any

import keras
import tensorflow as tf

from zoo.core import checks
from zoo.core.gan import Game
from zoo.core.growing import GrowingGAN
from zoo.core.noise_to_image import with_condition
from zoo.core.stages import Schedule, Stage
from zoo.core.style_based import StyleBased
from zoo.nn import regularizers
from zoo.nn.progressive import FIRST
from zoo.stylegan import networks

# Learning rate by resolution; .001 at those below.
RATES = {128: 0.0015, 256: 0.002, 512: 0.003, 1024: 0.003}


class StyleGAN(StyleBased, GrowingGAN):
    """Style-based GAN that grows: styles by adaptive instance normalization, noise for each pixel.

    Args:
        resolution: Height and width of the images, a power of two from 8.
        channels: 1 (grey) or 3 (RGB).
        latent_dim: Length of z and of w.
        num_classes: Of labels, which then condition both networks; 0 for none.
        fmap_base: Feature maps at r pixels are 2 * fmap_base / r, in both networks,
        fmap_max: and no more than this.
        mapping_layers: Dense layers from z to w.
        group: Images over which D's minibatch standard deviation is taken; batches must be a
            multiple of it, or smaller.
        noise: Whether G adds noise to its features.
        stored_noise: Whether the noise of an image is stored with the weights, as in published
            checkpoints, or a function of the layer.
        mixing: Share of training images made with the styles of two latents.
        r1: gamma of R1, at the last resolution.
        first_resolution: At which training begins.
        stable_kimg: Thousands of real images for which each resolution is trained,
        fade_kimg: and over which the next one's layers are faded in.
        ema_images: Half-life of the generator's average, in images.

    Example:
        gan = zoo.StyleGAN(resolution=32, channels=1, latent_dim=64, fmap_base=512, fmap_max=128)
        gan.compile()
        gan.fit(dataset)                      # images f32 [N, 32, 32, 1] in [-1, 1]
        images = gan.generate(16, seed=0, truncation=0.7)
        mixed = gan.mix(3, 4, cutoff=2)       # coarse styles of seed 3, the others of seed 4

    Reference: Karras et al., "A Style-Based Generator Architecture for Generative Adversarial
    Networks", CVPR 2019.
    """

    family = "stylegan"

    def __init__(
        self,
        resolution: int = 1024,
        channels: int = 3,
        latent_dim: int = 512,
        num_classes: int = 0,
        fmap_base: int = 8192,
        fmap_max: int = 512,
        mapping_layers: int = 8,
        group: int = 4,
        noise: bool = True,
        stored_noise: bool = False,
        mixing: float = 0.9,
        r1: float = 10.0,
        first_resolution: int = 8,
        stable_kimg: float = 600.0,
        fade_kimg: float = 600.0,
        ema_images: float = 10_000.0,
        **kwargs: Any,
    ) -> None:
        resolution = checks.power_of_two("resolution", resolution, 8)
        first_resolution = checks.power_of_two("first_resolution", first_resolution, FIRST)
        if first_resolution > resolution:
            raise ValueError(
                f"first_resolution must be at most the resolution, {resolution}. "
                f"Received: {first_resolution}."
            )
        counts = {
            "channels": channels,
            "latent_dim": latent_dim,
            "fmap_base": fmap_base,
            "fmap_max": fmap_max,
            "mapping_layers": mapping_layers,
            "group": group,
        }
        counts = checks.counts(counts)
        amounts = {
            "num_classes": checks.integer("num_classes", num_classes),
            "r1": r1,
            "stable_kimg": stable_kimg,
            "fade_kimg": fade_kimg,
        }
        checks.check_not_negative(amounts)
        if not 0.0 <= mixing <= 1.0:
            raise ValueError(f"mixing must be in [0, 1]. Received: {mixing}.")
        if not ema_images > 0:
            raise ValueError(f"ema_images must be more than 0. Received: {ema_images}.")
        maps = (fmap_base, fmap_max)
        super().__init__(
            generator=networks.Generator(
                resolution,
                channels,
                latent_dim,
                num_classes,
                mapping_layers,
                *maps,
                noise,
                stored_noise,
                name="generator",
            ),
            discriminator=networks.Discriminator(
                resolution, channels, num_classes, *maps, group, name="discriminator"
            ),
            schedule=Schedule(
                first_resolution, resolution, round(1000 * stable_kimg), round(1000 * fade_kimg)
            ),
            config={
                "resolution": resolution,
                **counts,
                **amounts,
                "noise": noise,
                "stored_noise": stored_noise,
                "mixing": mixing,
                "first_resolution": first_resolution,
                "ema_images": ema_images,
            },
            **kwargs,
        )
        if r1:
            self.tracked = (*self.tracked, "r1_penalty")

    def get_config(self) -> dict[str, Any]:
        return dict(self._config)

    def draw_latents(self, shape: Any, seed: Any) -> tf.Tensor:
        """z from N(0, 1)."""
        return tf.random.stateless_normal(shape, seed)

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """The paper's Adam (0, .99), with a rate for each resolution."""
        rate = RATES.get(self.phase().resolution, 0.001)
        return {
            "generator": keras.optimizers.Adam(rate, 0.0, 0.99, epsilon=1e-8),
            "discriminator": keras.optimizers.Adam(rate, 0.0, 0.99, epsilon=1e-8),
        }

    def begin_stage(self, stage: Stage) -> None:
        """The learning rate of its resolution, for the paper's optimizers."""
        for name in self.papers_optimizers:
            rate = RATES.get(stage.resolution, 0.001)
            getattr(self, f"{name}_optimizer").learning_rate = rate

    def averaging_decay(self, images: tf.Tensor) -> tf.Tensor:
        """(1 / 2)^(images / half-life)."""
        return 0.5 ** (tf.cast(images, tf.float32) / self._config["ema_images"])

    def synthesize_w(self, w: tf.Tensor) -> tf.Tensor:
        """As `StyleBased.synthesize_w`, as far as the average is grown."""
        fade = self.fade(self.ema_generator, self.structure())
        return self.shown(self.ema_generator.synthesis(w, training=False, **fade))

    # ---- a step

    def train_step(self, batch: Any) -> dict[str, tf.Tensor]:
        """One update of each network on one batch.

        Args:
            batch: images f32 [N, H, W, C] in [-1, 1], or (images, labels int [N]). The fakes are
                of the same classes.
        """

        def game(batch: Any) -> Game:
            images, labels = self.images_and_condition(batch)
            fade = self.fade_in_step(images)
            reals = self.at_stage(images, **fade)

            def discriminator(x: tf.Tensor) -> tf.Tensor:
                return self.discriminator(with_condition(x, labels), training=True, **fade)

            w = self._draw_w(tf.shape(images)[0], labels, self.step_seed("w"))
            fakes = self.generator.synthesis(w, training=True, **fade)
            fake_logits = discriminator(fakes)
            penalties = {}
            if self._config["r1"]:
                penalties["r1_penalty"], real_logits = regularizers.r1_penalty(discriminator, reals)
            else:
                real_logits = discriminator(reals)
            d_loss = self.discriminator_loss(real_logits, fake_logits)
            return Game(
                d_loss=d_loss + sum(self._r1_weight() * r1 for r1 in penalties.values()),
                g_loss=self.generator_loss(fake_logits),
                real_logits=real_logits,
                fake_logits=fake_logits,
                scalars=penalties,
            )

        return self.play(game, batch)

    def _r1_weight(self) -> float:
        """gamma / 2, of the gradient with respect to images of the last resolution.

        The paper's code scales a stage's images up to it: each of their pixels is then (R / r)^2
        pixels, and the square of the gradient that much smaller.
        """
        share = self.current_phase.resolution / self.image_shape[0]
        return 0.5 * self._config["r1"] * share**2

    def _draw_w(self, count: tf.Tensor, labels: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        """Styles [count, L, W]; a share `mixing` takes another latent's from a layer on.

        That layer is one of those that the stage has, the first excepted (section 3.1).
        """
        latent_seed, other_seed, mixed_seed, cutoff_seed = tf.unstack(tf.random.split(seed, 4))
        mapping = self.generator.mapping
        latents = self.draw_latents([count, self.latent_dim], latent_seed)
        mixing = self._config["mixing"]
        if not mixing:
            w = mapping(with_condition(latents, labels), training=True)
            return tf.repeat(w[:, None], self.num_layers, axis=1)
        others = self.draw_latents([count, self.latent_dim], other_seed)
        labels = None if labels is None else tf.concat([labels, labels], axis=0)
        w = mapping(with_condition(tf.concat([latents, others], axis=0), labels), training=True)
        w, other = tf.split(w[:, None], 2)
        layers = 2 * (self.current_phase.resolution.bit_length() - 2)
        mixed = tf.random.stateless_uniform([count], mixed_seed) < mixing
        cutoff = tf.random.stateless_uniform([count], cutoff_seed, 1, layers, tf.int32)
        cutoff = tf.where(mixed, cutoff, layers)[:, None, None]
        return tf.where(tf.range(self.num_layers)[None, :, None] < cutoff, w, other)
