"""What every family must pass, unasked: the tests loop over the registry."""

import pathlib
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from export import saved_model
from serving import Client, InvalidRequest
from tests.battery.cases import CASES, Case
from tests.battery.shared import folder_made_once
from tests.serving.conftest import Server
from trainers.checkpoint import Checkpoints, state_of
from trainers.strategy import make_strategy
from zoo.noise_to_image import with_labels
from zoo.presets import FAMILIES, get_preset, list_presets

ALL = [
    pytest.param(family, case, id=f"{family}-{i}")
    for family in FAMILIES
    for i, case in enumerate(CASES[family])
]
every_family = pytest.mark.parametrize(("family", "case"), ALL)
every_conditional_family = pytest.mark.parametrize(
    ("family", "case"), [p for p in ALL if "num_classes" in p.values[1].config]
)
every_truncating_family = pytest.mark.parametrize(
    ("family", "case"), [p for p in ALL if getattr(zoo, FAMILIES[p.values[0]]).truncates]
)

STEPS = 5
BATCH = 8


def build(family: str, case: Case, *, quiet: bool = False) -> zoo.GAN:
    keras.utils.set_random_seed(0)
    config = {**case.config, **(case.quiet if quiet else {})}
    return getattr(zoo, FAMILIES[family])(**config)


def real_images(case: Case, count: int = STEPS * BATCH) -> np.ndarray:
    """Noise with a vertical ramp: f32 [count, H, W, C] in [-1, 1]."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(-0.5, 0.5, case.image_shape[0])[:, None, None]
    noise = rng.uniform(-0.5, 0.5, (count, *case.image_shape))
    return (ramp + noise).astype(np.float32)


def some_labels(case: Case, count: int) -> np.ndarray | None:
    """int32 [count], every class in turn; None where the case takes no labels."""
    classes = case.config.get("num_classes", 0)
    return np.arange(count, dtype=np.int32) % classes if classes else None


def dataset(case: Case) -> tf.data.Dataset:
    """Batches of images, or of (images, labels)."""
    images = real_images(case)
    labels = some_labels(case, len(images))
    rows = images if labels is None else (images, labels)
    return tf.data.Dataset.from_tensor_slices(rows).batch(BATCH, drop_remainder=True)


def weights(gan: zoo.GAN) -> list[np.ndarray]:
    return [w for network in (gan.generator, gan.discriminator) for w in network.get_weights()]


@pytest.mark.parametrize("name", list_presets())
def test_parameters_are_as_counted(name: str) -> None:
    gan = zoo.load(name, load_weights=False)
    counted = {
        network.name: sum(int(np.prod(v.shape)) for v in network.trainable_variables)
        for network in (gan.generator, gan.discriminator)
    }
    assert counted == get_preset(name).parameters


@every_family
def test_shapes(family: str, case: Case) -> None:
    gan = build(family, case)
    assert gan.image_shape == case.image_shape
    images = gan.generate(3, seed=0)
    assert images.shape == (3, *case.image_shape)
    assert images.dtype == np.uint8
    probability = gan.discriminate(images, some_labels(case, 3))
    assert probability.shape == (3,)
    assert gan.critic or ((probability > 0) & (probability < 1)).all()


@every_family
def test_images_depend_on_their_seed_alone(family: str, case: Case) -> None:
    gan = build(family, case)
    together = gan.generate(70, seed=7)  # more than one chunk
    alone = np.concatenate([gan.generate(1, seed=7 + i) for i in range(70)])
    assert np.abs(together.astype(int) - alone).max() <= 1
    # At first images may differ by less than a grey level.
    seeds = tf.range(7, 77, dtype=tf.int64)
    images = gan.images_from_seeds(seeds).numpy()
    assert len(np.unique(images.reshape(70, -1), axis=0)) == 70
    spread = images.std(axis=0).max()
    for i in (0, 69):
        alone = gan.images_from_seeds(seeds[i : i + 1])[0]
        np.testing.assert_allclose(images[i], alone, atol=min(1e-5, spread / 10))
    seeds = tf.range(7, 15, dtype=tf.int64)
    np.testing.assert_array_equal(
        gan.latents_from_seeds(seeds),
        np.concatenate([gan.latents_from_seeds(seeds[i : i + 1]) for i in range(8)]),
    )


@every_conditional_family
def test_labels_count_and_each_row_has_its_own(family: str, case: Case) -> None:
    gan = build(family, case)
    gan.compile()
    gan.fit(dataset(case), verbose=0)  # some families see no class before they have learnt
    labels = some_labels(case, 6)
    together = gan.generate(6, seed=7, labels=labels)
    alone = [gan.generate(1, seed=7 + i, labels=int(c))[0] for i, c in enumerate(labels)]
    assert np.abs(together.astype(int) - alone).max() <= 1
    drawn = gan.labels_from_seeds(tf.range(7, 13, dtype=tf.int64)).numpy()
    np.testing.assert_array_equal(gan.generate(6, seed=7), gan.generate(6, seed=7, labels=drawn))
    latents = tf.tile(gan.latents_from_seeds(tf.constant([7], tf.int64)), [2, 1])
    first, second = gan((latents, tf.constant([0, 1]))).numpy()
    assert np.abs(first - second).max() > 1e-4  # the same z of two classes
    for wrong in (case.config["num_classes"], -1, 0.5, [0, 1]):
        with pytest.raises(ValueError, match="Labels must be integers from 0 to .* Received: "):
            gan.generate(3, labels=wrong)
    images = gan.generate(2, seed=0)
    with pytest.raises(ValueError, match="Labels must be integers from 0 to .* Received: None"):
        gan.discriminate(images)
    with pytest.raises(ValueError, match="trains on .images, labels.* Received: one tensor"):
        gan.fit(dataset(case).map(lambda images, labels: images), verbose=0)


@every_truncating_family
def test_truncation_gives_up_variety(family: str, case: Case) -> None:
    gan = build(family, case)
    gan.compile()
    gan.fit(dataset(case), verbose=0)
    label = 0 if gan.num_classes else None

    def draw(**truncation) -> np.ndarray:
        return gan.generate(16, seed=7, labels=label, **truncation).astype(int)

    untouched, half, none = draw(), draw(truncation=0.5), draw(truncation=0.0)
    assert np.abs(none - none[0]).max() <= 1
    assert none.std(axis=0).mean() < half.std(axis=0).mean() < untouched.std(axis=0).mean()
    mixed = draw(truncation=[0.5] * 8 + [0.0] * 8)
    assert np.abs(mixed[:8] - half[:8]).max() <= 1
    assert np.abs(mixed[8:] - none[8:]).max() <= 1
    with pytest.raises(ValueError, match="truncation must be .* at least 0.* Received: -0.1"):
        gan.generate(1, truncation=-0.1)


@every_family
def test_labels_and_truncation_of_a_model_without_are_refused(family: str, case: Case) -> None:
    gan = build(family, case)
    if not gan.num_classes:
        with pytest.raises(ValueError, match="has no labels here .* leave them out. Received: 0"):
            gan.generate(1, labels=0)
    if not gan.truncates:
        with pytest.raises(ValueError, match="has no truncation: leave it out. Received: trunc"):
            gan.generate(1, truncation=0.5)


@every_family
def test_one_step_moves_both_networks_and_the_average(family: str, case: Case) -> None:
    gan = build(family, case)
    gan.compile()
    before = {
        network: network.get_weights()
        for network in (gan.generator, gan.discriminator, gan.ema_generator)
    }
    history = gan.fit(dataset(case).take(1), verbose=0)
    for network, old in before.items():
        # The kernels at least; running statistics of the average may stand still for a step.
        moved = [np.abs(a - b).max() > 0 for a, b in zip(old, network.get_weights(), strict=True)]
        assert all(moved), network.name
    assert set(history.history) == set(gan.tracked)
    assert int(gan.steps.numpy()) == 1


class Injected:
    """A GAN whose draws are given: row i of step s is `table[s, i]`, on whatever replica."""

    def __init__(self, gan: zoo.GAN, scaled: bool = True) -> None:
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
        gan.draw_labels = given(labels)
        if not scaled:

            def minimize(tape, loss, network, optimizer):
                variables = network.trainable_variables
                optimizer.apply(tape.gradient(loss, variables), variables)
                return 0.0

            gan.minimize = minimize


def train_sgd(family: str, case: Case, strategy: tf.distribute.Strategy, scaled: bool = True):
    with strategy.scope():
        gan = build(family, case, quiet=True)
        gan.compile(
            generator_optimizer=keras.optimizers.SGD(case.rate),
            discriminator_optimizer=keras.optimizers.SGD(case.rate),
        )
    Injected(gan, scaled)
    gan.fit(dataset(case), verbose=0, shuffle=False)
    return gan


def two_replicas() -> tf.distribute.Strategy:
    return make_strategy("mirrored")  # the two logical CPUs of conftest.py


@every_family
def test_two_replicas_equal_one(family: str, case: Case) -> None:
    one = weights(train_sgd(family, case, tf.distribute.get_strategy()))
    two = weights(train_sgd(family, case, two_replicas()))
    unscaled = weights(train_sgd(family, case, two_replicas(), scaled=False))

    def distance(a: list[np.ndarray], b: list[np.ndarray]) -> float:
        return max(float(np.abs(x - y).max()) for x, y in zip(a, b, strict=True))

    print(f"two replicas: {distance(one, two):.1e}; unscaled: {distance(one, unscaled):.1e}")
    assert distance(one, two) < 1e-4
    assert distance(one, unscaled) > 1e-3  # the classic bug would show


@every_family
def test_replicas_and_steps_draw_differently(family: str, case: Case) -> None:
    strategy = two_replicas()
    with strategy.scope():
        gan = build(family, case)
        gan.compile()

    @tf.function
    def draw():
        def on_replica():
            (seed,) = gan.step_seeds(1)
            return gan.draw_latents([4, gan.latent_dim], seed)

        return strategy.experimental_local_results(strategy.run(on_replica))

    first, second = draw()
    assert not np.allclose(first, second)
    again = draw()
    np.testing.assert_array_equal(first, again[0])
    gan.steps.assign(1)
    assert not np.allclose(first, draw()[0])


@every_family
def test_weights_survive_save_and_load(family: str, case: Case, tmp_path: pathlib.Path) -> None:
    gan = build(family, case)
    gan.compile()
    gan.fit(dataset(case), verbose=0)
    gan.save_to_preset(tmp_path / "mine")
    loaded = zoo.load(str(tmp_path / "mine"))
    assert type(loaded) is type(gan)
    assert loaded.get_config() == gan.get_config()
    np.testing.assert_array_equal(loaded.generate(8, seed=7), gan.generate(8, seed=7))
    images, labels = gan.generate(4, seed=0), some_labels(case, 4)
    np.testing.assert_array_equal(
        loaded.discriminate(images, labels), gan.discriminate(images, labels)
    )
    for network in (loaded.generator, loaded.ema_generator):
        for a, b in zip(network.get_weights(), gan.ema_generator.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    loaded.compile()
    loaded.fit(dataset(case).take(1), verbose=0)  # and training goes on


@pytest.fixture(scope="session")
def killed(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder of checkpoints for every case, left by a process that was killed as it wrote."""

    def kill(folder: pathlib.Path) -> None:
        command = [sys.executable, "-m", "tests.battery.killed", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        assert done.returncode == -signal.SIGKILL, done.stderr

    return folder_made_once(tmp_path_factory, "killed", kill)


@every_family
def test_a_killed_run_ends_as_an_unbroken_one(
    family: str, case: Case, killed: pathlib.Path, request: pytest.FixtureRequest
) -> None:
    whole = build(family, case)
    whole.compile(seed=3)
    whole.fit(dataset(case), verbose=0, shuffle=False)

    keras.utils.set_random_seed(99)
    resumed = getattr(zoo, FAMILIES[family])(**case.config)
    resumed.compile(seed=3)
    folder = killed / request.node.callspec.id
    start = Checkpoints(folder, resumed).restore()
    assert start in (2, 3)  # the kill costs at most the checkpoint that was being written
    resumed.fit(dataset(case).skip(start), verbose=0, shuffle=False)
    assert int(resumed.steps.numpy()) == STEPS
    ours, theirs = state_of(resumed), state_of(whole)
    assert ours.keys() == theirs.keys()
    for name in ours:
        if not name.startswith("metrics"):  # `fit` starts these afresh
            np.testing.assert_array_equal(ours[name].numpy(), theirs[name].numpy(), err_msg=name)


@every_family
def test_a_batch_in_parts_is_one_update(family: str, case: Case) -> None:
    whole = build(family, case)
    whole.compile()
    whole.fit(dataset(case).take(1), verbose=0)
    gan = build(family, case)
    gan.compile(accumulate=2)
    before = weights(gan)
    gan.fit(dataset(case).take(1), verbose=0)
    assert all(np.abs(a - b).max() > 0 for a, b in zip(before, weights(gan), strict=True))
    assert int(gan.steps.numpy()) == 1
    assert int(gan.images_seen.numpy()) == BATCH
    # One, and more where a regularizer has an update of its own.
    for name in ("generator_optimizer", "discriminator_optimizer"):
        updates = [int(getattr(model, name).iterations.numpy()) for model in (gan, whole)]
        assert updates[0] == updates[1] >= 1, name
    gan.compile(accumulate=3)
    with pytest.raises(ValueError, match=f"multiple of accumulate=3. Received: .{BATCH}"):
        gan.fit(dataset(case).take(1), verbose=0)


@every_family
def test_parts_and_replicas_go_together(family: str, case: Case) -> None:
    with two_replicas().scope():
        gan = build(family, case)
        gan.compile(accumulate=2)
    before = weights(gan)
    gan.fit(dataset(case).take(1), verbose=0)
    assert all(np.abs(a - b).max() > 0 for a, b in zip(before, weights(gan), strict=True))
    assert int(gan.steps.numpy()) == 1
    assert int(gan.images_seen.numpy()) == BATCH


@every_family
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains(family: str, case: Case, policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        gan = build(family, case)
        gan.compile()
    finally:
        keras.config.set_dtype_policy("float32")
    networks = (gan.generator, gan.discriminator)
    before = [network.get_weights() for network in networks]
    history = gan.fit(dataset(case), verbose=0)
    for name, values in history.history.items():
        # A gradient's norm may overflow while the loss scale settles: that update is left out.
        assert name.endswith("gradient_norm") or np.isfinite(values).all(), name
    for old, network in zip(before, networks, strict=True):
        # Not every weight: what is small may round to nothing.
        assert any(np.abs(a - b).max() > 0 for a, b in zip(old, network.get_weights(), strict=True))
    latents = with_labels(np.zeros([1, gan.latent_dim], np.float32), some_labels(case, 1))
    assert gan.generator(latents).dtype == policy.removeprefix("mixed_")
    floats = {w.dtype for w in weights(gan) if w.dtype.kind == "f"}
    assert floats == {np.dtype(np.float32)}
    assert gan.generate(2, seed=0).dtype == np.uint8


@every_family
def test_export_is_served_through_the_client(
    family: str, case: Case, tmp_path: pathlib.Path
) -> None:
    gan = build(family, case)
    gan.compile()
    gan.fit(dataset(case), verbose=0)
    version = saved_model.export(gan, tmp_path / "models", family, source="battery")  # has parity
    assert version == tmp_path / "models" / family / "1"
    server = Server(tmp_path / "models")
    seeds = tf.range(7, 15, dtype=tf.int64)
    inputs = {"latents": gan.latents_from_seeds(seeds).numpy()}
    labels = some_labels(case, 8)
    live_raw = gan(with_labels(inputs["latents"], labels))
    if labels is not None:
        inputs["labels"] = labels
    try:
        with Client(server.address) as client:
            served = client.generate(family, n=8, seed=7)
            ones = np.concatenate([client.generate(family, n=1, seed=7 + i) for i in range(8)])
            raw = client.predict(family, inputs)["images"]
            probability = client.discriminate(family, served, labels=labels)
            if labels is not None:
                asked = client.generate(family, n=8, seed=7, labels=labels)
                for wrong in (case.config["num_classes"], -2):
                    with pytest.raises(InvalidRequest, match="Labels must be integers from 0 to"):
                        client.predict(family, {**inputs, "labels": np.full(8, wrong, np.int32)})
                with pytest.raises(InvalidRequest, match="Labels must be integers from 0 to"):
                    client.generate(family, labels=case.config["num_classes"])
            if gan.truncates:
                truncated = client.generate(family, n=8, seed=7, labels=labels, truncation=0.5)
    finally:
        exit_code, *_ = server.stop()
    live = gan.generate(8, seed=7)
    assert np.abs(served.astype(int) - live).max() <= 1
    assert np.abs(ones.astype(int) - live).max() <= 1
    np.testing.assert_allclose(raw, live_raw, atol=1e-5)
    np.testing.assert_allclose(probability, gan.discriminate(served, labels), atol=1e-5)
    if labels is not None:
        live = gan.generate(8, seed=7, labels=labels)
        assert np.abs(asked.astype(int) - live).max() <= 1
    if gan.truncates:
        live = gan.generate(8, seed=7, labels=labels, truncation=0.5)
        assert np.abs(truncated.astype(int) - live).max() <= 1
    assert exit_code == 0
