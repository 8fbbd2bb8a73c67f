"""StyleGAN2: the game (Karras et al. 2020), on few images with ADA (Karras et al. 2020a)."""

import math
from typing import Any

import keras
import tensorflow as tf

from zoo.core import checks
from zoo.core.gan import Game
from zoo.core.noise_to_image import with_condition
from zoo.core.style_based import StyleBased
from zoo.nn import regularizers
from zoo.nn.augment import AdaptiveStrength, ada, diff_augment
from zoo.nn.layers import MinibatchStd
from zoo.stylegan2 import networks

AUGMENTS = (None, "ada", "diffaugment")


class StyleGAN2(StyleBased):
    """Style-based GAN with weight demodulation, a skip generator and a residual discriminator.

    The defaults are config F at 1024 px.

    Args:
        resolution: Height and width of the images: a power of two from 8.
        channels: 1 (grey) or 3 (RGB).
        latent_dim: Length of z and of w.
        num_classes: Of labels, which then condition both networks; 0 for none.
        fmap_base: Feature maps at R px are 2 fmap_base / R, in both networks,
        fmap_max: and at most this many.
        mapping_layers: Dense layers from z to w.
        group: Images over which D's minibatch standard deviation is taken.
        noise: Whether G adds noise to its features.
        stored_noise: Whether the noise of an image is stored with the weights, as in published
            checkpoints, or a function of the layer.
        conv_clamp: Features are held in [-conv_clamp, conv_clamp], as in published checkpoints,
            for half precision; None leaves them.
        residual: Whether D's blocks have a skip connection; the reference's for CIFAR-10 have none.
        mixing: Share of training images made with the styles of two latents.
        r1: gamma of R1.
        r1_interval: Steps from one R1 to the next.
        path_length: Weight of path length regularization; 0 leaves it out.
        path_length_interval: Steps from one to the next.
        augment: What D sees images through: None, "ada" or "diffaugment".
        learning_rate: Of Adam, in both networks.
        ema_images: Half-life of the generator's average, in images.
        ema_ramp: If given, the half-life is at most this share of the images seen so far.

    Example:
        gan = zoo.StyleGAN2(resolution=32, channels=1, fmap_base=512, fmap_max=128)
        gan.compile()
        gan.fit(dataset)                      # images f32 [N, 32, 32, 1] in [-1, 1]
        images = gan.generate(16, seed=0, truncation=0.7)
        mixed = gan.mix(3, 4, cutoff=2)       # coarse styles of seed 3, the others of seed 4

    References:
        Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020.
        Karras et al., "Training Generative Adversarial Networks with Limited Data", NeurIPS 2020.
    """

    family = "stylegan2"
    order = ("generator", "discriminator")

    def __init__(
        self,
        resolution: int = 1024,
        channels: int = 3,
        latent_dim: int = 512,
        num_classes: int = 0,
        fmap_base: int = 16384,
        fmap_max: int = 512,
        mapping_layers: int = 8,
        group: int = 4,
        noise: bool = True,
        stored_noise: bool = False,
        conv_clamp: float | None = None,
        residual: bool = True,
        mixing: float = 0.9,
        r1: float = 10.0,
        r1_interval: int = 16,
        path_length: float = 2.0,
        path_length_interval: int = 4,
        augment: str | None = None,
        learning_rate: float = 0.002,
        ema_images: float = 10_000.0,
        ema_ramp: float | None = None,
        **kwargs: Any,
    ) -> None:
        resolution = checks.power_of_two("resolution", resolution, 8)
        counts = {
            "channels": channels,
            "latent_dim": latent_dim,
            "fmap_base": fmap_base,
            "fmap_max": fmap_max,
            "mapping_layers": mapping_layers,
            "group": group,
            "r1_interval": r1_interval,
            "path_length_interval": path_length_interval,
        }
        counts = checks.counts(counts)
        num_classes = checks.integer("num_classes", num_classes)
        factors = {
            "num_classes": num_classes,
            "r1": r1,
            "path_length": path_length,
            "ema_images": ema_images,
        }
        checks.check_not_negative(factors)
        if not learning_rate > 0:
            raise ValueError(f"learning_rate must be more than 0. Received: {learning_rate}.")
        if ema_ramp is not None and not ema_ramp > 0:
            raise ValueError(f"ema_ramp must be more than 0, or None. Received: {ema_ramp}.")
        if not 0.0 <= mixing <= 1.0:
            raise ValueError(f"mixing must be in [0, 1]. Received: {mixing}.")
        if augment not in AUGMENTS:
            raise ValueError(f"augment must be one of {AUGMENTS}. Received: {augment!r}.")
        if augment == "ada" and counts["channels"] not in (1, 3):
            raise ValueError(f"ADA takes images of 1 or 3 channels. Received: {channels}.")
        if conv_clamp is not None and not conv_clamp > 0:
            raise ValueError(f"conv_clamp must be more than 0, or None. Received: {conv_clamp}.")
        maps = (fmap_base, fmap_max)
        super().__init__(
            generator=networks.generator(
                networks.mapping_network(latent_dim, mapping_layers, num_classes),
                networks.synthesis_network(
                    resolution, channels, latent_dim, *maps, noise, stored_noise, conv_clamp
                ),
            ),
            discriminator=networks.discriminator(
                resolution, channels, num_classes, *maps, group, residual, conv_clamp
            ),
            config={
                "resolution": resolution,
                **counts,
                **factors,
                "noise": noise,
                "stored_noise": stored_noise,
                "conv_clamp": conv_clamp,
                "residual": residual,
                "mixing": mixing,
                "augment": augment,
                "learning_rate": learning_rate,
                "ema_ramp": ema_ramp,
            },
            **kwargs,
        )
        self.mixing = mixing
        self.r1, self.r1_interval = r1, r1_interval
        self.path_length, self.path_length_interval = path_length, path_length_interval
        self.augment = augment
        self.learning_rate = learning_rate
        self.ema_images, self.ema_ramp = ema_images, ema_ramp
        self.phases_repeat_after = math.lcm(r1_interval, path_length_interval)
        if r1:
            self.tracked = (*self.tracked, "r1_penalty")
        if path_length:
            self.tracked = (*self.tracked, "path_length_penalty")
            self.mean_path_length = self.add_weight(
                shape=(),
                initializer="zeros",
                trainable=False,
                aggregation="mean",
                dtype="float32",
                name="mean_path_length",
            )
        if augment == "ada":
            self.tracked = (*self.tracked, "ada_p")
            self.ada = AdaptiveStrength()

    def get_config(self) -> dict[str, Any]:
        return dict(self._config)

    def draw_latents(self, shape: Any, seed: Any) -> tf.Tensor:
        """z from N(0, 1)."""
        return tf.random.stateless_normal(shape, seed)

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """The paper's Adam (0, .99), slowed down for lazy regularizers.

        With a regularizer every k steps there are k + 1 updates in place of k (appendix B,
        "Lazy regularization"): lr' = c lr, beta' = beta^c for c = k / (k + 1).
        """
        return {
            "generator": self._adam(self.path_length, self.path_length_interval),
            "discriminator": self._adam(self.r1, self.r1_interval),
        }

    def _adam(self, weight: float, interval: int) -> keras.optimizers.Optimizer:
        c = interval / (interval + 1) if weight else 1.0
        return keras.optimizers.Adam(
            c * self.learning_rate, beta_1=0.0, beta_2=0.99**c, epsilon=1e-8
        )

    def averaging_decay(self, images: tf.Tensor) -> tf.Tensor:
        """(1 / 2)^(images / half-life)."""
        half_life = tf.constant(self.ema_images, tf.float32)
        if self.ema_ramp is not None:
            before = tf.cast(self.images_seen.value - images, tf.float32)
            half_life = tf.minimum(half_life, before * self.ema_ramp)
        return 0.5 ** (tf.cast(images, tf.float32) / tf.maximum(half_life, 1e-8))

    # ---- a step

    def phase(self) -> tuple[bool, bool]:
        """Whether the next step ends with path length regularization, and whether with R1."""
        step = int(self.steps.numpy())
        return (
            self.path_length > 0 and step % self.path_length_interval == 0,
            self.r1 > 0 and step % self.r1_interval == 0,
        )

    def check_batch_size(self, count: int) -> None:
        """As `GAN.check_batch_size`: what D cannot group."""
        for layer in self.discriminator.layers:
            if isinstance(layer, MinibatchStd):
                layer.check_batch_size(count)

    def train_step(self, batch: Any) -> dict[str, tf.Tensor]:
        """One update of each network on one batch, and one more for each regularizer that is due.

        Args:
            batch: images f32 [N, H, W, C] in [-1, 1], or (images, labels int [N]). The fakes are
                of the same classes.
        """
        path_length_due, r1_due = self.current_phase
        then = {}
        if path_length_due:
            then["generator"] = self._regularize_generator
        if r1_due:
            then["discriminator"] = self._regularize_discriminator
        return self.play(self._game, batch, then)

    def _game(self, batch: Any) -> Game:
        """One forward pass of both networks, D's behind the augmentation."""
        images, labels = self.images_and_condition(batch)
        fakes = self._synthesize(self._draw_w(tf.shape(images)[0], labels, self.step_seed("w")))
        real_logits = self._discriminate(images, labels, self.step_seed("augment_real"))
        fake_logits = self._discriminate(fakes, labels, self.step_seed("augment_fake"))
        if self.augment == "ada":
            self.ada.observe(real_logits)
        return Game(
            d_loss=self.discriminator_loss(real_logits, fake_logits),
            g_loss=self.generator_loss(fake_logits),
            real_logits=real_logits,
            fake_logits=fake_logits,
            scalars={"ada_p": self.ada.p.value} if self.augment == "ada" else {},
        )

    def _regularize_generator(self, batch: Any) -> dict[str, tf.Tensor]:
        """Path length regularization (section 3.2), on half as many images."""
        images, labels = self.images_and_condition(batch)
        count = (tf.shape(images)[0] + 1) // 2
        with tf.GradientTape() as tape:
            labels = None if labels is None else labels[:count]
            w = self._draw_w(count, labels, self.step_seed("path_length_w"))
            penalty, mean = regularizers.path_length_penalty(
                self._synthesize,
                w,
                self.mean_path_length.value,
                self.step_seed("path_length_y"),
                decay=0.01,
            )
            loss = self.path_length_interval * self.path_length * penalty
        self.mean_path_length.assign(mean)
        self.minimize(tape, loss, self.generator)
        return {"path_length_penalty": penalty}

    def _regularize_discriminator(self, batch: Any) -> dict[str, tf.Tensor]:
        """R1, on real images as D sees them: gamma / 2 E[|grad D(x)|^2]."""
        images, labels = self.images_and_condition(batch)
        seed = self.step_seed("augment_r1")
        with tf.GradientTape() as tape:
            penalty, real_logits = regularizers.r1_penalty(
                lambda x: self._discriminate(x, labels, seed), images
            )
            loss = self.r1_interval * self.r1 / 2.0 * penalty
        if self.augment == "ada":
            self.ada.observe(real_logits)
        self.minimize(tape, loss, self.discriminator)
        return {"r1_penalty": penalty}

    def finish_step(self, count: tf.Tensor) -> None:
        """As `GAN.finish_step`; ADA's strength follows D's judgement of the real images."""
        super().finish_step(count)
        if self.augment == "ada":
            self.ada.adjust(self.steps.value, count)

    def _draw_w(self, count: tf.Tensor, labels: tf.Tensor | None, seed: tf.Tensor) -> tf.Tensor:
        """Styles f32 [count, L, W]; a share `mixing` takes another latent's from a layer on."""
        latent_seed, other_seed, mixed_seed, cutoff_seed = tf.unstack(tf.random.split(seed, 4))
        mapping = self.generator.get_layer("mapping")
        latents = self.draw_latents([count, self.latent_dim], latent_seed)
        if not self.mixing:
            w = tf.cast(mapping(with_condition(latents, labels), training=True), tf.float32)
            return tf.repeat(w[:, None], self.num_layers, axis=1)
        others = self.draw_latents([count, self.latent_dim], other_seed)
        labels = None if labels is None else tf.concat([labels, labels], axis=0)
        w = mapping(with_condition(tf.concat([latents, others], axis=0), labels), training=True)
        w, other = tf.split(tf.cast(w, tf.float32)[:, None], 2)
        mixed = tf.random.stateless_uniform([count], mixed_seed) < self.mixing
        cutoff = tf.random.stateless_uniform([count], cutoff_seed, 1, self.num_layers, tf.int32)
        cutoff = tf.where(mixed, cutoff, self.num_layers)
        return tf.where(tf.range(self.num_layers)[None, :, None] < cutoff[:, None, None], w, other)

    def _synthesize(self, w: tf.Tensor) -> tf.Tensor:
        return self.generator.get_layer("synthesis")(w, training=True)

    def _discriminate(
        self, images: tf.Tensor, labels: tf.Tensor | None, seed: tf.Tensor
    ) -> tf.Tensor:
        """D's logits [N, 1] of augmented images."""
        if self.augment == "ada":
            images = ada(images, self.ada.p.value, seed)
        elif self.augment == "diffaugment":
            images = diff_augment(images, seed)
        return self.discriminator(with_condition(images, labels), training=True)
