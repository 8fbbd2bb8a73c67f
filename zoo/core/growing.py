"""What GANs that grow share (Karras et al. 2018, section 2)."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.core import checks
from zoo.core.noise_to_image import NoiseToImage, with_condition
from zoo.core.stages import Schedule, Stage
from zoo.nn.layers.resampling import box, nearest


class GrowingNetwork(keras.Model):
    """A network that holds the layers of every stage and remembers how far it is grown.

    A family writes `layers_at`, and `call(inputs, resolution=None, alpha=None, training=False)`: at
    `resolution`, the last by default, with its block faded in by `alpha`, wholly by default.

    Attributes:
        images_shown: int64 variable, real images of its training so far. It stands in a preset, so
            that a half-grown model draws as such, and continues to grow.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.images_shown = self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="int64",
            trainable=False,
            aggregation="only_first_replica",
            name="images_shown",
        )

    def layers_at(self, resolution: int, fading: bool) -> list[keras.layers.Layer]:
        """Those that a stage uses."""
        raise NotImplementedError(f"{type(self).__name__} must name the layers of a stage.")


class GrowingGAN(NoiseToImage):
    """Base of GANs that grow while they train.

    Its networks are built whole. What `train_step` uses of them is `current_phase`, a
    `zoo.core.stages.Stage`; what is drawn is as far as the average is grown, and images of a model
    that is half grown are scaled up to the last resolution, as in the paper's code.

    Args:
        generator: A `GrowingNetwork`; likewise `discriminator`.
        schedule: When it grows.
        **kwargs: As in `GAN`.
    """

    def __init__(
        self,
        *,
        generator: GrowingNetwork,
        discriminator: GrowingNetwork,
        schedule: Schedule,
        **kwargs: Any,
    ) -> None:
        super().__init__(generator=generator, discriminator=discriminator, **kwargs)
        self.schedule = schedule
        # The stage, in `schedule.stages`, that the optimizers were reset for.
        self.stage_of_optimizers = self._counter("stage_of_optimizers")
        self._asked: Stage | None = None

    def _check_network(self, network: GrowingNetwork, *specs: Any, **how: Any) -> None:
        """Nothing: to call every stage on symbols takes as long as to build the network."""

    # ---- where training is

    def images_shown(self) -> int:
        """Real images that the networks were trained on, those of a preset's training too."""
        return _read(self.generator.images_shown)

    def phase(self) -> Stage:
        """The stage of the next step of training."""
        return self.schedule.at(self.images_shown())

    def structure(self) -> Stage:
        """The stage that images are drawn at."""
        return self._asked or self.schedule.at(_read(self.ema_generator.images_shown))

    def stage(self) -> str:
        """Where training is, for messages: "16 px, fading in 40 %"."""
        shown = self.images_shown()
        return self.schedule.at(shown).describe(shown)

    def begin_at(self, shown: int) -> None:
        """Continues training as if `shown` images had been shown."""
        for network in (self.generator, self.discriminator, self.ema_generator):
            network.images_shown.assign(shown)

    def before_phase(self, phase: Stage) -> None:
        """Resets the optimizers where a stage begins: their moments are of another network.

        As in the paper's code: when a fade begins and when it ends. A schedule of the learning rate
        counts an optimizer's updates, so it begins again with each stage.
        """
        index = self.schedule.stages.index(phase)
        if _read(self.stage_of_optimizers) == index:
            return
        _reset(self.generator_optimizer, self.generator)
        _reset(self.discriminator_optimizer, self.discriminator)
        self.stage_of_optimizers.assign(index)
        # A preset of a generator alone has brought no counter for D.
        self.discriminator.images_shown.assign(self.images_shown())
        self.begin_stage(phase)

    def begin_stage(self, stage: Stage) -> None:
        """Called on the host when a stage begins. Most families change nothing then."""

    # ---- parts of a step

    def check_batch_size(self, count: int) -> None:
        """As `GAN.check_batch_size`: what D cannot group."""
        self.discriminator.check_batch_size(count)

    def fade(self, network: GrowingNetwork, stage: Stage, count: Any = 0) -> dict[str, Any]:
        """The arguments with which a network is called at a stage.

        Args:
            network: Whose `images_shown` says how far the fade is.
            stage: Of training, or of drawing.
            count: Images that are being shown just now, which count as shown.
        """
        if not stage.fading:
            return {"resolution": stage.resolution}
        done = tf.convert_to_tensor(network.images_shown.value) + count - stage.begins
        alpha = tf.cast(done, tf.float32) / (stage.ends - stage.begins)
        return {"resolution": stage.resolution, "alpha": tf.clip_by_value(alpha, 0.0, 1.0)}

    def fade_in_step(self, images: tf.Tensor) -> dict[str, Any]:
        """`fade` for the networks in `train_step`.

        Args:
            images: Real images [N, ...] of the step on this replica.
        """
        # Those of the whole step, in each of its parts.
        shares = tf.distribute.get_strategy().num_replicas_in_sync * self.accumulate
        count = tf.shape(images, tf.int64)[0] * shares
        return self.fade(self.generator, self.current_phase, count)

    def at_stage(
        self, images: tf.Tensor, resolution: int, alpha: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Real images as D is shown them at a stage: as small, and faded in like generated ones.

        [N, H, W, C] -> [N, resolution, resolution, C].
        """
        images = box(images, images.shape[1] // resolution)
        if alpha is None:
            return images
        before = nearest(box(images, 2), 2)
        return before + tf.cast(alpha, images.dtype) * (images - before)

    def updated_variables(self, network: GrowingNetwork) -> list[keras.Variable]:
        """Weights of the layers that the stage uses; the others have no gradient."""
        stage = self.current_phase
        layers = network.layers_at(stage.resolution, stage.fading)
        return [variable for layer in layers for variable in layer.trainable_variables]

    def finish_step(self, count: tf.Tensor) -> None:
        """As `GAN.finish_step`; the networks count their images."""
        for network in (self.generator, self.discriminator):
            network.images_shown.assign_add(count)
        super().finish_step(count)

    # ---- images

    def generate(
        self, n: int | None = None, *, resolution: int | None = None, **kwargs: Any
    ) -> np.ndarray:
        """Draws images with the EMA generator.

        Args:
            n: As in `NoiseToImage.generate`.
            resolution: Of a finished stage, whose images are given at that size; None for the
                images of now, at the model's own size.
            **kwargs: As in `GAN.generate`.

        Returns:
            uint8 [n, H, W, C].

        Raises:
            ValueError: A resolution that is not, or not yet, one of a finished stage.
        """
        with self._at(resolution):
            return super().generate(n, **kwargs)

    @contextlib.contextmanager
    def _at(self, resolution: int | None) -> Iterator[None]:
        if resolution is not None:
            finished = self.schedule.finished(_read(self.ema_generator.images_shown))
            if checks.integer("resolution", resolution) not in finished:
                raise ValueError(
                    "resolution must be that of a finished stage: "
                    f"{', '.join(map(str, finished))}. Received: {resolution}."
                )
            self._asked = Stage(resolution, False, -1, None)
        try:
            yield
        finally:
            self._asked = None

    def images_from(
        self,
        latents: tf.Tensor,
        labels: tf.Tensor | None = None,
        truncation: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """As `GAN.images_from`, by the layers of the stage that the average has reached."""
        return self.shown(
            self.ema_generator(
                with_condition(latents, labels),
                training=False,
                **self.fade(self.ema_generator, self.structure()),
            )
        )

    def shown(self, images: tf.Tensor) -> tf.Tensor:
        """A stage's images as they are given out: in [-1, 1], and scaled up to the model's size.

        To-RGB is linear, so what a network draws goes a little beyond the range.
        """
        images = tf.clip_by_value(tf.cast(images, tf.float32), -1.0, 1.0)
        return images if self._asked else nearest(images, self.image_shape[0] // images.shape[1])

    def judge(self, images: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """As `GAN.judge`, of the images as D has been shown them."""
        fade = self.fade(
            self.discriminator, self.schedule.at(_read(self.discriminator.images_shown))
        )
        images = self.at_stage(images, **fade)
        return self.judged(
            self.discriminator(with_condition(images, labels), training=False, **fade)
        )


def _read(variable: keras.Variable) -> int:
    """A counter's value on the host, while a graph is traced too."""
    with tf.init_scope():
        return int(variable.numpy())


def _reset(optimizer: keras.optimizers.Optimizer, network: keras.Model) -> None:
    """Resets an optimizer's state, except its loss scale."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    fresh = type(optimizer).from_config(optimizer.get_config())
    fresh.build(network.trainable_variables)
    for ours, theirs in zip(optimizer.variables, fresh.variables, strict=True):
        ours.assign(theirs.numpy())
