"""What every family must pass, unasked: the tests loop over the registry."""

import functools
import itertools
import json
import pathlib
import re
import signal
import subprocess
from collections.abc import Collection
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from export import parity, saved_model
from export.atomic import MANIFEST
from serving import Client, InvalidRequest
from tests import warm
from tests.battery.cases import CASES, Case
from tests.marks import COMPOSITE, GENERATED, properties
from tests.serving.conftest import ROOT, Server
from tests.shared import folder_made_once
from trainers.checkpoint import Checkpoints, state_of
from trainers.strategy import make_strategy
from zoo.core.conditions import Embedding, LabelMap, Labels
from zoo.core.image_to_image import ImageToImage
from zoo.core.noise_to_image import NoiseToImage, with_condition
from zoo.core.presets import FAMILIES, family_class, get_preset, list_presets
from zoo.core.weights import trainable_parameters
from zoo.nn.layers import Noise
from zoo.nn.layers.orthogonal import Orthogonal

if missing := sorted(set(FAMILIES) - set(CASES)):
    raise ValueError(f"tests/battery/cases.py must hold a case of each family. Missing: {missing}.")
ALL = [
    pytest.param(family, case, id=f"{family}-{i}")
    for family in FAMILIES
    for i, case in enumerate(CASES[family])
]
FROM_NOISE = [p for p in ALL if issubclass(family_class(p.values[0]), NoiseToImage)]
FROM_IMAGES = [p for p in ALL if issubclass(family_class(p.values[0]), ImageToImage)]
every_family = pytest.mark.parametrize(("family", "case"), ALL)


def marks(one: Any, slow: Collection[str]) -> Any:
    assert set(slow) <= {p.id for p in ALL}
    return pytest.mark.slow if one.id in slow else ()


def all_but(ids: Collection[str]) -> list[str]:
    assert set(ids) <= {p.id for p in ALL}
    return [p.id for p in ALL if p.id not in ids]


def quick(ids: Collection[str]) -> pytest.MarkDecorator:
    """Every family, all but these ids behind the marker `slow`."""
    slow = all_but(ids)
    params = [pytest.param(*p.values, id=p.id, marks=marks(p, slow)) for p in ALL]
    return pytest.mark.parametrize(("family", "case"), params)


# Further cases of large families, for options that other cases share. They are behind `slow`.
FURTHER = ("stylegan2-1", "biggan-1", "r3gan-1")


def trained_ones(members: list[Any], slow: Collection[str] = ()) -> pytest.MarkDecorator:
    """Parametrizes `trained`, with the cases of `slow` and of `FURTHER` behind that marker."""
    slow = {*slow, *FURTHER}
    params = [pytest.param(p.values, id=p.id, marks=marks(p, slow)) for p in members]
    return pytest.mark.parametrize("trained", params, indirect=True)


every_conditional_family = trained_ones([p for p in ALL if p.values[1].condition])
every_family_of_classes = trained_ones(
    [p for p in ALL if isinstance(p.values[1].condition, Labels)]
)
every_family_once = trained_ones(
    [p for p in ALL if p.id.endswith("-0")],
    slow=("biggan-0", "cyclegan-0", "pix2pix-0", "r3gan-0", "stylegan-0", "stylegan2-0"),
)
every_truncating_family = trained_ones(
    [p for p in FROM_NOISE if family_class(p.values[0]).truncates]
)

STEPS = 3
BATCH = 8
SEED = 0

# A trace takes far longer than a few eager steps. Each family is traced once, by
# `test_a_loaded_preset_trains` (the largest behind the marker `slow`); this one, which has batch
# norm, on replicas, in parts and in half precision as well (the others behind the marker `slow`).
TRACED = ("dcgan-0",)

# What the base does around a step of any family (replicas, parts, half precision, a resumed run,
# a server) is tested with families whose steps take a moment: batch norm, labels, a map of classes.
# The other families do the same behind the marker `slow`.
QUICK = ("dcgan-0", "cgan-0", "toy_map-0")

# Further sizes of a family, whose step and signatures are those of the first one.
SECOND = tuple(p.id for p in ALL if not p.id.endswith("-0"))


def way(family: str, case: Case, traced: Collection[str] = TRACED) -> dict[str, bool]:
    """How a case is compiled here."""
    return {} if f"{family}-{CASES[family].index(case)}" in traced else {"run_eagerly": True}


def build(family: str, case: Case, *, quiet: bool = False) -> zoo.GAN:
    keras.utils.set_random_seed(0)
    config = {**case.config, **(case.quiet if quiet else {})}
    gan = family_class(family)(**config)
    if config.get("augment") == "ada":
        gan.ada.p.assign(0.5)  # at first 0, which augments nothing
    return gan


def real_images(case: Case, count: int = STEPS * BATCH) -> np.ndarray:
    """Noise with a vertical ramp: f32 [count, H, W, C] in [-1, 1]."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(-0.5, 0.5, case.image_shape[0])[:, None, None]
    noise = rng.uniform(-0.5, 0.5, (count, *case.image_shape))
    return (ramp + noise).astype(np.float32)


def some_conditions(case: Case, count: int) -> np.ndarray | None:
    """The condition of `count` images, as a person gives it; None where the case takes none.

    The first two rows differ, as every class in turn does.
    """
    if case.condition is None:
        return None
    if isinstance(case.condition, Labels):
        return np.arange(count, dtype=np.int32) % case.condition.num_classes
    return case.condition.draw([count], [0, 0]).numpy()


def by_name(case: Case, condition: np.ndarray | None) -> dict[str, np.ndarray]:
    """A condition as the argument of `generate`, of a client's call or of a signature."""
    return {} if condition is None else {case.condition.argument: condition}


def given_sources(case: Case, count: int) -> np.ndarray:
    """What an image-to-image family is given, as a person gives it: uint8, of the training size."""
    height, width, *channels = case.source_shape
    rng = np.random.default_rng(2)
    if isinstance(case.source, LabelMap):
        coarse = rng.integers(0, case.source.num_classes, (count, 2, 2))
    else:
        coarse = rng.integers(13, 243, (count, 2, 2, *channels))
    return coarse.repeat(height // 2, axis=1).repeat(width // 2, axis=2).astype(np.uint8)


def sources(case: Case, count: int) -> np.ndarray:
    """Likewise as a training batch has it."""
    return case.source.from_uint8(tf.constant(given_sources(case, count))).numpy()


def dataset(case: Case) -> tf.data.Dataset:
    """Batches as the family takes them: images, (images, condition), or (source, image)."""
    images = real_images(case)
    condition = some_conditions(case, len(images))
    rows = images if condition is None else (images, condition)
    if case.source:
        rows = (sources(case, len(images)), images)
    return tf.data.Dataset.from_tensor_slices(rows).batch(BATCH, drop_remainder=True)


class Trained(NamedTuple):
    """A model after three steps, run eagerly. Tests look at it, and leave it as it is.

    Attributes:
        first_moved: Of each network that the first step moves, and of the average: for each of its
            weights whether it has moved, or for stored noise whether it has not.
        told: Names of the scalars that `fit` told.
        state: Every variable as it was then; drawing settles some models' statistics.
    """

    family: str
    case: Case
    gan: zoo.GAN
    first_moved: dict[str, list[bool]]
    told: set[str]
    state: dict[str, np.ndarray]


def make(gan: zoo.GAN, case: Case) -> np.ndarray:
    """Eight images by `gan`, uint8 [8, H, W, C]."""
    if case.source:
        return make_of(gan, given_sources(case, 8))
    return gan.generate(8, seed=7)


def make_of(gan: zoo.GAN, given: np.ndarray) -> np.ndarray:
    """Images by `gan` of sources uint8, with its noise from seed 0 if it has some."""
    return gan.paint(given, seed=0) if gan.task == "paint" else gan.translate(given)


def stored_noise(network: keras.Model) -> list[keras.Variable]:
    """What stands among the weights, and must not move."""
    parts = network._flatten_layers()
    return [part.constant for part in parts if isinstance(part, Noise) and part.stored]


@pytest.fixture(scope="module")
def made_once() -> dict[Any, Any]:
    """What fixtures have made for one case and need again for another test of it."""
    return {}


@pytest.fixture
def trained(request: pytest.FixtureRequest, made_once: dict[Any, Any]) -> Trained:
    family, case = request.param
    key = (family, CASES[family].index(case))
    if key not in made_once:
        made_once[key] = train(family, case)
    return made_once[key]


def train(family: str, case: Case) -> Trained:
    gan = build(family, case)
    gan.compile(seed=SEED, run_eagerly=True)
    networks = {name: getattr(gan, name) for name in (*case.first_moves, "ema_generator")}
    before = {name: network.get_weights() for name, network in networks.items()}
    constants = {id(c) for network in networks.values() for c in stored_noise(network)}
    first_moved = {}

    def look(batch: int, logs: dict[str, float]) -> None:
        for name, network in networks.items() if batch + 1 == case.moved_after else ():
            for_each = zip(network.weights, before[name], network.get_weights(), strict=True)
            first_moved[name] = [
                bool((old != new).any()) != (id(weight) in constants)
                for weight, old, new in for_each
            ]

    watch = keras.callbacks.LambdaCallback(on_train_batch_end=look)
    history = gan.fit(dataset(case), verbose=0, shuffle=False, callbacks=[watch])
    state = {name: variable.numpy() for name, variable in state_of(gan).items()}
    return Trained(family, case, gan, first_moved, set(history.history), state)


def weights(gan: zoo.GAN) -> list[np.ndarray]:
    return [w for network in (gan.generator, gan.discriminator) for w in network.get_weights()]


def blank(self: keras.initializers.Initializer, shape: Any, dtype: Any = None) -> tf.Tensor:
    return keras.ops.zeros(shape, dtype)


@pytest.fixture
def zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that are only counted need not be drawn: orthogonal ones take half a minute."""
    for name in ("GlorotUniform", "HeNormal", "RandomNormal", "RandomUniform"):
        monkeypatch.setattr(getattr(keras.initializers, name), "__call__", blank)
    monkeypatch.setattr(Orthogonal, "__call__", blank)


# Seconds each to build. The families' own tests count networks of fewer features.
LARGE = [name for name in list_presets() if get_preset(name).parameters["generator"] > 10_000_000]


@pytest.mark.usefixtures("zeros")
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n in LARGE else ()) for n in list_presets()],
)
def test_parameters_are_as_counted(name: str) -> None:
    preset = get_preset(name)
    assert counted(preset.family, json.dumps(preset.config)) == preset.parameters


@functools.cache
def counted(family: str, config: str) -> dict[str, int]:
    """Trainable parameters of each network; many presets have the same."""
    gan = family_class(family)(**json.loads(config))
    networks = {"generator": gan.generator, "discriminator": gan.discriminator}
    return {name: trainable_parameters(network) for name, network in networks.items()}


@trained_ones(FROM_NOISE)
def test_shapes(trained: Trained) -> None:
    _, case, gan, *_ = trained
    assert gan.image_shape == case.image_shape
    assert gan.condition == case.condition
    images = gan.generate(3, seed=0)
    assert images.shape == (3, *case.image_shape)
    assert images.dtype == np.uint8
    probability = gan.discriminate(images, **by_name(case, some_conditions(case, 3)))
    assert probability.shape == (3,)
    assert gan.discriminator_output == "score" or ((probability > 0) & (probability < 1)).all()


@trained_ones(FROM_NOISE)
def test_images_depend_on_their_seed_alone(trained: Trained) -> None:
    gan = trained.gan
    together = gan.generate(70, seed=7)  # more than one chunk
    # In calls of other sizes; the first, the last and those at the edge of a chunk alone.
    ends = np.cumsum([1, 62, 1, 1, 4, 1])
    pieces = [
        gan.generate(int(end - start), seed=7 + int(start))
        for start, end in itertools.pairwise([0, *ends])
    ]
    assert np.abs(together.astype(int) - np.concatenate(pieces)).max() <= 1
    # At first images may differ by less than a grey level.
    seeds = tf.range(7, 15, dtype=tf.int64)
    images = gan.images_from_seeds(seeds).numpy()
    assert len(np.unique(images.reshape(8, -1), axis=0)) == 8
    spread = images.std(axis=0).max()
    for i in (0, 7):
        alone = gan.images_from_seeds(seeds[i : i + 1])[0]
        np.testing.assert_allclose(images[i], alone, atol=min(1e-5, spread / 10))
    np.testing.assert_array_equal(
        gan.latents_from_seeds(seeds),
        np.concatenate([gan.latents_from_seeds(seeds[i : i + 1]) for i in range(8)]),
    )


@every_conditional_family
def test_the_condition_counts_and_each_row_has_its_own(trained: Trained) -> None:
    _, case, gan, *_ = trained  # trained, since some families see no class before they have learnt

    def draw(n: int, seed: int, condition: np.ndarray) -> np.ndarray:
        return gan.generate(n, seed=seed, **by_name(case, condition))

    condition = some_conditions(case, 6)
    together = draw(6, 7, condition)
    alone = [draw(1, 7 + i, row)[0] for i, row in enumerate(condition)]
    assert np.abs(together.astype(int) - alone).max() <= 1
    drawn = gan.condition_from_seeds(tf.range(7, 13, dtype=tf.int64)).numpy()
    np.testing.assert_array_equal(gan.generate(6, seed=7), draw(6, 7, drawn))
    latents = tf.tile(gan.latents_from_seeds(tf.constant([7], tf.int64)), [2, 1])
    first, second = gan((latents, tf.constant(condition[:2]))).numpy()
    assert np.abs(first - second).max() > 1e-4  # the same z of two conditions
    images = gan.generate(2, seed=0)
    with pytest.raises(ValueError, match=f"{re.escape(case.condition.rule)} Received: None"):
        gan.discriminate(images)
    with pytest.raises(ValueError, match="trains on .images, .* Received: one tensor"):
        gan.fit(dataset(case).map(lambda images, condition: images), verbose=0)


@every_family_of_classes
def test_classes_out_of_range_are_refused(trained: Trained) -> None:
    _, case, gan, *_ = trained
    for wrong in (case.condition.num_classes, -1, 0.5, [0, 1]):
        with pytest.raises(ValueError, match="Labels must be integers from 0 to .* Received: "):
            gan.generate(3, labels=wrong)
    beyond = dataset(case).map(lambda images, labels: (images, labels + 1))
    with pytest.raises(ValueError, match="Labels must be integers from 0 to"):
        gan.fit(beyond, verbose=0)


@every_truncating_family
def test_truncation_gives_up_variety(trained: Trained) -> None:
    gan = trained.gan
    label = 0 if gan.num_classes else None

    def draw(**truncation) -> np.ndarray:
        return gan.generate(16, seed=7, labels=label, **truncation).astype(int)

    untouched, half, none = draw(), draw(truncation=0.5), draw(truncation=0.0)
    assert np.abs(none - none[0]).max() <= 1
    assert none.std(axis=0).mean() < half.std(axis=0).mean() < untouched.std(axis=0).mean()
    mixed = draw(truncation=[0.5] * 8 + [0.0] * 8)
    assert np.abs(mixed[:8] - half[:8]).max() <= 1
    assert np.abs(mixed[8:] - none[8:]).max() <= 1
    for wrong in (-0.1, np.inf):
        with pytest.raises(ValueError, match=f"be a finite number .* Received: {wrong}"):
            gan.generate(1, truncation=wrong)


@trained_ones(FROM_NOISE)
def test_what_a_model_does_not_take_is_refused(trained: Trained) -> None:
    _, case, gan, *_ = trained
    if not isinstance(case.condition, Embedding):
        with pytest.raises(ValueError, match="and no embeddings: leave them out. Received: "):
            gan.generate(1, embeddings=np.zeros(3))
    else:
        with pytest.raises(ValueError, match="and no labels: leave them out. Received: 0"):
            gan.generate(1, labels=0)
    if case.condition is None:
        with pytest.raises(ValueError, match="has no labels here .* leave them out. Received: 0"):
            gan.generate(1, labels=0)
    if not gan.truncates:
        with pytest.raises(ValueError, match="has no truncation: leave it out. Received: trunc"):
            gan.generate(1, truncation=0.5)


@trained_ones(ALL)
def test_one_step_moves_both_networks_and_the_average(trained: Trained) -> None:
    for network, moved in trained.first_moved.items():
        # The kernels at least; running statistics of the average may stand still for a step.
        assert all(moved), network
    assert trained.told == set(trained.gan.tracked)
    assert int(trained.gan.steps.numpy()) == STEPS


class Injected:
    """A GAN whose draws are given: row i of step s is `table[s, i]`, on whatever replica."""

    def __init__(self, gan: zoo.GAN) -> None:
        if not isinstance(gan, NoiseToImage):
            return
        rng = np.random.default_rng(1)
        latents = rng.uniform(-1, 1, (STEPS, BATCH, gan.latent_dim)).astype(np.float32)
        labels = rng.integers(0, gan.num_classes or 1, (STEPS, BATCH)).astype(np.int32)

        def given(table):
            table = tf.constant(table)

            def draw(shape, seed):
                replica = tf.distribute.get_replica_context().replica_id_in_sync_group
                return table[gan.steps.value][replica * shape[0] :][: shape[0]]

            return draw

        gan.draw_latents = given(latents)
        gan.draw_condition = given(labels)


def compile_sgd(
    family: str, case: Case, strategy: tf.distribute.Strategy, **arguments: Any
) -> zoo.GAN:
    """Trains by plain SGD, its draws injected: Adam would hide a wrong scale of the gradient."""
    with strategy.scope():
        gan = build(family, case, quiet=True)
        gan.compile(
            generator_optimizer=keras.optimizers.SGD(case.rate),
            discriminator_optimizer=keras.optimizers.SGD(case.rate),
            **arguments,
        )
    Injected(gan)
    return gan


@functools.cache
def weights_by_sgd(family: str, i: int, **arguments: Any) -> tuple[list[np.ndarray], float]:
    """After three steps of the i-th case on one device; and how far they moved what is trained."""
    case = CASES[family][i]
    gan = compile_sgd(family, case, tf.distribute.get_strategy(), **arguments)
    trained = gan.generator.trainable_variables + gan.discriminator.trainable_variables
    before = [variable.numpy() for variable in trained]
    gan.fit(dataset(case), verbose=0, shuffle=False)
    return weights(gan), distance(before, [variable.numpy() for variable in trained])


def distance(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    return max(float(np.abs(x - y).max()) for x, y in zip(a, b, strict=True))


def two_replicas() -> tf.distribute.Strategy:
    return make_strategy("mirrored")  # the two logical CPUs of conftest.py


@quick(QUICK)
def test_two_replicas_equal_one(family: str, case: Case) -> None:
    check_two_replicas(family, case, **way(family, case))


@pytest.mark.slow  # half a minute a family
@pytest.mark.parametrize(("family", "case"), [p for p in ALL if p.id not in TRACED])
def test_two_replicas_that_are_traced_equal_one(family: str, case: Case) -> None:
    check_two_replicas(family, case)


def check_two_replicas(family: str, case: Case, **arguments: Any) -> None:
    two = compile_sgd(family, case, two_replicas(), **arguments)
    two.fit(dataset(case), verbose=0, shuffle=False)
    # In the same way: kernels that are fused in a graph round otherwise.
    one, moved = weights_by_sgd(family, CASES[family].index(case), **arguments)
    # Without its share of 1 / replicas, a loss would count twice: the classic bug. The weights
    # would move about twice as far, which must show.
    print(f"two replicas: {distance(one, weights(two)):.1e}; moved: {moved:.1e}")
    assert distance(one, weights(two)) < 1e-4
    assert moved > 1e-3


@pytest.mark.slow  # a minute or two a family
@every_family
def test_steps_that_xla_compiles_are_the_same(family: str, case: Case) -> None:
    """As they are compiled where there is one GPU."""
    compiled = compile_sgd(family, case, tf.distribute.get_strategy(), jit_compile=True)
    compiled.fit(dataset(case), verbose=0, shuffle=False)
    one, _ = weights_by_sgd(family, CASES[family].index(case))
    print(f"compiled by XLA: {distance(one, weights(compiled)):.1e}")
    assert distance(one, weights(compiled)) < 5e-4  # sums in another order, over five steps


@trained_ones(FROM_NOISE)
def test_replicas_and_steps_draw_differently(trained: Trained) -> None:
    strategy, gan = two_replicas(), trained.gan

    @tf.function
    def draw():
        def on_replica():
            return gan.draw_latents([4, gan.latent_dim], gan.step_seed("latents"))

        return strategy.experimental_local_results(strategy.run(on_replica))

    first, second = draw()
    assert not np.allclose(first, second)
    again = draw()
    np.testing.assert_array_equal(first, again[0])
    gan.steps.assign(STEPS + 1)
    assert not np.allclose(first, draw()[0])
    gan.steps.assign(STEPS)


@trained_ones(ALL)
def test_weights_survive_save_and_load(trained: Trained, tmp_path: pathlib.Path) -> None:
    _, case, gan, *_ = trained
    gan.save_to_preset(tmp_path / "mine")
    loaded = zoo.load(str(tmp_path / "mine"))
    assert type(loaded) is type(gan)
    assert loaded.get_config() == gan.preset_config()  # without the pretraining that is done
    np.testing.assert_array_equal(make(loaded, case), make(gan, case))
    for a, b in zip(
        loaded.discriminator.get_weights(), gan.discriminator.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    for network in (loaded.generator, loaded.ema_generator):
        for a, b in zip(network.get_weights(), gan.ema_generator.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


@every_family_once
def test_a_loaded_preset_trains(trained: Trained, tmp_path: pathlib.Path) -> None:
    """The one trace of each family."""
    trained.gan.save_to_preset(tmp_path / "mine")
    loaded = zoo.load(str(tmp_path / "mine"))
    loaded.compile()
    history = loaded.fit(dataset(trained.case).take(1), verbose=0).history
    assert set(history) == trained.told
    assert int(loaded.steps.numpy()) == 1  # a run of its own


@pytest.fixture
def killed(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> pathlib.Path:
    """A folder of checkpoints of this case, left by a process that was killed as it wrote."""

    def kill(folder: pathlib.Path) -> None:
        ids = [p.id for p in ALL]
        command = [warm.python(), "-m", "tests.battery.killed", str(folder), *ids]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800)
        assert done.returncode == -signal.SIGKILL, done.stderr

    return folder_made_once(tmp_path_factory, "killed", kill) / request.node.callspec.id


@pytest.mark.slow
@trained_ones(ALL)
def test_a_killed_run_ends_as_an_unbroken_one(trained: Trained, killed: pathlib.Path) -> None:
    family, case, *_ = trained
    keras.utils.set_random_seed(99)
    resumed = family_class(family)(**case.config)
    resumed.compile(seed=SEED, run_eagerly=True)
    start = Checkpoints(killed, resumed).restore()
    assert start in (1, 2)  # the kill costs at most the checkpoint that was being written
    resumed.fit(dataset(case).skip(start), verbose=0, shuffle=False)
    assert int(resumed.steps.numpy()) == STEPS
    ours = state_of(resumed)
    assert ours.keys() == trained.state.keys()
    for name in ours:
        if not name.startswith("metrics"):  # `fit` starts these afresh
            np.testing.assert_array_equal(ours[name].numpy(), trained.state[name], err_msg=name)


@quick(("cgan-0", "toy_map-0"))
def test_parts_and_replicas_go_together(family: str, case: Case) -> None:
    strategy = two_replicas()
    with strategy.scope():
        gan = build(family, case, quiet=True)  # ADA four times over takes minutes to trace
        gan.compile(accumulate=2, **way(family, case))
    networks = (gan.generator, gan.discriminator)
    before = [network.get_weights() for network in networks]
    gan.fit(dataset(case).take(1), verbose=0)
    for old, network in zip(before, networks, strict=True):
        # Without dropout two images may leave a piece of a maxout unit unused.
        assert any(np.abs(a - b).max() > 0 for a, b in zip(old, network.get_weights(), strict=True))
    assert int(gan.steps.numpy()) == 1
    assert int(gan.images_seen.numpy()) == BATCH
    # One update of the whole batch, and more where a regularizer has one of its own.
    updates = [
        int(optimizer.iterations.numpy())
        for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer)
    ]
    assert updates == list(case.first_updates)
    with strategy.scope():
        gan.compile(accumulate=3, run_eagerly=True)
    with pytest.raises(ValueError, match=f"multiple of accumulate=3. Received: .*{BATCH // 2}"):
        gan.fit(dataset(case).take(1), verbose=0)


@quick(QUICK)
@pytest.mark.parametrize(
    "policy", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)]
)
def test_mixed_precision_trains(family: str, case: Case, policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        gan = build(family, case)
        gan.compile(**way(family, case))
    finally:
        keras.config.set_dtype_policy("float32")
    networks = (gan.generator, gan.discriminator)
    before = [network.get_weights() for network in networks]
    # The loss scale settles by an update that is left out for each halving; Pix2Pix needs four.
    history = gan.fit(dataset(case), epochs=2, verbose=0)
    for name, values in history.history.items():
        # A gradient's norm may overflow meanwhile.
        assert name.endswith("gradient_norm") or np.isfinite(values).all(), name
    for old, network in zip(before, networks, strict=True):
        # Not every weight: what is small may round to nothing.
        assert any(np.abs(a - b).max() > 0 for a, b in zip(old, network.get_weights(), strict=True))
    if case.source:
        inputs = [sources(case, 1)] * len(gan.generator.inputs)
    else:
        z = np.zeros([1, gan.latent_dim], np.float32)
        inputs = with_condition(z, some_conditions(case, 1))
    assert tf.nest.flatten(gan.generator(inputs))[0].dtype == policy.removeprefix("mixed_")
    floats = {w.dtype for w in weights(gan) if w.dtype.kind == "f"}
    assert floats == {np.dtype(np.float32)}
    assert make(gan, case).dtype == np.uint8


@trained_ones(FROM_IMAGES)
def test_each_image_is_translated_alone_at_any_size(trained: Trained) -> None:
    _, case, gan, *_ = trained
    assert (gan.source, gan.scale, gan.source_shape) == (case.source, case.scale, case.source_shape)
    height, width, *channels = case.source_shape
    rng = np.random.default_rng(3)
    values = case.source.num_classes if isinstance(case.source, LabelMap) else 256
    shape = (32, height + 3, 2 * width - 1, *channels)
    images = rng.integers(0, values, shape, dtype=np.uint8)
    together = gan.translated(images)
    scale = case.scale
    assert together.shape == (
        32,
        scale * (height + 3),
        scale * (2 * width - 1),
        *together.shape[3:],
    )
    assert together.dtype == np.uint8
    for i in (0, 31):
        alone = gan.translated(images[i : i + 1])[0]
        assert np.abs(alone.astype(int) - together[i]).max() <= 1
    with pytest.raises(ValueError, match=r"takes uint8 .* of any size. Received: float32"):
        make_of(gan, images.astype(np.float32))
    with pytest.raises(ValueError, match="trains on pairs of images, .* Received: one tensor"):
        gan.fit(dataset(case).map(lambda first, second: first), verbose=0)


@pytest.fixture
def exported(
    trained: Trained, made_once: dict[Any, Any], tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    """A folder of models with `trained` in it, by the name of its family."""
    key = ("exported", trained.family, CASES[trained.family].index(trained.case))
    if key not in made_once:
        models = tmp_path_factory.mktemp("models")
        saved_model.export(trained.gan, models, trained.family, source="battery")
        made_once[key] = models
    return made_once[key]


# Further sizes of a family have the signatures of the first one.
@trained_ones(ALL, slow=(*SECOND, "biggan-0", "cyclegan-0", "pix2pix-0", "stylegan-0"))
def test_an_export_equals_the_live_model(trained: Trained, exported: pathlib.Path) -> None:
    """`export` loads what it has written, runs every signature, and raises where they differ."""
    manifest = json.loads((exported / trained.family / "1" / MANIFEST).read_text())
    tolerance = parity.IMAGE_TOLERANCE if trained.case.source else parity.TOLERANCE
    assert 0.0 <= manifest["max_difference_from_live_model"] <= tolerance


# The others are exported and compared by the test above. Truncation is asked for in
# tests/serving/test_client.py, pictures are sent in tests/serving/test_pictures.py.
@trained_ones(FROM_NOISE, slow=all_but(QUICK))
def test_export_is_served_through_the_client(trained: Trained, exported: pathlib.Path) -> None:
    family, case, gan, *_ = trained
    server = Server(exported)
    seeds = tf.range(7, 15, dtype=tf.int64)
    inputs = {"latents": gan.latents_from_seeds(seeds).numpy()}
    condition = some_conditions(case, 8)
    given = by_name(case, condition)
    live_raw = gan(with_condition(inputs["latents"], condition))
    inputs |= given
    try:
        with Client(server.address) as client:
            served = client.generate(family, n=8, seed=7)
            ones = np.concatenate([client.generate(family, n=1, seed=7 + i) for i in range(8)])
            raw = client.predict(family, inputs)["images"]
            probability = client.discriminate(family, served, **given)
            if given:
                asked = client.generate(family, n=8, seed=7, **given)
            if isinstance(case.condition, Embedding):
                wrong = np.full_like(condition, np.inf)
                with pytest.raises(InvalidRequest, match="Embeddings must be finite numbers"):
                    client.predict(family, {**inputs, "embeddings": wrong})
            if isinstance(case.condition, Labels):
                for wrong in (case.condition.num_classes, -2):
                    with pytest.raises(InvalidRequest, match="Labels must be integers from 0 to"):
                        client.predict(family, {**inputs, "labels": np.full(8, wrong, np.int32)})
                with pytest.raises(InvalidRequest, match="Labels must be integers from 0 to"):
                    client.generate(family, labels=case.condition.num_classes)
            (png,) = client.generate_png(family, seed=7)
            if gan.truncates:
                truncated = client.generate(family, n=8, seed=7, truncation=0.5, **given)
    finally:
        exit_code, *_ = server.stop()
    live = gan.generate(8, seed=7)
    assert properties(png)["DigitalSourceType"] == GENERATED
    assert properties(png)["AISystemUsed"] == family
    assert np.abs(served.astype(int) - live).max() <= 1
    assert np.abs(ones.astype(int) - live).max() <= 1
    np.testing.assert_allclose(raw, live_raw, atol=1e-5)
    np.testing.assert_allclose(probability, gan.discriminate(served, **given), atol=1e-5)
    if given:
        live = gan.generate(8, seed=7, **given)
        assert np.abs(asked.astype(int) - live).max() <= 1
    if gan.truncates:
        live = gan.generate(8, seed=7, truncation=0.5, **given)
        assert np.abs(truncated.astype(int) - live).max() <= 1
    assert exit_code == 0


@trained_ones(FROM_IMAGES, slow=all_but(QUICK))
def test_translations_are_served_through_the_client(
    trained: Trained, exported: pathlib.Path
) -> None:
    family, case, gan, *_ = trained
    server = Server(exported)
    images = given_sources(case, 32)
    picture = images[3] if images.ndim == 4 else images[3, ..., None]
    try:
        with Client(server.address) as client:
            seed = {"seed": 0} if gan.task == "paint" else {}
            ask = functools.partial(getattr(client, gan.task), **seed)
            together = ask(family, images)
            alone = ask(family, images[3])
            png = ask(family, tf.io.encode_png(picture).numpy())
            ways = {
                direction: client.translate(family, images, direction=direction)
                for direction in gan.directions
            }
    finally:
        exit_code, *_ = server.stop()
    assert np.abs(together.astype(int) - make_of(gan, images)).max() <= 1
    live = make_of(gan, images[3:4])[0]
    assert np.abs(alone.astype(int) - live).max() <= 1
    assert np.abs(tf.io.decode_png(png).numpy().astype(int) - live).max() <= 1
    expected = GENERATED if gan.task == "paint" else COMPOSITE
    assert properties(png)["DigitalSourceType"] == expected
    for direction, made in ways.items():
        expected = gan.translate(images, direction)
        assert np.abs(made.astype(int) - expected).max() <= 1
    assert exit_code == 0
