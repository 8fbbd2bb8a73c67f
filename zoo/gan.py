"""What every GAN shares: compile, replica-safe updates, EMA, seeds, generate, presets."""

import importlib
import os
import pathlib
import secrets
import tempfile
from typing import Any, Self

import h5py
import keras
import numpy as np
import tensorflow as tf

from zoo import images as image_io
from zoo import presets

# Images generated at a time; the memory of `generate` does not grow with n.
GENERATE_BATCH = 64
SAMPLE_SHEET = 64


class GAN(keras.Model):
    """Base of all families: two networks and an averaged copy of the generator.

    A family sets `family`, builds its networks, and writes `draw_latents`, `compile` (the paper's
    optimizers) and `train_step` (the paper's algorithm) with the parts below.

    Args:
        generator: latents f32 [N, z] -> images f32 [N, H, W, C] in [-1, 1].
        discriminator: images -> logits [N, 1].
        ema_decay: Decay of the generator's exponential moving average, which `generate`, samples,
            metrics and exports use. The average warms up as min(ema_decay, (1 + t) / (10 + t))
            after t steps, so that a short run is not held at its initial weights.

    Attributes:
        steps: int64 variable, generator updates so far.
        card: The `card.json` of the preset that this model was loaded from, or None.
    """

    family: str
    # Scalars that `train_step` returns, by name.
    tracked = ("d_loss", "g_loss", "real_accuracy", "fake_accuracy")

    def __init__(
        self,
        *,
        generator: keras.Model,
        discriminator: keras.Model,
        ema_decay: float = 0.999,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0.0 <= ema_decay < 1.0:
            raise ValueError(f"ema_decay must be in [0, 1). Received: {ema_decay}.")
        self.generator = generator
        self.discriminator = discriminator
        self.ema_generator = type(generator).from_config(generator.get_config())
        self.ema_generator.set_weights(generator.get_weights())
        self.ema_generator.trainable = False
        self.ema_decay = ema_decay
        self.steps = self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="int64",
            trainable=False,
            aggregation="only_first_replica",
            name="steps",
        )
        self.card: dict[str, Any] | None = None
        self._config: dict[str, Any] = {}
        self._seed = 0
        self._trackers: dict[str, keras.metrics.Mean] = {}
        # Keras would otherwise trace `call` with a batch of images before `fit`.
        self.built = True

    # ---- shapes

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return tuple(self.generator.output_shape[1:])

    @property
    def latent_dim(self) -> int:
        """Length of z."""
        return self.generator.input_shape[-1]

    def check_images(self, images: tf.Tensor) -> None:
        """Raises unless `images` are float [N, H, W, C] of this model's size."""
        if not isinstance(images, tf.Tensor) or tuple(images.shape[1:]) != self.image_shape:
            received = getattr(images, "shape", type(images).__name__)
            size = ", ".join(map(str, self.image_shape))
            raise ValueError(
                f"{type(self).__name__} trains on images [N, {size}] in [-1, 1]. "
                f"Received: {received}."
            )
        if not images.dtype.is_floating:
            raise ValueError(
                "Images must be float in [-1, 1]; uint8 becomes that by x / 127.5 - 1. "
                f"Received: {images.dtype.name}."
            )

    # ---- the game

    def compile(
        self,
        generator_optimizer: Any,
        discriminator_optimizer: Any,
        *,
        seed: int = 0,
        jit_compile: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Readies the model for `fit`.

        Args:
            generator_optimizer: A Keras optimizer, or its name.
            discriminator_optimizer: Likewise.
            seed: Every random draw of training is a function of it, the step and the replica.
            jit_compile: XLA; by default on with one GPU, off with several (it cannot compile across
                replicas) and off without (it is slower on a CPU).
            **kwargs: `run_eagerly`, `steps_per_execution`.
        """
        if jit_compile is None:
            jit_compile = (
                bool(tf.config.list_logical_devices("GPU"))
                and tf.distribute.get_strategy().num_replicas_in_sync == 1
                and not kwargs.get("run_eagerly", False)
            )
        super().compile(optimizer=None, jit_compile=jit_compile, **kwargs)
        self._seed = seed
        self.generator_optimizer = keras.optimizers.get(generator_optimizer)
        self.discriminator_optimizer = keras.optimizers.get(discriminator_optimizer)
        self._trackers = {name: keras.metrics.Mean(name=name) for name in self.tracked}
        # Built now, so that a checkpoint finds their slots.
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    def draw_latents(self, shape: Any, seed: Any) -> tf.Tensor:
        """Draws z of the paper's distribution, f32 of `shape`, from an integer seed [2]."""
        raise NotImplementedError(f"{type(self).__name__} must say how its latents are drawn.")

    def step_seeds(self, count: int) -> list[tf.Tensor]:
        """`count` seeds [2] for the draws of this step on this replica.

        A function of (seed of `compile`, step, replica): replicas draw differently, and a resumed
        run draws what it would have drawn.
        """
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.constant([self._seed, 0], tf.int64)
        seed = tf.random.fold_in(seed, tf.convert_to_tensor(self.steps.value))
        seed = tf.random.fold_in(seed, tf.cast(replica, tf.int64))
        return tf.unstack(tf.random.split(seed, count))

    def minimize(
        self,
        tape: tf.GradientTape,
        loss: tf.Tensor,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
    ) -> None:
        """One update of `network` towards a smaller `loss`, the mean over this replica's batch.

        Optimizers sum gradients over replicas, so each replica contributes 1 / replicas of its own:
        together the gradient of the mean over the global batch.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        gradients = tape.gradient(
            loss,
            network.trainable_variables,
            output_gradients=tf.constant(1.0 / replicas, loss.dtype),
        )
        optimizer.apply(gradients, network.trainable_variables)

    def finish_step(self) -> None:
        """After the generator's update: moves the average, counts the step."""
        t = tf.cast(self.steps.value, tf.float32)
        rate = 1.0 - tf.minimum(self.ema_decay, (1.0 + t) / (10.0 + t))
        averages = [v.value for v in self.ema_generator.variables]
        sources = [v.value for v in self.generator.variables]

        def update(strategy: tf.distribute.Strategy) -> None:
            for average, source in zip(averages, sources, strict=True):
                strategy.extended.update(
                    average,
                    lambda a, s: a.assign_add(tf.cast(rate, a.dtype) * (s - a)),
                    args=(source,),
                    group=False,
                )

        tf.distribute.get_replica_context().merge_call(update)
        self.steps.assign_add(1)

    def track(self, **values: tf.Tensor) -> dict[str, tf.Tensor]:
        """Running means of scalars since the last reset, as `train_step` returns them."""
        for name, value in values.items():
            if name not in self._trackers:
                raise ValueError(
                    f"{type(self).__name__} tracks {list(self._trackers)}. Received: {name!r}."
                )
            self._trackers[name].update_state(value)
        return {name: tracker.result() for name, tracker in self._trackers.items()}

    def call(self, latents: tf.Tensor, training: bool = False) -> tf.Tensor:
        """latents f32 [N, z] -> images f32 [N, H, W, C] in [-1, 1], by the EMA generator."""
        return self.ema_generator(latents, training=training)

    # ---- images

    def latents_from_seeds(self, seeds: tf.Tensor) -> tf.Tensor:
        """int64 [N] -> latents f32 [N, z]; row i depends on seed i alone."""
        return tf.map_fn(
            lambda seed: self.draw_latents([self.latent_dim], [seed, 0]),
            seeds,
            fn_output_signature=tf.TensorSpec([self.latent_dim], tf.float32),
        )

    def images_from_seeds(self, seeds: tf.Tensor) -> tf.Tensor:
        """int64 [N] -> images f32 [N, H, W, C] in [-1, 1]."""
        return self.ema_generator(self.latents_from_seeds(seeds), training=False)

    def generate(self, n: int = 1, *, seed: int | None = None) -> np.ndarray:
        """Draws images with the EMA generator.

        Args:
            n: How many, at least 1.
            seed: Row i is made from seed + i, whatever n; None draws a fresh one. Both are int64.

        Returns:
            uint8 [n, H, W, C].
        """
        if n < 1:
            raise ValueError(f"n must be at least 1. Received: {n}.")
        if seed is None:
            seed = secrets.randbits(48)
        if not -(2**63) <= seed <= 2**63 - n:
            raise ValueError(f"seed to seed + n - 1 must be int64. Received: {seed}, n {n}.")
        chunks = []
        for start in range(0, n, GENERATE_BATCH):
            seeds = np.arange(seed + start, seed + min(start + GENERATE_BATCH, n), dtype=np.int64)
            chunks.append(self._generate_uint8(tf.constant(seeds)).numpy())
        return np.concatenate(chunks)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)], autograph=False)
    def _generate_uint8(self, seeds: tf.Tensor) -> tf.Tensor:
        return image_io.to_uint8(self.images_from_seeds(seeds))

    def discriminate(self, images: np.ndarray) -> np.ndarray:
        """Probability that each image is real, as D sees it.

        Args:
            images: uint8 [N, H, W, C], or float in [-1, 1].

        Returns:
            f32 [N] in [0, 1].
        """
        images = np.asarray(images)
        if images.dtype == np.uint8:
            images = images.astype(np.float32) / 127.5 - 1.0
        images = tf.convert_to_tensor(images)
        self.check_images(images)
        return self.probability(tf.cast(images, tf.float32)).numpy()

    def probability(self, images: tf.Tensor) -> tf.Tensor:
        """images f32 [N, H, W, C] in [-1, 1] -> f32 [N]: sigmoid of D's logits."""
        return tf.sigmoid(self.discriminator(images, training=False)[:, 0])

    # ---- presets

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments: a preset's `config`."""
        return {**self._config, "ema_decay": self.ema_decay}

    @classmethod
    def from_preset(cls, name: str, *, load_weights: bool = True) -> Self:
        """Loads a preset; see `zoo.load`. A family's class insists on that family.

        Raises:
            PresetError: Also when the preset is of another family.
        """
        source = presets.resolve(name)
        class_name = presets.FAMILIES[source.family]
        family_class = getattr(importlib.import_module(f"zoo.{source.family}"), class_name)
        if not issubclass(family_class, cls):
            raise presets.PresetError(
                f"{cls.__name__}.from_preset loads presets of family {cls.family!r}. "
                f"Received: {name!r} of family {source.family!r}; "
                f"use zoo.load or zoo.{class_name}."
            )
        if load_weights and source.weights is None:
            raise presets.PresetError(
                f"{name!r} has no pretrained weights. "
                f"zoo.load({name!r}, load_weights=False) builds the untrained architecture."
            )
        try:
            gan = family_class(**source.config)
        except (TypeError, ValueError) as error:
            raise presets.PresetError(
                f"The config of preset {name!r} must be arguments of {class_name}: {error}"
            ) from error
        if load_weights:
            try:
                _Pair(gan.generator, gan.discriminator).load_weights(source.weights)
            except (ValueError, OSError, KeyError) as error:
                raise presets.PresetError(
                    f"{source.weights} must hold the weights of {name!r}. Received: {error}"
                ) from error
            gan.ema_generator.set_weights(gan.generator.get_weights())
            gan.card = source.card
        return gan

    def save_to_preset(
        self,
        folder: str | os.PathLike[str],
        *,
        card: dict[str, Any] | None = None,
        dtype: str = "float32",
    ) -> None:
        """Writes a folder that `zoo.load` reads: the EMA generator and the discriminator.

        Optimizers stay out: training that starts from a preset goes on from the EMA. (To go on
        with a run exactly, resume it from its checkpoints.)

        Args:
            folder: Written whole or not at all; replaced if it is there.
            card: What to say of the weights: data set, licence, recipe, scores. The card of the
                preset that the model came from is kept, as `trained_from` once it was trained on.
            dtype: "float16" halves the file; the model that is loaded from it is still float32.
        """
        folder = pathlib.Path(folder)
        with tempfile.TemporaryDirectory() as scratch:
            weights = pathlib.Path(scratch) / presets.WEIGHTS_FILE
            _Pair(self.ema_generator, self.discriminator).save_weights(weights)
            if dtype != "float32":
                weights = _cast_weights(weights, dtype)
            presets.write(
                folder,
                family=self.family,
                config=self.get_config(),
                weights=weights,
                card={
                    "name": folder.resolve().name,
                    **self._inherited_card(),
                    **(card or {}),
                    "family": self.family,
                    "parameters": {
                        "generator": _trainable_parameters(self.generator),
                        "discriminator": _trainable_parameters(self.discriminator),
                    },
                },
                samples=image_io.encode_png(image_io.grid(self.generate(SAMPLE_SHEET, seed=0))),
            )

    def _inherited_card(self) -> dict[str, Any]:
        """What the card that this model was loaded with still says of its weights."""
        if self.card is None:
            return {}
        if int(self.steps.value):
            return {"trained_from": self.card}
        return {key: value for key, value in self.card.items() if key != "sha256"}


def _trainable_parameters(network: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


class _Pair(keras.Model):
    """What a weights file holds, under these names."""

    def __init__(self, generator: keras.Model, discriminator: keras.Model) -> None:
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.built = True


def _cast_weights(path: pathlib.Path, dtype: str) -> pathlib.Path:
    """Rewrites the float32 arrays of a weights file in another type; returns the new file."""
    smaller = path.with_name(f"{dtype}.{path.name}")
    with h5py.File(path) as source, h5py.File(smaller, "w") as target:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                data = item[()]
                target.create_dataset(
                    name, data=data.astype(dtype) if data.dtype.kind == "f" else data
                )
            else:
                target.require_group(name)
            for key, value in item.attrs.items():
                target[name].attrs[key] = value

        source.visititems(copy)
        for key, value in source.attrs.items():
            target.attrs[key] = value
    return smaller
