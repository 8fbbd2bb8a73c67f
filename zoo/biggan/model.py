"""BigGAN: the game (Brock et al. 2019, section 3 and appendix C)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.biggan import deep, networks
from zoo.biggan.truncation import at_truncation, truncate
from zoo.core import checks
from zoo.core.gan import on_all_replicas
from zoo.core.noise_to_image import NoiseToImage
from zoo.nn import regularizers
from zoo.nn.layers import StandingBatchNormalization, batch_statistics

# Standing statistics are the mean over so many batches of so many images.
STANDING_BATCHES = 32
STANDING_BATCH = 64

HUB_THRESHOLD = 2.0  # standard deviations


class BigGAN(NoiseToImage):
    """Class-conditional GAN with residual networks, made for scale.

    Args:
        resolution: Height and width of the images: 32, 64, 128, 256 or 512.
        channels: 1 (grey) or 3 (RGB).
        num_classes: Of the labels.
        width: ch, the unit of all layers' features.
        latent_dim: Length of z; 20 for every chunk by default, as the paper's: 120 at 128 px.
        shared_dim: Length of the class embedding shared by G's blocks; 0 for none: each block looks
            its gains and biases up by class.
        skip_z: Whether z is cut in chunks, one for the first layer and one for each block.
        attention: Side of the image on which self-attention looks, in both networks; 0 for none.
        architecture: "biggan", or "deep": twice as many blocks, with bottlenecks, each of which
            sees all of z; it has a shared embedding and takes no chunks of z.
        spectral_norm: False where sigma is divided out of G's weights, as in those of Hugging Face
            ("deep" alone). Such a network is not trained.
        statistics: Truncations from 0 to 1 that G's batch norm has statistics of, as in published
            checkpoints ("deep" alone); 0 for running ones. Such a network is not trained.
        bn_epsilon: Added to the variance in batch norm.
        hub_truncation: z from N(0, 1) cut at 2, which a truncation scales, as in published
            checkpoints; otherwise a truncation is where N(0, 1) is cut.
        d_steps: Updates of D to one of G, each on its own part of the batch, which they divide.
        orthogonal: Weight of the orthogonal regularization of G.
        generator_rate: Learning rate of the optimizer that `compile` gives G.
        discriminator_rate: Of D's.
        ema_decay: As in `GAN`, from step `ema_start` on; the average equals G's weights until then.
        ema_start: See `ema_decay`.

    Example:
        gan = zoo.BigGAN(resolution=32, num_classes=10, width=16, ema_start=1000)
        gan.compile()
        gan.fit(dataset)                      # (images f32 [N, 32, 32, 3] in [-1, 1], labels [N])
        images = gan.generate(16, seed=0, labels=3, truncation=0.5)

    Reference: Brock, Donahue & Simonyan, "Large Scale GAN Training for High Fidelity Natural Image
    Synthesis", ICLR 2019.
    """

    family = "biggan"
    truncates = True
    tracked = (*NoiseToImage.tracked, "orthogonal_penalty")
    default_losses = ("hinge", "hinge")
    alternates = None

    def __init__(
        self,
        resolution: int = 128,
        channels: int = 3,
        num_classes: int = 1000,
        width: int = 96,
        latent_dim: int | None = None,
        shared_dim: int = 128,
        skip_z: bool = True,
        attention: int = 64,
        architecture: str = "biggan",
        spectral_norm: bool = True,
        statistics: int = 0,
        bn_epsilon: float = 1e-5,
        hub_truncation: bool = False,
        d_steps: int = 2,
        orthogonal: float = 1e-4,
        generator_rate: float = 5e-5,
        discriminator_rate: float = 2e-4,
        ema_decay: float = 0.9999,
        ema_start: int = 20_000,
        **kwargs: Any,
    ) -> None:
        resolution = checks.integer("resolution", resolution)
        if resolution not in networks.GENERATOR:
            raise ValueError(
                f"resolution must be one of {', '.join(map(str, networks.GENERATOR))}. "
                f"Received: {resolution}."
            )
        chunks = networks.latent_chunks(resolution)
        sizes = {
            "channels": channels,
            "num_classes": num_classes,
            "width": width,
            "latent_dim": 20 * chunks if latent_dim is None else latent_dim,
            "d_steps": d_steps,
        }
        sizes = checks.counts(sizes)
        not_negative = {
            "shared_dim": checks.integer("shared_dim", shared_dim),
            "attention": checks.integer("attention", attention),
            "orthogonal": orthogonal,
            "generator_rate": generator_rate,
            "discriminator_rate": discriminator_rate,
            "ema_start": checks.integer("ema_start", ema_start),
        }
        checks.check_not_negative(not_negative)
        if architecture not in ("biggan", "deep"):
            raise ValueError(
                f"architecture must be 'biggan' or 'deep'. Received: {architecture!r}."
            )
        is_deep = architecture == "deep"
        statistics = checks.integer("statistics", statistics)
        if statistics and not (is_deep and statistics > 1):
            raise ValueError(
                "statistics must be 0, or at least 2 for architecture='deep'. "
                f"Received: {statistics} for {architecture!r}."
            )
        if not spectral_norm and not statistics:
            raise ValueError(
                "spectral_norm=False is for weights that go with statistics. "
                "Received: statistics=0."
            )
        if is_deep and (skip_z or not shared_dim):
            raise ValueError(
                "architecture='deep' needs shared_dim of at least 1 and skip_z=False. "
                f"Received: shared_dim={shared_dim}, skip_z={skip_z}."
            )
        if is_deep and sizes["width"] * min(networks.GENERATOR[resolution]) < deep.BOTTLENECK:
            raise ValueError(
                f"architecture='deep' needs a width of at least {deep.BOTTLENECK} features. "
                f"Received: {sizes['width']}."
            )
        if not bn_epsilon > 0:
            raise ValueError(f"bn_epsilon must be more than 0. Received: {bn_epsilon}.")
        if skip_z and sizes["latent_dim"] % chunks:
            raise ValueError(
                f"latent_dim must be a multiple of {chunks} at {resolution} px, where skip_z cuts "
                f"it in as many chunks. Received: {sizes['latent_dim']}."
            )
        common = (resolution, sizes["channels"], sizes["num_classes"], sizes["width"])
        inputs = (sizes["latent_dim"], not_negative["shared_dim"])
        if is_deep:
            factors = networks.GENERATOR[resolution]
            generator = deep.generator(
                factors,
                *common[1:],
                *inputs,
                attention,
                spectral_norm,
                statistics,
                networks.batch_norm(bn_epsilon),
                bn_epsilon,
            )
            discriminator = deep.discriminator(resolution, factors, *common[1:], attention)
        else:
            generator = networks.generator(*common, *inputs, skip_z, attention, bn_epsilon)
            discriminator = networks.discriminator(*common, attention)
        super().__init__(
            generator=generator,
            discriminator=discriminator,
            ema_decay=ema_decay,
            config={
                "resolution": resolution,
                **sizes,
                "skip_z": skip_z,
                **not_negative,
                "architecture": architecture,
                "spectral_norm": spectral_norm,
                "statistics": statistics,
                "bn_epsilon": bn_epsilon,
                "hub_truncation": hub_truncation,
            },
            **kwargs,
        )

    def draw_latents(self, shape: Any, seed: Any) -> tf.Tensor:
        """z from N(0, 1); with the hub's truncation cut at 2."""
        z = tf.random.stateless_normal(shape, seed)
        if not self._config["hub_truncation"]:
            return z
        return truncate(z[None], tf.constant([HUB_THRESHOLD]))[0]

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam (0, .999) at the rates of the constructor (appendix C)."""

        def adam(rate: float) -> keras.optimizers.Optimizer:
            optimizer = keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.999, epsilon=1e-6)
            if self.compute_dtype != "float16":
                return optimizer
            # D sums over the image, so Keras's first scale of 32,768 would overflow.
            return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**10)

        return {
            "generator": adam(self._config["generator_rate"]),
            "discriminator": adam(self._config["discriminator_rate"]),
        }

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`d_steps` updates of D, each on its own part of the batch, then one of G.

        Args:
            batch: Images f32 [N, H, W, C] in [-1, 1], and labels int [N].
        """
        if self._config["statistics"]:
            raise ValueError(
                "BigGAN is trained with running statistics. "
                f"Received: statistics={self._config['statistics']}, those of published weights."
            )
        images, labels = batch
        d_steps = self._config["d_steps"]
        images = self._check_divides(images)
        results = {}
        for i in range(d_steps):
            # Every d_steps-th image, so that the parts of all replicas make those of one.
            part = (images[i::d_steps], labels[i::d_steps])
            results |= self.turn(self._discriminator_step, part)  # the last are reported
        return results | self.turn(self._generator_step, part)

    def check_batch_size(self, count: int) -> None:
        """As `GAN.check_batch_size`: what D's updates cannot share."""
        if count % self._config["d_steps"]:
            raise ValueError(f"{self._rule()} Received: a batch of {count}.")

    def _rule(self) -> str:
        return (
            f"A replica's batch, and each part of it where accumulate={self.accumulate} cuts it, "
            f"must be a multiple of d_steps={self._config['d_steps']}."
        )

    def _check_divides(self, images: tf.Tensor) -> tf.Tensor:
        """Returns `images` if they divide into equal parts; use what it returns."""
        count = tf.shape(images)[0]
        received = [self._rule(), "Received: a batch of", count]
        check = tf.debugging.Assert(count % self._config["d_steps"] == 0, received)
        with tf.control_dependencies([check]):
            return tf.identity(images)

    def _discriminator_step(self, part: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One update of D."""
        images, labels = part
        count = tf.shape(images)[0]
        fakes, fake_labels = self._draw_fakes(count)
        with tf.GradientTape() as tape:
            # One pass for both: spectral norm moves once.
            logits = self.discriminator(
                [
                    tf.concat([images, tf.cast(fakes, images.dtype)], axis=0),
                    tf.concat([labels, fake_labels], axis=0),
                ],
                training=True,
            )
            real_logits, fake_logits = logits[:count], logits[count:]
            loss = self.discriminator_loss(real_logits, fake_logits)
        norm = self.minimize(tape, loss, self.discriminator)
        accuracies = self.accuracies(real_logits, fake_logits)
        return {"d_loss": loss, **accuracies, "d_gradient_norm": norm}

    def _generator_step(self, part: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The update of G, for as many images as there are in one of D's parts."""
        images, _ = part
        with tf.GradientTape() as tape:
            fakes, labels = self._draw_fakes(tf.shape(images)[0])
            logits = self.discriminator([fakes, labels], training=True)
            loss = self.generator_loss(logits)
            penalty = tf.add_n(
                [regularizers.orthogonal(w) for w in networks.regularized(self.generator)]
            )
            total = loss + self._config["orthogonal"] * penalty
        norm = self.minimize(tape, total, self.generator)
        return {"g_loss": loss, "g_gradient_norm": norm, "orthogonal_penalty": penalty}

    def _draw_fakes(self, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Images [count, H, W, C] by G and their labels [count], of this update."""
        latents = self.draw_latents([count, self.latent_dim], self.step_seed("latents"))
        labels = self.draw_condition([count], self.step_seed("labels"))
        return self.generator([latents, labels], training=True), labels

    def finish_step(self, count: tf.Tensor) -> None:
        """As in `GAN`; batch norm's running statistics are not averaged but G's own.

        `settle` replaces them to show images. So a run does not depend on when it was looked at.
        """
        super().finish_step(count)
        on_all_replicas(
            lambda average, source: average.assign(source),
            _running_statistics(self.ema_generator),
            _running_statistics(self.generator),
        )

    def from_earlier(self, values: list[np.ndarray]) -> list[np.ndarray]:
        """As in `GAN`: u of D's class embedding was over its features."""
        layer = self.discriminator.get_layer("embedding")
        at = {id(variable): i for i, variable in enumerate(self.variables)}
        kernel, u = at[id(layer.kernel)], at[id(layer.u)]
        values[u] = layer.u_from(values[kernel], values[u])
        return values

    def averaging_decay(self, images: tf.Tensor) -> tf.Tensor:
        """0 before step `ema_start`, then `ema_decay`."""
        started = self.steps.value >= self._config["ema_start"]
        return tf.where(started, self.ema_decay, 0.0)

    def images_from(
        self,
        latents: tf.Tensor,
        labels: tf.Tensor | None = None,
        truncation: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """As in `GAN`; `truncation` is the threshold of z in standard deviations (section 3.1).

        Of the hub's truncation it is a factor of z, at most 1.
        """
        if truncation is not None and self._config["hub_truncation"]:
            factor = tf.where(tf.math.is_nan(truncation), 1.0, tf.minimum(truncation, 1.0))
            with at_truncation(factor):
                return super().images_from(latents * factor[:, None], labels)
        if truncation is not None:
            latents = truncate(latents, truncation)
        return super().images_from(latents, labels)

    def settle(self) -> None:
        """Standing statistics (appendix A): batch norm's over many batches of the average's own."""
        batches = [
            self._statistics_of_a_batch(tf.constant(i, tf.int64)) for i in range(STANDING_BATCHES)
        ]
        variables = _running_statistics(self.ema_generator)
        with self.distribute_strategy.scope():
            for variable, of_batches in zip(variables, zip(*batches, strict=True), strict=True):
                variable.assign(tf.reduce_mean(tf.stack(of_batches), axis=0))

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64)], autograph=False)
    def _statistics_of_a_batch(self, i: tf.Tensor) -> list[tf.Tensor]:
        """Mean and variance of each batch norm in turn, f32 [C], over the i-th batch."""
        latents = self.draw_latents([STANDING_BATCH, self.latent_dim], [i, 0])
        labels = self.draw_condition([STANDING_BATCH], [i, 1])
        with batch_statistics() as statistics:
            self.ema_generator([latents, labels], training=False)
        by_layer = {layer: values for layer, *values in statistics}
        return [value for layer in _batch_norms(self.ema_generator) for value in by_layer[layer]]


def _batch_norms(generator: keras.Model) -> list[StandingBatchNormalization]:
    layers = generator._flatten_layers(include_self=False)
    return [layer for layer in layers if isinstance(layer, StandingBatchNormalization)]


def _running_statistics(generator: keras.Model) -> list[keras.Variable]:
    """Mean and variance of each batch norm in turn."""
    return [
        variable
        for layer in _batch_norms(generator)
        for variable in (layer.moving_mean, layer.moving_variance)
    ]
