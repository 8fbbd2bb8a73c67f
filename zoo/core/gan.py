"""How a GAN trains: compile, what happens around every step, the game of two networks."""

import dataclasses
import functools
import inspect
import zlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NoReturn

import keras
import numpy as np
import tensorflow as tf

from zoo.core import checks, feeding, step
from zoo.core.conditions import Condition, Labels
from zoo.core.guard import Guard, check_monitors
from zoo.core.saving import Saving
from zoo.nn import losses
from zoo.nn.layers.random import random_draws

Scalars = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Game:
    """What one forward pass of both networks gives.

    Attributes:
        d_loss: f32 scalar that D minimizes; `fit` reports it.
        g_loss: f32 scalar that G minimizes; `fit` reports it.
        real_logits: D's of real images, of any shape; None of a critic, whose scores have no bound.
        fake_logits: D's of generated images.
        d_total: f32 scalar that D minimizes, where it is more than `d_loss`.
        g_total: Likewise for G.
        scalars: More to report, by name.
    """

    d_loss: tf.Tensor
    g_loss: tf.Tensor
    real_logits: Any = None
    fake_logits: Any = None
    d_total: tf.Tensor | None = None
    g_total: tf.Tensor | None = None
    scalars: Mapping[str, tf.Tensor] = dataclasses.field(default_factory=dict)


class Optimizers:
    """All optimizers of a GAN, as Keras's callbacks know several: `LearningRateScheduler` and
    `ReduceLROnPlateau` set the rate of each, `TensorBoard` reports them.

    Attributes:
        optimizers: G's first, then D's.
    """

    built = True

    def __init__(self, optimizers: list[keras.optimizers.Optimizer]) -> None:
        self.optimizers = optimizers

    @property
    def iterations(self) -> keras.Variable:
        """Updates of G so far."""
        return self.optimizers[0].iterations

    @property
    def variables(self) -> list[keras.Variable]:
        """Of all of them."""
        return [variable for each in self.optimizers for variable in each.variables]


class GAN(Saving):
    """Base of all families: two networks and an averaged copy of the generator.

    A family overrides `train_step(batch)`, as any Keras model does: the paper's updates, returning
    a dict of scalars. The base does what every step needs, whoever wrote `train_step`: it checks
    the batch, cuts it in parts, seeds the layers that draw, scales gradients for replicas, moves
    the generator's average, counts steps and images, and keeps running means of the scalars.
    `zoo.core.noise_to_image` and `zoo.core.image_to_image` say what a generator is given.

    What a family may override besides `train_step`:

        family               its name: the folder in zoo/
        default_optimizers   the paper's
        default_losses       the paper's, by name (`zoo.nn.losses`)
        tracked              names of the scalars whose running means `fit` reports
        draw_latents         how z is drawn (families that draw from noise)
        images_from          how images are drawn, where it is more than a call of the generator
        phase, before_phase  steps that are not all alike
        averaging_decay      of the generator's average
        finish_step          what else happens after each update
        adapt, settle        what is computed from the data before `fit`; before images are shown
        from_earlier         what the state of a run of an earlier version is now
        check_batch_size     batches that the networks cannot take
        preset_config        arguments that are others once the model has been trained

    and calls:

        play(game, batch)    both updates of a `Game`, at once or one after the other
        minimize(...)        one update of one network
        turn(update, batch)  an update that builds on an earlier one of the same step
        step_seed(name)      the seed of a draw

    Args:
        generator: Makes images f32 [N, H, W, C] in [-1, 1].
        discriminator: images -> logits.
        config: The arguments of the family's constructor, `resolution` and `channels` among them:
            what a preset stores, and from which the model is built again.
        ema_decay: Decay of the generator's exponential moving average, which `generate`, samples,
            metrics and exports use. The average warms up as min(ema_decay, (1 + t) / (10 + t))
            after t steps, so that a short run is not held at its initial weights.
        generator_alone: Whether the discriminator has no weights, as in a preset that was made from
            a published generator. Until it has been trained it judges nothing.

    `save("gan.keras")` keeps the optimizers' state as well; after `import zoo`,
    `keras.models.load_model` reads it.

    All that a run must remember is a Keras variable, so that checkpoints hold it: a family adds
    its own with `self.add_weight`.

    Attributes:
        steps: int64 variable, generator updates so far.
        images_seen: int64 variable, real images shown so far, over all replicas.
        current_phase: `phase` of the step that is traced.
        discriminator_loss: (real_logits, fake_logits) -> f32 scalar, as compiled.
        generator_loss: fake_logits -> f32 scalar, as compiled.
    """

    # What a training batch holds: one of the kinds of `trainers.data`.
    takes = "images"

    # Scalars that `train_step` returns and `fit` reports as running means, by name. A scalar of
    # another name is reported as the last step had it.
    tracked: tuple[str, ...] = (
        "d_loss",
        "g_loss",
        "real_accuracy",
        "fake_accuracy",
        "d_gradient_norm",
        "g_gradient_norm",
    )

    # Of D and of G, by name.
    default_losses: tuple[str, str] = ("minimax", "non_saturating")

    # Whether `play` updates the two networks one after the other, unless `compile` says otherwise;
    # None of a family that does not `play`.
    alternates: bool | None = False

    # In which order, then; and whether the second one draws latents of its own.
    order: tuple[str, str] = ("discriminator", "generator")
    draws_twice = True

    # Optimizers of G besides the one of the game, by name.
    further_optimizers: tuple[str, ...] = ()

    # Steps after which phases that come round, such as lazy regularizers, have all been there.
    phases_repeat_after = 1

    # What the networks are given besides noise: an object of `zoo.core.conditions`.
    condition: Condition | None = None

    @property
    def num_classes(self) -> int:
        """Of the labels that the networks are given; 0 where they take none."""
        return self.condition.num_classes if isinstance(self.condition, Labels) else 0

    @property
    def phase_starts(self) -> tuple[int, ...]:
        """Steps at which training changes permanently; growth goes by images, not steps."""
        return (0,)

    def __init__(
        self,
        *,
        generator: keras.Model,
        discriminator: keras.Model,
        config: Mapping[str, Any],
        ema_decay: float = 0.999,
        generator_alone: bool = False,
        **kwargs: Any,
    ) -> None:
        if generator_alone:
            config = {**config, "generator_alone": True}
        super().__init__(config=config, **kwargs)
        self.generator_alone = generator_alone
        self._must_override(GAN, "train_step", "how it is trained")
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
        self.papers_optimizers: frozenset[str] = frozenset()
        self.accumulate = 1
        self.alternate = bool(self.alternates)
        self.current_phase: Hashable = None
        self._predicted: Hashable = None  # `structure` when `predict` was traced
        self.built = True

    def _must_override(self, base: type, name: str, what: str) -> None:
        """Raises TypeError where a family does not override a method of `base`."""
        if getattr(type(self), name) is getattr(base, name):
            raise TypeError(
                f"A family must override {name}: {what}. "
                f"Received: {type(self).__name__} without it."
            )

    def _check_network(
        self,
        network: keras.Model,
        *specs: tf.TensorSpec,
        more: bool = False,
        gives: Sequence[int | None] | None = None,
    ) -> None:
        """Raises ValueError for a network that does not take or give tensors of these shapes.

        A network that is not a functional model is called on symbols.

        Args:
            network: The generator or the discriminator.
            *specs: Of its inputs, in order.
            more: Whether further inputs may follow.
            gives: Shape of its output; None for any.
        """
        role = "generator" if network is self.generator else "discriminator"
        rule = f"The {role} of {type(self).__name__} must take {' and '.join(map(_brief, specs))}."
        inputs = getattr(network, "inputs", None)
        if inputs is None:
            given = [keras.KerasTensor(spec.shape, spec.dtype.name) for spec in specs]
            try:
                output = network.compute_output_spec(given if len(given) > 1 else given[0])
            except Exception as error:  # whatever the network's layers object to
                reason = " ".join(str(error).split())
                raise ValueError(f"{rule} Received: a network that fails on it: {reason}") from None
            self._check_output(role, output, gives)
            return
        inputs = inputs[: len(specs)] if more else inputs
        fits = len(inputs) == len(specs) and all(
            spec.shape.is_compatible_with(tensor.shape)
            for spec, tensor in zip(specs, inputs, strict=True)
        )
        if not fits:
            raise ValueError(f"{rule} Received: {' and '.join(map(_brief, inputs))}.")
        self._check_output(role, network.outputs[0], gives)

    def _check_output(self, role: str, output: Any, shape: Sequence[int | None] | None) -> None:
        received = getattr(output, "shape", None)
        if shape is not None and not tf.TensorShape(shape).is_compatible_with(received):
            expected = _brief(keras.KerasTensor(tuple(shape))).removeprefix("float32 ")
            raise ValueError(
                f"The {role} of {type(self).__name__} must return {expected}. "
                f"Received: {_brief(output).removeprefix('float32 ')}."
            )

    def _counter(self, name: str) -> keras.Variable:
        return self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="int64",
            trainable=False,
            aggregation="only_first_replica",
            name=name,
        )

    # ---- compile

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """The paper's optimizers: "generator", "discriminator", and more where it has more."""
        raise NotImplementedError(
            f"{type(self).__name__} has no optimizers of its own: override default_optimizers, or "
            "give compile a generator_optimizer and a discriminator_optimizer."
        )

    def compile(
        self,
        generator_optimizer: Any = None,
        discriminator_optimizer: Any = None,
        *,
        generator_loss: str | Callable | None = None,
        discriminator_loss: str | Callable | None = None,
        alternate: bool | None = None,
        seed: int = 0,
        accumulate: int = 1,
        jit_compile: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Prepares the model for `fit`, with the paper's losses and optimizers by default.

        Under the policy "mixed_float16" (`keras.config.set_dtype_policy`, before the model is
        built) each optimizer scales its loss, so that small gradients survive the type.

        Args:
            generator_optimizer: A Keras optimizer, or its name; its learning rate may be a
                schedule, which counts the optimizer's updates.
            discriminator_optimizer: Likewise.
            generator_loss: fake_logits -> scalar, or a name: "non_saturating", "minimax",
                "least_squares", "unhalved_least_squares", "hinge", "wasserstein".
            discriminator_loss: (real_logits, fake_logits) -> scalar, or a name: "minimax",
                "least_squares", "unhalved_least_squares", "hinge", "wasserstein".
            alternate: Whether the second network is updated against the first one's new weights, in
                a forward pass of its own, or both from one pass, which is faster.
            seed: Every random draw of training is a function of it, the step and the replica.
            accumulate: Parts into which each batch is cut, for batches larger than the memory;
                one update still sees the whole batch.
            jit_compile: XLA; by default on with one GPU, off with several (it cannot compile across
                replicas) and off without (it is slower on a CPU).
            **kwargs: `run_eagerly`, `steps_per_execution`, and `<name>_optimizer` for each further
                one of `default_optimizers`.

        Raises:
            TypeError: Another argument.
            ValueError: A value out of range, or an optimizer or a loss that does not exist.
        """
        names = self._optimizer_names
        given = {"generator": generator_optimizer, "discriminator": discriminator_optimizer}
        given |= {name: kwargs.pop(f"{name}_optimizer", None) for name in names[2:]}
        unknown = sorted(kwargs.keys() - {"run_eagerly", "steps_per_execution"})
        if unknown:
            raise TypeError(
                f"compile takes {', '.join(f'{name}_optimizer' for name in names)}, "
                "generator_loss, discriminator_loss, alternate, seed, accumulate, jit_compile, "
                f"run_eagerly and steps_per_execution. Received: {', '.join(unknown)}."
            )
        self._compiled_with = {
            "accumulate": accumulate,
            "jit_compile": jit_compile,
            **{
                name: value
                for name, value in (
                    ("alternate", alternate),
                    ("generator_loss", generator_loss),
                    ("discriminator_loss", discriminator_loss),
                )
                if value is not None
            },
            **kwargs,
        }
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
                f"steps_per_execution must be 1 for {type(self).__name__}, whose steps are not all "
                f"alike. Received: {kwargs['steps_per_execution']}."
            )
        if alternate is not None and self.alternates is None:
            raise ValueError(
                f"alternate is not an option of {type(self).__name__}, whose updates follow its "
                f"paper's order. Received: {alternate}."
            )
        super().compile(optimizer=None, jit_compile=jit_compile, **kwargs)
        self._seed = checks.integer("seed", seed)
        self.accumulate = accumulate
        self.alternate = bool(self.alternates if alternate is None else alternate)
        d_loss, g_loss = self.default_losses
        self.discriminator_loss = losses.get("discriminator", discriminator_loss or d_loss)
        self.generator_loss = losses.get("generator", generator_loss or g_loss)
        self.papers_optimizers = frozenset(name for name, value in given.items() if value is None)
        papers = self.default_optimizers() if self.papers_optimizers else {}
        for name in names:
            optimizer = self._optimizer(given[name] or papers[name])
            setattr(self, f"{name}_optimizer", optimizer)
            # Built now, so that a checkpoint finds their slots.
            network = self.discriminator if name == "discriminator" else self.generator
            _build(optimizer, network, f"{name}_optimizer")
            step.follow(optimizer)
        # Where Keras's callbacks look for learning rates.
        self.optimizer = Optimizers([getattr(self, f"{name}_optimizer") for name in names])
        self._trackers = {name: keras.metrics.Mean(name=name) for name in self.tracked}
        self.current_phase = self.phase()

    @property
    def _optimizer_names(self) -> tuple[str, ...]:
        return ("generator", "discriminator", *self.further_optimizers)

    def _optimizer(self, identifier: Any) -> keras.optimizers.Optimizer:
        optimizer = keras.optimizers.get(identifier)
        if self.compute_dtype != "float16" or isinstance(
            optimizer, keras.optimizers.LossScaleOptimizer
        ):
            return optimizer
        return keras.optimizers.LossScaleOptimizer(optimizer)

    def get_compile_config(self) -> dict[str, Any]:
        """Arguments of `compile`, for a `.keras` file; the paper's optimizers are left to it."""
        if not self.compiled:
            return {}
        config = {
            **self._compiled_with,
            "seed": self._seed,
            **{
                f"{name}_optimizer": getattr(self, f"{name}_optimizer")
                for name in self._optimizer_names
                if name not in self.papers_optimizers
            },
        }
        return {name: keras.saving.serialize_keras_object(value) for name, value in config.items()}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles as `get_compile_config` says."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    @functools.wraps(keras.Model.fit)
    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        given = inspect.signature(keras.Model.fit).bind(self, *args, **kwargs).arguments
        del given["self"]
        if given.get("validation_data") is not None or given.get("validation_split"):
            self.evaluate()  # raises
        self._check_compiled()
        given = feeding.prepare(self, given)
        callbacks = tf.nest.flatten(given.get("callbacks") or [])
        check_monitors(callbacks, self.tracked)
        keras_own = [c for c in callbacks if isinstance(c, keras.callbacks.TerminateOnNaN)]
        callbacks.append(Guard(*keras_own[:1]))
        with feeding.one_line():
            return super().fit(**{**given, "callbacks": callbacks})

    def _check_compiled(self) -> None:
        if not self.compiled:
            raise ValueError(
                f"{type(self).__name__} must be compiled before it is trained: gan.compile(). "
                "Received: a model that is not."
            )

    @functools.wraps(keras.Model.train_on_batch)
    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        self._check_compiled()
        batch = feeding.one_batch(
            self, {"x": x, "y": y, "sample_weight": sample_weight, "class_weight": class_weight}
        )
        guard = Guard()
        guard.set_model(self)
        with feeding.one_line():
            logs = super().train_on_batch(batch, return_dict=True)
        guard.on_train_batch_end(0, logs)
        return logs if return_dict else list(logs.values())

    def first_batch(self, batch: Any) -> None:
        """Called with the first batch of `fit`, once checked. Most families ignore it."""

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

    test_on_batch = evaluate

    def call_signature(self) -> Any:
        """What `call` takes, as specs of tensors."""
        raise NotImplementedError(f"{type(self).__name__} must say what it is called with.")

    @functools.wraps(keras.Model.export)
    def export(
        self,
        filepath: Any,
        format: str = "tf_saved_model",
        verbose: Any = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        if format != "tf_saved_model":
            raise ValueError(
                "A GAN is exported as 'tf_saved_model'; export its generator alone in another "
                f"format, by gan.ema_generator.export. Received: {format!r}."
            )
        self._settle_once()
        signature = [self.call_signature()] if input_signature is None else input_signature
        super().export(filepath, format, verbose, signature, **kwargs)

    def adapt(self, dataset: tf.data.Dataset) -> None:
        """Before `fit`: sets what the paper initialises from the data. Most families: nothing.

        Args:
            dataset: Batches of images f32 [N, H, W, C] in [-1, 1], each image once.
        """

    def check_batch(self, batch: Any) -> Any:
        """The batch as `train_step` is given it, once checked.

        Raises:
            ValueError: Another type, shape or structure.
            tf.errors.InvalidArgumentError: Values that are NaN or out of range.
        """
        raise NotImplementedError(f"{type(self).__name__} must say which batches it takes.")

    def check_batch_size(self, count: int) -> None:
        """Raises ValueError for a size that a replica's batch, or a part of it, may not have."""

    @property
    def groups_batch(self) -> bool:
        """Whether there are such sizes."""
        return type(self).check_batch_size is not GAN.check_batch_size

    def from_earlier(self, values: list[np.ndarray]) -> list[np.ndarray]:
        """Values of `variables` in a checkpoint, as this version of the family has them.

        Most families: as they are.
        """
        return values

    # ---- steps that are not all alike

    def phase(self) -> Hashable:
        """What the next step of training is compiled for: growth, regularizers that are due.

        Read on the host before every step, from variables that a checkpoint holds. While
        `train_step` is traced, `current_phase` has the value, so that plain `if` does.
        """
        return self.structure()

    def before_phase(self, phase: Hashable) -> None:
        """Called on the host before each step, for what must happen between two steps."""

    def _has_phases(self) -> bool:
        return (type(self).phase, type(self).structure) != (GAN.phase, Saving.structure)

    @functools.wraps(keras.Model.make_train_function)
    def make_train_function(self, force: bool = False) -> None:
        if self.train_function is not None and not force:
            return
        # Keras's own makes this of `train_step`.
        make = functools.partial(self._make_function, self._step)
        if not self._has_phases():
            self.train_function = make()
            return
        functions: dict[Hashable, Callable] = {}

        def train_function(iterator: Any) -> Any:
            phase = self.phase()
            self.before_phase(phase)
            self.current_phase = phase
            if self._begin_afresh:
                self._phases_told, self._begin_afresh = [], False
            if phase not in self._phases_told:
                self._phases_told.append(phase)
            if phase not in functions:
                functions[phase] = make()
            return functions[phase](iterator)

        self.train_function = train_function

    @functools.wraps(keras.Model.make_predict_function)
    def make_predict_function(self, force: bool = False) -> Any:
        # Keras keeps the function, which draws by the networks as they were when it was traced.
        structure = self.structure()
        force = force or structure != self._predicted
        self._predicted = structure
        return super().make_predict_function(force)

    # ---- around a step

    def train_step(self, batch: Any) -> Scalars:
        """The paper's updates on one batch, on one replica.

        Args:
            batch: As the family takes it, checked; or a part of it.

        Returns:
            Scalars to report, by name.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how it is trained: train_step.")

    def _step(self, batch: Any) -> Scalars:
        """What Keras runs on each replica: `train_step`, and what every step needs around it."""
        batch = self.check_batch(feeding.unpacked(batch))
        size = tf.nest.flatten(batch)[0].shape[0]
        if size is not None:
            feeding.check_share(self, size)
        results = step.run_in_parts(
            self._seeded(self.train_step), batch, self.accumulate, type(self).__name__
        )
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        # Not before there is a batch, and it is right: the counters do not depend on its values.
        with tf.control_dependencies(tf.nest.flatten(batch)):
            self.finish_step(tf.shape(tf.nest.flatten(batch)[0], tf.int64)[0] * replicas)
        return self._track(results)

    def _seeded(self, update: Callable[..., Scalars]) -> Callable[..., Scalars]:
        """`update`, in which layers that draw do so from a seed of the step."""

        @functools.wraps(update)
        def seeded(*args: Any) -> Scalars:
            with random_draws(self.step_seed("layers")):
                return update(*args)

        return seeded

    def finish_step(self, count: tf.Tensor) -> None:
        """After the updates: moves the generator's average, counts the step and its images.

        Args:
            count: int64 scalar, real images that the step has seen on all replicas.
        """
        self.images_seen.assign_add(count)
        rate = 1.0 - self.averaging_decay(count)

        def move(average: tf.Variable, source: tf.Variable) -> tf.Operation:
            if not average.dtype.is_floating:
                return average.assign(source)
            return average.assign_add(tf.cast(rate, average.dtype) * (source - average))

        on_all_replicas(move, self.ema_generator.variables, self.generator.variables)
        self.steps.assign_add(1)

    def averaging_decay(self, count: tf.Tensor) -> tf.Tensor:
        """Decay of the generator's average at this step, f32 scalar in [0, 1).

        Args:
            count: int64 scalar, real images that the step has seen on all replicas.
        """
        t = tf.cast(self.steps.value, tf.float32)
        return tf.minimum(self.ema_decay, (1.0 + t) / (10.0 + t))

    def _track(self, results: Scalars) -> Scalars:
        """What `fit` reports: running means of the `tracked` scalars since the last reset.

        Where steps are not all alike, a step may omit scalars: see `told`.
        """
        self._told_in[self.current_phase] = frozenset(results)
        reported = {}
        for name, value in results.items():
            if name in self._trackers:
                self._trackers[name].update_state(value)
            else:
                value = tf.cast(value, tf.float32)
                context = tf.distribute.get_replica_context()
                reported[name] = context.all_reduce(tf.distribute.ReduceOp.MEAN, value)
        # Where steps are not all alike, each reports the means of all: Keras wants the same names.
        means = self._trackers if self._has_phases() else self._trackers.keys() & results.keys()
        reported |= {name: self._trackers[name].result() for name in means}
        if isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
            # Keras takes their mean over workers along the first axis, so there must be one.
            return {name: value[None] for name, value in reported.items()}
        return reported

    @property
    def told(self) -> frozenset[str]:
        """Scalars that the last steps returned; the running means of others are 0."""
        if not self._has_phases():
            return self._told_in.get(self.current_phase, frozenset(self._trackers))
        return frozenset().union(*(self._told_in[phase] for phase in self._phases_told))

    @functools.wraps(keras.Model.reset_metrics)
    def reset_metrics(self) -> None:
        super().reset_metrics()
        self._begin_afresh = True  # at the next step: until then `told` is of the last ones

    # ---- what a train_step calls

    def step_seed(self, name: str) -> tf.Tensor:
        """The seed [2] of one draw of this step on this replica.

        A function of (seed of `compile`, name, step, replica, part of the batch, turn): draws of
        different names differ, replicas draw differently, and a resumed run draws what it would
        have drawn.
        """
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.constant([self._seed, zlib.crc32(name.encode())], tf.int64)
        seed = tf.random.fold_in(seed, tf.convert_to_tensor(self.steps.value))
        seed = tf.random.fold_in(seed, tf.cast(replica, tf.int64))
        if step.current.parts > 1:
            seed = tf.random.fold_in(seed, tf.constant(step.current.part, tf.int64))
        if step.current.turn > 1 and self.draws_twice:
            seed = tf.random.fold_in(seed, tf.constant(-step.current.turn, tf.int64))
        return seed

    def updated_variables(self, network: keras.Model) -> list[keras.Variable]:
        """Weights of a network that an update changes."""
        return network.trainable_variables

    def minimize(
        self,
        tape: tf.GradientTape,
        loss: tf.Tensor,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer | None = None,
    ) -> tf.Tensor:
        """One update of `network` towards a smaller `loss`, the mean over this replica's batch.

        Args:
            tape: Has recorded `loss`.
            loss: f32 scalar.
            network: The generator or the discriminator.
            optimizer: Its own by default.

        Returns:
            f32 scalar, the norm of this replica's gradient.
        """
        if optimizer is None:
            of_generator = network is self.generator
            optimizer = self.generator_optimizer if of_generator else self.discriminator_optimizer
        variables = self.updated_variables(network)
        scale = tf.ones([], loss.dtype)
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            scale = optimizer.scale_loss(scale)  # `apply` takes it out again
        gradients = tape.gradient(
            loss,
            [variable.value for variable in variables],
            output_gradients=scale,
            # A penalty may not reach all weights. Adam then forgets their moments with the others'.
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        norm = tf.linalg.global_norm(gradients) / scale
        optimizer.apply(gradients, variables)
        return norm

    def turn(self, update: Callable[..., Scalars], *args: Any) -> Scalars:
        """Runs `update(*args)`, which builds on the updates before it in the same step.

        It makes a difference where the batch is cut in parts: see `zoo.core.step`.
        """
        return step.take_turn(self._seeded(update), *args)

    def play(
        self,
        game: Callable[[Any], Game],
        batch: Any,
        then: Mapping[str, Callable[[Any], Scalars]] | None = None,
    ) -> Scalars:
        """One update of each network (Goodfellow et al. 2014, algorithm 1, with k = 1).

        Both gradients are taken from one forward pass; or, as compiled with `alternate`, the second
        network's from a pass of its own, against the first one's new weights.

        Args:
            game: batch -> `Game`: one forward pass of both networks.
            batch: As `train_step` has it.
            then: Further updates, by the network ("generator", "discriminator") whose update in the
                game they follow.

        Returns:
            Losses, accuracies, norms of the gradients and the game's other scalars, by name.
        """
        results = {}
        if not self.alternate:
            results |= self._update(game, batch, "discriminator", "generator")
        for name in self.order:
            if self.alternate:
                results |= self.turn(self._update, game, batch, name)
            if name in (then or {}):
                results |= self.turn(then[name], batch)
        return results

    def _update(self, game: Callable[[Any], Game], batch: Any, *names: str) -> Scalars:
        """One forward pass, and the updates of the networks named."""
        with tf.GradientTape() as d_tape, tf.GradientTape() as g_tape:
            played = game(batch)
        d_total = played.d_loss if played.d_total is None else played.d_total
        g_total = played.g_loss if played.g_total is None else played.g_total
        results = dict(played.scalars)
        if "discriminator" in names:
            results["d_loss"] = played.d_loss
            if played.real_logits is not None:
                results |= self.accuracies(played.real_logits, played.fake_logits)
            results["d_gradient_norm"] = self.minimize(d_tape, d_total, self.discriminator)
        if "generator" in names:
            results["g_loss"] = played.g_loss
            results["g_gradient_norm"] = self.minimize(g_tape, g_total, self.generator)
        return results

    def accuracies(self, real_logits: Any, fake_logits: Any) -> Scalars:
        """Shares of the real and of the generated images that D classifies correctly."""
        real_from = losses.real_from(self.discriminator_loss)

        def share(logits: Any, right: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
            shares = [tf.cast(right(one), tf.float32) for one in tf.nest.flatten(logits)]
            return tf.reduce_mean([tf.reduce_mean(one) for one in shares])

        return {
            "real_accuracy": share(real_logits, lambda logits: logits > real_from),
            "fake_accuracy": share(fake_logits, lambda logits: logits < real_from),
        }


def _brief(tensor: Any) -> str:
    """Type and shape of an input: "int32 [N, 3]"."""
    sizes = ["N", *("any" if size is None else str(size) for size in tuple(tensor.shape)[1:])]
    return f"{tf.as_dtype(tensor.dtype).name} [{', '.join(sizes)}]"


def _build(optimizer: keras.optimizers.Optimizer, network: keras.Model, argument: str) -> None:
    """Builds an optimizer; raises ValueError where it has been built for another network."""
    variables = network.trainable_variables
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if inner.built and list(map(id, inner._trainable_variables)) != list(map(id, variables)):
        raise ValueError(
            "Each network needs an optimizer of its own: make a new one. "
            f"Received: a {argument} that was built for other weights."
        )
    optimizer.build(variables)


def on_all_replicas(
    assign: Callable[[tf.Variable, tf.Variable], tf.Operation],
    targets: list[keras.Variable],
    sources: list[keras.Variable],
) -> None:
    """`assign(target, source)` for each pair of variables, on every replica.

    Called in a replica's step.
    """

    def update(strategy: tf.distribute.Strategy) -> None:
        for target, source in zip(targets, sources, strict=True):
            strategy.extended.update(target.value, assign, args=(source.value,), group=False)

    tf.distribute.get_replica_context().merge_call(update)
