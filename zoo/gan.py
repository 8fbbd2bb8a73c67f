"""What every GAN shares: compile, replica-safe updates, EMA, seeds, generate, presets."""

import functools
import importlib
import os
import pathlib
import secrets
import tempfile
from collections.abc import Hashable, Sequence
from typing import Any, NoReturn, Self

import keras
import numpy as np
import tensorflow as tf

from zoo import checks, presets, weights
from zoo import images as image_io
from zoo.accumulation import tracing

# Images generated at a time; the memory of `generate` does not grow with n.
GENERATE_BATCH = 64
SAMPLE_SHEET = 64


def with_labels(x: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor | list[tf.Tensor]:
    """What a network is called with: x alone, or [x, labels] of a conditional model."""
    return x if labels is None else [x, labels]


class GAN(keras.Model):
    """Base of all families: two networks and an averaged copy of the generator.

    A family sets `family`, builds its networks, and writes `draw_latents`, `compile` (the paper's
    optimizers) and `train_step` (the paper's algorithm) with the parts below. Its constructor's
    arguments go into `_config`, `resolution`, `channels`, `latent_dim` and, of a conditional
    family, `num_classes` among them.

    Args:
        generator: latents f32 [N, z] -> images f32 [N, H, W, C] in [-1, 1]. Both networks of a
            conditional model take [x, labels] in place of x, labels int32 [N].
        discriminator: images -> logits [N, 1].
        ema_decay: Decay of the generator's exponential moving average, which `generate`, samples,
            metrics and exports use. The average warms up as min(ema_decay, (1 + t) / (10 + t))
            after t steps, so that a short run is not held at its initial weights.

    `save("gan.keras")` keeps the optimizers' state as well; `keras.models.load_model` reads it once
    the family's class has been imported (`from zoo import DCGAN`).

    All that a run must remember is a Keras variable, so that checkpoints hold it: a family adds
    its own with `self.add_weight`.

    Attributes:
        steps: int64 variable, generator updates so far.
        images_seen: int64 variable, real images shown so far, over all replicas.
        card: The `card.json` of the preset that this model was loaded from, or None.
    """

    family: str
    # How to walk between two latents within their distribution: "slerp" or "lerp".
    interpolation = "slerp"
    # Whether D returns a score without bounds (WGAN) in place of logits.
    critic = False
    # Whether `images_from` takes a truncation.
    truncates = False
    # Scalars that `train_step` returns, by name.
    tracked = (
        "d_loss",
        "g_loss",
        "real_accuracy",
        "fake_accuracy",
        "d_gradient_norm",
        "g_gradient_norm",
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # So that `keras.models.load_model` knows every family.
        keras.saving.register_keras_serializable("gan_zoo")(cls)

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
        self.ema_generator = type(generator).from_config(
            {**generator.get_config(), "name": "ema_generator"}
        )
        self.ema_generator.set_weights(generator.get_weights())
        self.ema_generator.trainable = False
        self.ema_decay = ema_decay
        self.steps = self._counter("steps")
        self.images_seen = self._counter("images_seen")
        self.card: dict[str, Any] | None = None
        self._config: dict[str, Any] = {}
        self._seed = 0
        self._compiled_with: dict[str, Any] = {}
        self._trackers: dict[str, keras.metrics.Mean] = {}
        self.accumulate = 1
        self.current_phase: Hashable = None
        self._settled_at = 0
        self._drawing: dict[Hashable, Any] = {}
        # Keras would otherwise trace `call` with a batch of images before `fit`.
        self.built = True

    def _counter(self, name: str) -> keras.Variable:
        return self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="int64",
            trainable=False,
            aggregation="only_first_replica",
            name=name,
        )

    # ---- shapes

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        resolution = self._config["resolution"]
        return resolution, resolution, self._config["channels"]

    @property
    def latent_dim(self) -> int:
        """Length of z."""
        return self._config["latent_dim"]

    @property
    def num_classes(self) -> int:
        """Of the labels that the networks are given; 0 where they take none."""
        return self._config.get("num_classes", 0)

    def check_batch(self, batch: Any) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Images f32 [N, H, W, C] and labels int32 [N] of a training batch, once checked.

        Labels are None of an unconditional model. Use what it returns: a batch out of range then
        fails before D has learnt from it. (XLA leaves checks of values out.)

        Raises:
            ValueError: Another type, shape or structure.
            tf.errors.InvalidArgumentError: Values that are NaN or out of range.
        """
        owner = type(self).__name__
        if not self.num_classes:
            return checks.check_images(batch, owner, self.image_shape), None
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            received = (
                f"{type(batch).__name__} of {len(batch)}"
                if isinstance(batch, tuple | list)
                else "one tensor"
            )
            raise ValueError(
                f"{owner} trains on (images, labels), labels int [N] from 0 to "
                f"{self.num_classes - 1}. Received: {received}."
            )
        images = checks.check_images(batch[0], owner, self.image_shape)
        return images, checks.check_labels(batch[1], tf.shape(images)[0], self.num_classes)

    # ---- the game

    def compile(
        self,
        generator_optimizer: Any,
        discriminator_optimizer: Any,
        *,
        seed: int = 0,
        accumulate: int = 1,
        jit_compile: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Readies the model for `fit`.

        Under the policy "mixed_float16" (`keras.config.set_dtype_policy`, before the model is
        built) each optimizer scales its loss, so that small gradients survive the type.

        Args:
            generator_optimizer: A Keras optimizer, or its name.
            discriminator_optimizer: Likewise.
            seed: Every random draw of training is a function of it, the step and the replica.
            accumulate: Parts into which each batch is cut, for batches larger than the memory;
                one update still sees the whole batch.
            jit_compile: XLA; by default on with one GPU, off with several (it cannot compile across
                replicas) and off without (it is slower on a CPU).
            **kwargs: `run_eagerly`, `steps_per_execution`.

        Raises:
            TypeError: Another argument; the losses are the paper's.
            ValueError: `accumulate` is less than 1, or an optimizer is none.
        """
        unknown = sorted(kwargs.keys() - {"run_eagerly", "steps_per_execution"})
        if unknown:
            raise TypeError(
                "compile takes generator_optimizer, discriminator_optimizer, seed, accumulate, "
                "jit_compile, run_eagerly and steps_per_execution; the losses are the paper's. "
                f"Received: {', '.join(unknown)}."
            )
        self._compiled_with = {"accumulate": accumulate, "jit_compile": jit_compile, **kwargs}
        if jit_compile is None:
            jit_compile = (
                bool(tf.config.list_logical_devices("GPU"))
                and tf.distribute.get_strategy().num_replicas_in_sync == 1
                and not kwargs.get("run_eagerly", False)
            )
        if accumulate < 1:
            raise ValueError(f"accumulate must be at least 1. Received: {accumulate}.")
        if kwargs.get("steps_per_execution", 1) != 1 and self._has_phases():
            raise ValueError(
                f"steps_per_execution must be 1 of {type(self).__name__}, whose steps are not all "
                f"alike. Received: {kwargs['steps_per_execution']}."
            )
        super().compile(optimizer=None, jit_compile=jit_compile, **kwargs)
        self._seed = checks.integer("seed", seed)
        self.accumulate = accumulate
        self.generator_optimizer = self._optimizer(generator_optimizer)
        self.discriminator_optimizer = self._optimizer(discriminator_optimizer)
        self._trackers = {name: keras.metrics.Mean(name=name) for name in self.tracked}
        # Built now, so that a checkpoint finds their slots.
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)
        self.current_phase = self.phase()

    def _optimizer(self, identifier: Any) -> keras.optimizers.Optimizer:
        optimizer = keras.optimizers.get(identifier)
        if self.compute_dtype != "float16" or isinstance(
            optimizer, keras.optimizers.LossScaleOptimizer
        ):
            return optimizer
        return keras.optimizers.LossScaleOptimizer(optimizer)

    def get_compile_config(self) -> dict[str, Any]:
        """Arguments of `compile`, for a `.keras` file."""
        if not self.compiled:
            return {}
        return {
            **self._compiled_with,
            "seed": self._seed,
            "generator_optimizer": keras.saving.serialize_keras_object(self.generator_optimizer),
            "discriminator_optimizer": keras.saving.serialize_keras_object(
                self.discriminator_optimizer
            ),
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles as `get_compile_config` says."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    @functools.wraps(keras.Model.fit)
    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        if kwargs.get("validation_data") is not None or kwargs.get("validation_split"):
            self.evaluate()  # raises
        return super().fit(*args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises: see the message."""
        raise ValueError(
            "A GAN has no validation loss: measure its images instead, with trainers.metrics or "
            "python -m trainers.evaluate."
        )

    def draw_latents(self, shape: Any, seed: Any) -> tf.Tensor:
        """Draws z of the paper's distribution, f32 of `shape`, from an integer seed [2]."""
        raise NotImplementedError(f"{type(self).__name__} must say how its latents are drawn.")

    def draw_labels(self, shape: Any, seed: Any) -> tf.Tensor:
        """Draws labels, int32 of `shape`, each class as likely as the others."""
        return tf.random.stateless_uniform(shape, seed, 0, self.num_classes, tf.int32, alg="philox")

    def adapt(self, dataset: tf.data.Dataset) -> None:
        """Before `fit`: sets what the paper initialises from the data. Most families: nothing.

        Args:
            dataset: Batches of images f32 [N, H, W, C] in [-1, 1], each image once.
        """

    # ---- steps that are not all alike

    def structure(self) -> Hashable:
        """What the networks are now, as far as it changes while they train: growth.

        Read on the host before images are drawn; each value is compiled once.
        """
        return None

    def phase(self) -> Hashable:
        """What the next step of training is compiled for: growth, regularizers that are due.

        Read on the host before every step, from variables that a checkpoint holds. While
        `train_step` is traced, `current_phase` has the value, so that plain `if` does.
        """
        return self.structure()

    def before_phase(self, phase: Hashable) -> None:
        """On the host before each step: what must happen between two steps. Mostly nothing."""

    def _has_phases(self) -> bool:
        return (type(self).phase, type(self).structure) != (GAN.phase, GAN.structure)

    @functools.wraps(keras.Model.make_train_function)
    def make_train_function(self, force: bool = False) -> None:
        if not self._has_phases():
            super().make_train_function(force)
            return
        if self.train_function is not None and not force:
            return
        functions = {}
        make = super().make_train_function

        def train_function(iterator: Any) -> Any:
            phase = self.phase()
            self.before_phase(phase)
            self.current_phase = phase
            if phase not in functions:
                make(force=True)
                functions[phase] = self.train_function
                self.train_function = train_function
            return functions[phase](iterator)

        self.train_function = train_function

    # ---- parts of a step

    def step_seeds(self, count: int) -> list[tf.Tensor]:
        """`count` seeds [2] for the draws of this step on this replica.

        A function of (seed of `compile`, step, replica, part of the batch): replicas draw
        differently, and a resumed run draws what it would have drawn.
        """
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.constant([self._seed, 0], tf.int64)
        seed = tf.random.fold_in(seed, tf.convert_to_tensor(self.steps.value))
        seed = tf.random.fold_in(seed, tf.cast(replica, tf.int64))
        if tracing.parts > 1:
            seed = tf.random.fold_in(seed, tf.constant(tracing.part, tf.int64))
        return tf.unstack(tf.random.split(seed, count))

    def minimize(
        self,
        tape: tf.GradientTape,
        loss: tf.Tensor,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
    ) -> tf.Tensor:
        """One update of `network` towards a smaller `loss`, the mean over this replica's batch.

        Optimizers sum gradients over replicas, so each replica contributes 1 / replicas of its own:
        together the gradient of the mean over the global batch.

        Returns:
            f32 scalar, the norm of this replica's gradient.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        share = tf.constant(1.0 / (replicas * tracing.parts), loss.dtype)
        scale = share
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            scale = optimizer.scale_loss(share)  # `apply` takes it out again
        variables = network.trainable_variables
        gradients = tape.gradient(loss, variables, output_gradients=scale)
        norm = tf.linalg.global_norm(gradients) / scale
        if tracing.part > 0:
            held = tracing.held[network.name]
            gradients = [a + b for a, b in zip(held, gradients, strict=True)]
        if tracing.part < tracing.parts - 1:
            tracing.held[network.name] = gradients
        else:
            optimizer.apply(gradients, variables)
        return norm

    def finish_step(self, images: tf.Tensor) -> None:
        """After the generator's update: moves the average, counts the step and its images.

        Args:
            images: Real images [N, ...] that the step has seen on this replica.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        count = tf.shape(images, tf.int64)[0] * replicas
        self.images_seen.assign_add(count)
        if tracing.part < tracing.parts - 1:
            return
        rate = 1.0 - self.averaging_decay(count * tracing.parts)
        averages = [v.value for v in self.ema_generator.variables]
        sources = [v.value for v in self.generator.variables]

        def move(average: tf.Variable, source: tf.Variable) -> tf.Operation:
            if not average.dtype.is_floating:
                return average.assign(source)
            return average.assign_add(tf.cast(rate, average.dtype) * (source - average))

        def update(strategy: tf.distribute.Strategy) -> None:
            for average, source in zip(averages, sources, strict=True):
                strategy.extended.update(average, move, args=(source,), group=False)

        tf.distribute.get_replica_context().merge_call(update)
        self.steps.assign_add(1)

    def averaging_decay(self, images: tf.Tensor) -> tf.Tensor:
        """Decay of the generator's average at this step, f32 scalar in [0, 1).

        Args:
            images: int64 scalar, real images that the step has seen on all replicas.
        """
        t = tf.cast(self.steps.value, tf.float32)
        return tf.minimum(self.ema_decay, (1.0 + t) / (10.0 + t))

    def track(self, **values: tf.Tensor) -> dict[str, tf.Tensor]:
        """Running means of scalars since the last reset, as `train_step` returns them."""
        for name, value in values.items():
            if name not in self._trackers:
                raise ValueError(
                    f"{type(self).__name__} tracks {list(self._trackers)}. Received: {name!r}."
                )
            self._trackers[name].update_state(value)
        results = {name: tracker.result() for name, tracker in self._trackers.items()}
        if isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
            # Keras takes their mean over workers along the first axis, so there must be one.
            return {name: result[None] for name, result in results.items()}
        return results

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        # Not in `call`, to whose errors Keras adds all that it was given.
        self._check_inputs(inputs)
        return super().__call__(inputs, *args, **kwargs)

    @functools.wraps(keras.Model.predict)
    def predict(self, x: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        if not isinstance(x, tf.data.Dataset):
            self._check_inputs(x)
        return super().predict(x, *args, **kwargs)

    def _check_inputs(self, inputs: Any) -> None:
        rule = f"latents [N, {self.latent_dim}]"
        latents = inputs
        if self.num_classes:
            rule = f"({rule}, labels [N])"
            if not isinstance(inputs, tuple | list) or len(inputs) != 2:
                raise ValueError(
                    f"{type(self).__name__} takes {rule}. Received: {type(inputs).__name__}."
                )
            latents = inputs[0]
        shape = tf.TensorShape(getattr(latents, "shape", None) or np.shape(latents))
        if not shape.is_compatible_with([None, self.latent_dim]):
            raise ValueError(f"{type(self).__name__} takes {rule}. Received: {shape}.")

    def call(self, inputs: Any) -> tf.Tensor:
        """Images f32 [N, H, W, C] in [-1, 1] by the EMA generator, as it is.

        Args:
            inputs: latents f32 [N, z]; of a conditional model (latents, labels int [N]).
        """
        return self.images_from(*inputs) if self.num_classes else self.images_from(inputs)

    # ---- images

    def images_from(
        self,
        latents: tf.Tensor,
        labels: tf.Tensor | None = None,
        truncation: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """latents f32 [N, z] (and labels int [N]) -> images f32 [N, H, W, C], by the EMA generator.

        No row depends on another. A family that truncates overrides this; `truncation` is then
        f32 [N], NaN or None where nothing is to be truncated.
        """
        images = self.ema_generator(with_labels(latents, labels), training=False)
        return tf.cast(images, tf.float32)

    def settle(self) -> None:
        """Before images are shown: what the paper computes afresh for that. Mostly nothing."""

    def _settle_once(self) -> None:
        steps = int(self.steps.numpy())
        if steps != self._settled_at:
            self.settle()
            self._settled_at = steps

    def latents_from_seeds(self, seeds: tf.Tensor) -> tf.Tensor:
        """int64 [N] -> latents f32 [N, z]; row i depends on seed i alone."""
        return tf.map_fn(
            lambda seed: self.draw_latents([self.latent_dim], [seed, 0]),
            seeds,
            fn_output_signature=tf.TensorSpec([self.latent_dim], tf.float32),
        )

    def labels_from_seeds(self, seeds: tf.Tensor) -> tf.Tensor:
        """int64 [N] -> labels int32 [N]; row i depends on seed i alone."""
        return tf.map_fn(
            lambda seed: self.draw_labels([], [seed, 1]),
            seeds,
            fn_output_signature=tf.TensorSpec([], tf.int32),
        )

    def images_from_seeds(
        self,
        seeds: tf.Tensor,
        labels: tf.Tensor | None = None,
        truncation: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """int64 [N] -> images f32 [N, H, W, C] in [-1, 1].

        Args:
            seeds: Row i is made from seed i.
            labels: int32 [N]; -1, or None, for one drawn from the seed.
            truncation: f32 [N]; NaN, or None, for none.
        """
        if self.num_classes:
            drawn = self.labels_from_seeds(seeds)
            labels = drawn if labels is None else tf.where(labels < 0, drawn, labels)
        return self.images_from(
            self.latents_from_seeds(seeds),
            labels if self.num_classes else None,
            truncation if self.truncates else None,
        )

    def generate(
        self,
        n: int = 1,
        *,
        seed: int | None = None,
        labels: int | Sequence[int] | None = None,
        truncation: float | Sequence[float] | None = None,
    ) -> np.ndarray:
        """Draws images with the EMA generator.

        Args:
            n: How many, at least 1.
            seed: Row i is made from seed + i, whatever n; None draws a fresh one. Both are int64.
            labels: Of a conditional model: one class for all, or n of them; None draws them too,
                row i from seed + i.
            truncation: Of a model that has it: variety given up for likeness, 0 for one image (a
                class); one for all, or n of them; None for the untouched samples.

        Returns:
            uint8 [n, H, W, C].

        Raises:
            ValueError: Anything out of range, or labels or truncation of a model that has none.
        """
        n = checks.integer("n", n)
        if n < 1:
            raise ValueError(f"n must be at least 1. Received: {n}.")
        seed = secrets.randbits(48) if seed is None else checks.integer("seed", seed)
        if not -(2**63) <= seed <= 2**63 - n:
            raise ValueError(f"seed to seed + n - 1 must be int64. Received: {seed}, n {n}.")
        owner = type(self).__name__
        label_of = checks.labels_of(labels, n, self.num_classes, owner)
        truncation_of = checks.truncations_of(truncation, n, self.truncates, owner)
        self._settle_once()
        draw = self._draw_function()
        chunks = []
        for start in range(0, n, GENERATE_BATCH):
            rows = slice(start, min(start + GENERATE_BATCH, n))
            seeds = np.arange(seed + rows.start, seed + rows.stop, dtype=np.int64)
            inputs = (seeds, label_of[rows], truncation_of[rows])
            chunks.append(draw(*map(tf.constant, inputs)).numpy())
        return np.concatenate(chunks)

    def _draw_function(self) -> Any:
        structure = self.structure()
        if structure not in self._drawing:
            spec = [
                tf.TensorSpec([None], tf.int64),
                tf.TensorSpec([None], tf.int32),
                tf.TensorSpec([None], tf.float32),
            ]
            self._drawing[structure] = tf.function(
                lambda *inputs: image_io.to_uint8(self.images_from_seeds(*inputs)),
                input_signature=spec,
                autograph=False,
            )
        return self._drawing[structure]

    def sample_sheet(self) -> tuple[np.ndarray, int]:
        """Images from fixed seeds for a person to look at: uint8 [n, H, W, C], and images a row.

        Of a conditional model each column is a class, where a row has room for all.
        """
        columns = self.num_classes if 2 <= self.num_classes <= 10 else 8
        n = SAMPLE_SHEET // 8 * columns
        labels = None
        if self.num_classes:
            every = max(self.num_classes // n, 1)
            labels = [i * every % self.num_classes for i in range(n)]
        return self.generate(n, seed=0, labels=labels), columns

    def discriminate(
        self, images: np.ndarray, labels: int | Sequence[int] | None = None
    ) -> np.ndarray:
        """Probability that each image is real, as D sees it; of a critic, its score.

        Args:
            images: uint8 [N, H, W, C], or float in [-1, 1].
            labels: Of a conditional model: int, or N of them.

        Returns:
            f32 [N], probabilities in [0, 1].
        """
        images = np.asarray(images)
        if images.dtype == np.uint8:
            images = images.astype(np.float32) / 127.5 - 1.0
        elif images.dtype.kind == "f" and not np.all(np.abs(images) <= checks.LARGEST):
            raise ValueError(
                f"{checks.RANGE_RULE} Received: from {images.min()} to {images.max()}."
            )
        owner = type(self).__name__
        images = checks.check_images(tf.convert_to_tensor(images), owner, self.image_shape)
        if self.num_classes and labels is None:
            raise ValueError(f"{checks.labels_rule(self.num_classes)} Received: None.")
        label_of = checks.labels_of(labels, len(images), self.num_classes, owner)
        return self.judge(
            tf.cast(images, tf.float32), tf.constant(label_of) if self.num_classes else None
        ).numpy()

    def judge(self, images: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """images f32 [N, H, W, C] in [-1, 1] -> f32 [N]: sigmoid of logits; a critic's score."""
        logits = self.discriminator(with_labels(images, labels), training=False)
        logits = tf.cast(logits[:, 0], tf.float32)
        return logits if self.critic else tf.sigmoid(logits)

    # ---- presets

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments: a preset's `config`."""
        return {**self._config, "ema_decay": self.ema_decay}

    @classmethod
    def from_preset(cls, name: str | os.PathLike[str], *, load_weights: bool = True) -> Self:
        """Loads a preset; see `zoo.load`. A family's class insists on that family.

        Raises:
            PresetError: Also when the preset is of another family.
        """
        source = presets.resolve(name)
        name = source.name
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
                weights.Pair(gan.generator, gan.discriminator).load_weights(source.weights)
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
            dtype: "float32", or "float16", which halves the file; the model that is loaded from it
                is still float32.
        """
        if dtype not in ("float32", "float16"):
            raise ValueError(f"dtype must be 'float32' or 'float16'. Received: {dtype!r}.")
        folder = pathlib.Path(folder)
        self._settle_once()
        with tempfile.TemporaryDirectory() as scratch:
            file = pathlib.Path(scratch) / presets.WEIGHTS_FILE
            weights.Pair(self.ema_generator, self.discriminator).save_weights(file)
            if dtype != "float32":
                file = weights.cast(file, dtype)
            sheet, columns = self.sample_sheet()
            presets.write(
                folder,
                family=self.family,
                config=self.get_config(),
                weights=file,
                card={
                    "name": folder.resolve().name,
                    **self._inherited_card(),
                    **(card or {}),
                    "family": self.family,
                    "parameters": {
                        "generator": weights.trainable_parameters(self.generator),
                        "discriminator": weights.trainable_parameters(self.discriminator),
                    },
                },
                samples=image_io.encode_png(image_io.grid(sheet, columns)),
            )

    @functools.wraps(keras.Model.save)
    def save(self, filepath: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        if pathlib.Path(filepath).suffix in (".h5", ".hdf5"):
            raise ValueError(
                "A GAN is saved as .keras, or by save_to_preset(folder) for zoo.load. "
                f"Received: {filepath}."
            )
        super().save(filepath, *args, **kwargs)

    def _inherited_card(self) -> dict[str, Any]:
        """What the card that this model was loaded with still says of its weights."""
        if self.card is None:
            return {}
        if int(self.steps.numpy()):
            return {"trained_from": self.card}
        return {key: value for key, value in self.card.items() if key != "sha256"}
