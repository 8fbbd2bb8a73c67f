"""How a GAN trains: compile, replica-safe updates, EMA, seeds, phases of a step."""

import functools
from collections.abc import Hashable
from typing import Any, NoReturn

import keras
import tensorflow as tf

from zoo.core import checks
from zoo.core.accumulation import tracing
from zoo.core.saving import Saving


class GAN(Saving):
    """Base of all families: two networks and an averaged copy of the generator.

    A family sets `family`, builds its networks, and writes `compile` (the paper's optimizers) and
    `train_step` (the paper's algorithm) with the parts below. Its constructor's arguments go into
    `_config`, `resolution` and `channels` among them. `zoo.core.noise_to_image` says what is
    drawn from latents.

    Args:
        generator: Makes images f32 [N, H, W, C] in [-1, 1].
        discriminator: images -> logits.
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
        current_phase: `phase` of the step that is traced.
    """

    # What a training batch holds: one of the kinds of `trainers.data`.
    takes = "images"

    # Scalars that `train_step` returns, by name.
    tracked = (
        "d_loss",
        "g_loss",
        "real_accuracy",
        "fake_accuracy",
        "d_gradient_norm",
        "g_gradient_norm",
    )

    # Steps after which phases that come round, such as lazy regularizers, have all been there.
    phases_repeat_after = 1

    @property
    def phase_starts(self) -> tuple[int, ...]:
        """Steps at which training becomes another for good; growth goes by images, not steps."""
        return (0,)

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
        self._seed = 0
        self._compiled_with: dict[str, Any] = {}
        self._trackers: dict[str, keras.metrics.Mean] = {}
        self._told_in: dict[Hashable, frozenset[str]] = {}  # by `phase`
        self._phases_told: list[Hashable] = []  # since the running means began
        self._begin_afresh = False
        self.accumulate = 1
        self.current_phase: Hashable = None
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

    def _maybe_symbolic_build(self, *args: Any, **kwargs: Any) -> None:
        # Keras would average the first batch over all workers, and fails where it is a tuple. There
        # is nothing left to build.
        pass

    def evaluate(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises: see the message."""
        raise ValueError(
            "A GAN has no validation loss: measure its images instead, with trainers.metrics or "
            "python -m trainers.evaluate."
        )

    def adapt(self, dataset: tf.data.Dataset) -> None:
        """Before `fit`: sets what the paper initialises from the data. Most families: nothing.

        Args:
            dataset: Batches of images f32 [N, H, W, C] in [-1, 1], each image once.
        """

    def check_batch_size(self, count: int) -> None:
        """Raises ValueError for a size that a replica's batch, or a part of it, may not have."""

    # ---- steps that are not all alike

    def phase(self) -> Hashable:
        """What the next step of training is compiled for: growth, regularizers that are due.

        Read on the host before every step, from variables that a checkpoint holds. While
        `train_step` is traced, `current_phase` has the value, so that plain `if` does.
        """
        return self.structure()

    def before_phase(self, phase: Hashable) -> None:
        """On the host before each step: what must happen between two steps. Mostly nothing."""

    def _has_phases(self) -> bool:
        return (type(self).phase, type(self).structure) != (GAN.phase, Saving.structure)

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
            if self._begin_afresh:
                self._phases_told, self._begin_afresh = [], False
            if phase not in self._phases_told:
                self._phases_told.append(phase)
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
        gradients = tape.gradient(
            loss,
            [variable.value for variable in variables],
            output_gradients=scale,
            # A penalty may leave weights out. Adam then forgets their moments with the others'.
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
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
        """Running means of scalars since the last reset, as `train_step` returns them.

        Where steps are not all alike, a step may leave scalars out: see `told`.
        """
        self._told_in[self.current_phase] = frozenset(values)
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

    @property
    def told(self) -> frozenset[str]:
        """Scalars that the last running means are of; of the others they are 0 and say nothing."""
        if not self._has_phases():
            return frozenset(self._trackers)
        return frozenset().union(*(self._told_in[phase] for phase in self._phases_told))

    @functools.wraps(keras.Model.reset_metrics)
    def reset_metrics(self) -> None:
        super().reset_metrics()
        self._begin_afresh = True  # at the next step: until then `told` is of the last ones
