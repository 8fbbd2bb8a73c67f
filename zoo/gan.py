"""What every GAN shares: compile, replica-safe updates, EMA, seeds, generate, presets."""

import functools
import importlib
import operator
import os
import pathlib
import secrets
import tempfile
import threading
from collections.abc import Callable
from typing import Any, NoReturn, Self

import h5py
import keras
import numpy as np
import tensorflow as tf

from zoo import images as image_io
from zoo import presets

# Images generated at a time; the memory of `generate` does not grow with n.
GENERATE_BATCH = 64
SAMPLE_SHEET = 64
# Images are in [-1, 1]; this much more is rounding.
LARGEST = 1.001
RANGE_RULE = "Images must be finite and in [-1, 1]; x / 127.5 - 1 makes that of 0 to 255."


def integer(name: str, value: Any) -> int:
    """`value` as an int, of numpy's integers too; anything else, a float or a text, is refused."""
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be an integer. Received: {value!r}.") from None


class _Tracing(threading.local):
    """Where a step is while it is traced; MirroredStrategy traces each replica in its own thread.

    Attributes:
        part: Of the batch.
        held: Gradients of the parts before, by network.
    """

    def __init__(self) -> None:
        self.part = 0
        self.held: dict[str, list[tf.Tensor]] = {}


_tracing = _Tracing()


def in_parts(train_step: Callable) -> Callable:
    """Decorator of a family's `train_step`: gradient accumulation, as `GAN.compile` was told.

    The step runs on `accumulate` equal parts of its batch, one after the other, and `minimize`
    applies the mean of the parts' gradients at the last: the memory of a part, the update of the
    whole batch. What a network computes over its batch (batch norm) is computed over each part.
    """

    @functools.wraps(train_step)
    def on_parts(gan: "GAN", batch: Any) -> dict[str, tf.Tensor]:
        if gan.accumulate == 1:
            return train_step(gan, batch)
        tensors = tf.nest.flatten(batch)
        if any(t.shape[0] is not None and t.shape[0] % gan.accumulate for t in tensors):
            raise ValueError(
                f"A replica's batch must be a multiple of accumulate={gan.accumulate}. "
                f"Received: {[t.shape[0] for t in tensors]}."
            )
        splits = [tf.split(t, gan.accumulate) for t in tensors]
        _tracing.held = {}
        try:
            for i in range(gan.accumulate):
                _tracing.part = i
                part = tf.nest.pack_sequence_as(batch, [split[i] for split in splits])
                # Else TensorFlow would run the parts at once, in the memory of the whole.
                with tf.control_dependencies(tf.nest.flatten(_tracing.held)):
                    logs = train_step(gan, part)
        finally:
            _tracing.part = 0
        return logs

    return on_parts


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
        return tuple(self.generator.output_shape[1:])

    @property
    def latent_dim(self) -> int:
        """Length of z."""
        return self.generator.input_shape[-1]

    def check_images(self, images: tf.Tensor) -> tf.Tensor:
        """Returns `images` if they are float [N, H, W, C] of this model's size, and in [-1, 1].

        Use what it returns: a batch out of range then fails before D has learnt from it. (XLA
        leaves checks of values out.)

        Raises:
            ValueError: Another type or shape.
            tf.errors.InvalidArgumentError: Values that are NaN or out of range.
        """
        if not isinstance(images, tf.Tensor) or tuple(images.shape[1:]) != self.image_shape:
            received = getattr(images, "shape", type(images).__name__)
            cure = ""
            if isinstance(images, tuple | list):
                cure = (
                    " Of images with labels, use dataset.map(lambda image, label: image)."
                    if len(images) == 2
                    else " Use dataset.map to leave the images alone."
                )
                received = f"{type(images).__name__} of {len(images)}"
            elif received == self.image_shape:
                cure = " These are single images: use dataset.batch(64)."
            size = ", ".join(map(str, self.image_shape))
            raise ValueError(
                f"{type(self).__name__} trains on images [N, {size}] in [-1, 1]."
                f"{cure} Received: {received}."
            )
        if not images.dtype.is_floating:
            raise ValueError(
                "Images must be float in [-1, 1]; uint8 becomes that by x / 127.5 - 1. "
                f"Received: {images.dtype.name}."
            )
        low, high = tf.reduce_min(images), tf.reduce_max(images)
        check = tf.debugging.Assert(
            tf.reduce_all(tf.abs(images) <= LARGEST),  # False of NaN
            [f"{RANGE_RULE} Received: from", low, "to", high],
        )
        with tf.control_dependencies([check]):
            return tf.identity(images)

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
        super().compile(optimizer=None, jit_compile=jit_compile, **kwargs)
        self._seed = integer("seed", seed)
        self.accumulate = accumulate
        self.generator_optimizer = self._optimizer(generator_optimizer)
        self.discriminator_optimizer = self._optimizer(discriminator_optimizer)
        self._trackers = {name: keras.metrics.Mean(name=name) for name in self.tracked}
        # Built now, so that a checkpoint finds their slots.
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)

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

    def adapt(self, dataset: tf.data.Dataset) -> None:
        """Before `fit`: sets what the paper initialises from the data. Most families: nothing.

        Args:
            dataset: Batches of images f32 [N, H, W, C] in [-1, 1], each image once.
        """

    def step_seeds(self, count: int) -> list[tf.Tensor]:
        """`count` seeds [2] for the draws of this step on this replica.

        A function of (seed of `compile`, step, replica, part of the batch): replicas draw
        differently, and a resumed run draws what it would have drawn.
        """
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.constant([self._seed, 0], tf.int64)
        seed = tf.random.fold_in(seed, tf.convert_to_tensor(self.steps.value))
        seed = tf.random.fold_in(seed, tf.cast(replica, tf.int64))
        if self.accumulate > 1:
            seed = tf.random.fold_in(seed, tf.constant(_tracing.part, tf.int64))
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
        share = tf.constant(1.0 / (replicas * self.accumulate), loss.dtype)
        scale = share
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            scale = optimizer.scale_loss(share)  # `apply` takes it out again
        variables = network.trainable_variables
        gradients = tape.gradient(loss, variables, output_gradients=scale)
        norm = tf.linalg.global_norm(gradients) / scale
        if _tracing.part > 0:
            held = _tracing.held[network.name]
            gradients = [a + b for a, b in zip(held, gradients, strict=True)]
        if _tracing.part < self.accumulate - 1:
            _tracing.held[network.name] = gradients
        else:
            optimizer.apply(gradients, variables)
        return norm

    def finish_step(self, images: tf.Tensor) -> None:
        """After the generator's update: moves the average, counts the step and its images.

        Args:
            images: Real images [N, ...] that the step has seen on this replica.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        self.images_seen.assign_add(tf.shape(images, tf.int64)[0] * replicas)
        if _tracing.part < self.accumulate - 1:
            return
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
        results = {name: tracker.result() for name, tracker in self._trackers.items()}
        if isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
            # Keras takes their mean over workers along the first axis, so there must be one.
            return {name: result[None] for name, result in results.items()}
        return results

    def __call__(self, latents: Any, *args: Any, **kwargs: Any) -> Any:
        # Not in `call`, to whose errors Keras adds all that it was given.
        self._check_latents(latents)
        return super().__call__(latents, *args, **kwargs)

    @functools.wraps(keras.Model.predict)
    def predict(self, x: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        if not isinstance(x, tf.data.Dataset):
            self._check_latents(x)
        return super().predict(x, *args, **kwargs)

    def _check_latents(self, latents: Any) -> None:
        shape = tf.TensorShape(getattr(latents, "shape", None) or np.shape(latents))
        if not shape.is_compatible_with([None, self.latent_dim]):
            raise ValueError(
                f"{type(self).__name__} takes latents [N, {self.latent_dim}]. Received: {shape}."
            )

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
        images = self.ema_generator(self.latents_from_seeds(seeds), training=False)
        return tf.cast(images, tf.float32)

    def generate(self, n: int = 1, *, seed: int | None = None) -> np.ndarray:
        """Draws images with the EMA generator.

        Args:
            n: How many, at least 1.
            seed: Row i is made from seed + i, whatever n; None draws a fresh one. Both are int64.

        Returns:
            uint8 [n, H, W, C].
        """
        n = integer("n", n)
        if n < 1:
            raise ValueError(f"n must be at least 1. Received: {n}.")
        seed = secrets.randbits(48) if seed is None else integer("seed", seed)
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
        elif images.dtype.kind == "f" and not np.all(np.abs(images) <= LARGEST):
            raise ValueError(f"{RANGE_RULE} Received: from {images.min()} to {images.max()}.")
        images = self.check_images(tf.convert_to_tensor(images))
        return self.probability(tf.cast(images, tf.float32)).numpy()

    def probability(self, images: tf.Tensor) -> tf.Tensor:
        """images f32 [N, H, W, C] in [-1, 1] -> f32 [N]: sigmoid of D's logits."""
        return tf.sigmoid(tf.cast(self.discriminator(images, training=False)[:, 0], tf.float32))

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
            dtype: "float32", or "float16", which halves the file; the model that is loaded from it
                is still float32.
        """
        if dtype not in ("float32", "float16"):
            raise ValueError(f"dtype must be 'float32' or 'float16'. Received: {dtype!r}.")
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
                        "generator": trainable_parameters(self.generator),
                        "discriminator": trainable_parameters(self.discriminator),
                    },
                },
                samples=image_io.encode_png(image_io.grid(self.generate(SAMPLE_SHEET, seed=0))),
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


def trainable_parameters(network: keras.Model) -> int:
    """How many numbers an optimizer moves in `network`."""
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
