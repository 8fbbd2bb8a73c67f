"""Checkpoints: what is in one, what a damaged one does, which ones are kept."""

import json
import os
import pathlib
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from trainers.checkpoint import CheckpointError, Checkpoints, state_of


class Remembering(zoo.DCGAN):
    """A family with a state of its own, as ADA's strength or a history pool would be."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(
            resolution=8, channels=1, latent_dim=4, width=4, architecture="small", **kwargs
        )
        self.strength = self.add_weight(shape=(3,), initializer="zeros", trainable=False)


def remembering(**compile_arguments: object) -> zoo.GAN:
    keras.utils.set_random_seed(0)
    gan = Remembering()
    gan.compile(**compile_arguments)
    return gan


def images(count: int = 16) -> tf.data.Dataset:
    pixels = np.random.default_rng(0).uniform(-1, 1, (count, 8, 8, 1)).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices(pixels).batch(4)


def saved(checkpoints: Checkpoints, step: int) -> pathlib.Path:
    checkpoints.save(step)
    checkpoints.wait()
    return checkpoints.path(step)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "loss_scaled"])
def test_the_state_is_everything_that_tensorflow_reaches(optimizer: str) -> None:
    chosen = (
        keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
        if optimizer == "loss_scaled"
        else optimizer
    )
    gan = remembering(generator_optimizer=chosen)
    ours = {id(variable) for variable in state_of(gan).values()}
    reached = [
        v for v in tf.train.TrackableView(gan).descendants() if isinstance(v, keras.Variable)
    ]
    assert len(reached) > 40
    assert [v.path for v in reached if id(v) not in ours] == []
    assert any(v is gan.strength for v in state_of(gan).values())


def test_every_value_comes_back(tmp_path: pathlib.Path) -> None:
    gan = remembering(seed=1)
    gan.fit(images(), verbose=0)
    gan.strength.assign([0.25, 0.5, 1.0])
    saved(Checkpoints(tmp_path, gan), 4)
    other = remembering(seed=1)
    assert Checkpoints(tmp_path, other).restore() == 4
    for (name, a), b in zip(state_of(gan).items(), state_of(other).values(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=name)
    assert int(other.images_seen.numpy()) == 16
    assert other.strength.numpy().tolist() == [0.25, 0.5, 1.0]
    assert int(other.generator_optimizer.iterations.numpy()) == 4


def test_the_same_state_is_the_same_file(tmp_path: pathlib.Path) -> None:
    gan = remembering()
    a, b = (saved(Checkpoints(tmp_path / name, gan), 1) for name in "ab")
    assert (a / "state.npz").read_bytes() == (b / "state.npz").read_bytes()


def test_a_flipped_byte_is_found(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture) -> None:
    gan = remembering()
    checkpoints = Checkpoints(tmp_path, gan)
    saved(checkpoints, 1)
    path = saved(checkpoints, 2) / "state.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert Checkpoints(tmp_path, gan).restore() == 1
    assert f"warning: checkpoint {path.parent} is damaged: state.npz does not match its sha256" in (
        capsys.readouterr().err
    )


def test_a_checkpoint_of_another_model_is_refused(tmp_path: pathlib.Path) -> None:
    saved(Checkpoints(tmp_path, remembering()), 1)
    other = zoo.DCGAN(resolution=8, channels=1, latent_dim=4, width=4, architecture="small")
    other.compile()
    with pytest.raises(CheckpointError, match="must hold the variables of this model. Received:"):
        Checkpoints(tmp_path, other).restore()


def test_the_newest_and_the_best_are_kept(tmp_path: pathlib.Path) -> None:
    scores = {1: 0.5, 2: 0.1, 3: 0.4, 4: 0.3, 5: 0.2}

    def find_best(steps: list[int]) -> dict[str, object]:
        best = min(steps, key=scores.get)
        return {"step": best, "metric": "kid", "value": scores[best]}

    checkpoints = Checkpoints(tmp_path, remembering(), keep=2, find_best=find_best)
    for step in scores:
        saved(checkpoints, step)
        assert json.loads((tmp_path / "best.json").read_text()) == find_best(checkpoints.steps())
    assert checkpoints.steps() == [2, 4, 5]


def test_as_many_are_kept_as_asked(tmp_path: pathlib.Path) -> None:
    smallest = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    for keep in range(1, 11):
        checkpoints = Checkpoints(tmp_path / f"{keep}", smallest, keep=keep)
        for step in range(1, 16):
            saved(checkpoints, step)
            assert checkpoints.steps() == list(range(max(1, step - keep + 1), step + 1))
        checkpoints.close()


def test_what_was_passed_over_is_dropped_and_costs_no_good_one(tmp_path: pathlib.Path) -> None:
    gan = remembering()
    checkpoints = Checkpoints(tmp_path, gan, keep=2)
    for step in (5, 8, 10):
        saved(checkpoints, step)
    assert checkpoints.steps() == [8, 10]
    os.truncate(checkpoints.path(10) / "state.npz", 100)
    again = Checkpoints(tmp_path, gan, keep=2)
    assert again.restore() == 8
    saved(again, 9)
    assert again.steps() == [8, 9]  # not 10, whose steps are taken again


def test_whatever_fails_in_the_thread_is_told(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
) -> None:
    checkpoints = Checkpoints(tmp_path, remembering())

    def fail() -> None:
        raise KeyError("preset")

    checkpoints.save(1, before=fail)
    with pytest.raises(CheckpointError, match="step 1 could not be written. Received: KeyError"):
        checkpoints.wait()
    checkpoints.save(2, after=fail)
    checkpoints.wait()
    assert checkpoints.steps() == [2]
    assert "warning: step 2: KeyError: 'preset'" in capsys.readouterr().err


def test_saving_does_not_wait_for_the_disk(tmp_path: pathlib.Path) -> None:
    gan = remembering()
    checkpoints = Checkpoints(tmp_path, gan)
    disk = threading.Event()
    gan.steps.assign(7)
    checkpoints.save(7, before=lambda: disk.wait(60))  # returns while its thread waits
    gan.steps.assign(8)  # training goes on
    assert checkpoints.steps() == []
    disk.set()
    checkpoints.wait()
    assert Checkpoints(tmp_path, gan).restore() == 7
    assert int(gan.steps.numpy()) == 7  # what was saved is the state at `save`


def test_a_failed_write_is_told_at_the_next(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path, remembering())
    saved(checkpoints, 1)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        checkpoints.save(2)
        with pytest.raises(CheckpointError) as error:
            checkpoints.wait()
    assert str(error.value) == (
        f"The checkpoint at step 2 must fit on the disk of {tmp_path}. Received: No space left on "
        f"device. The last good checkpoint is {tmp_path / '00000001'} (step 1); the same command "
        "resumes from there."
    )
    assert sorted(os.listdir(tmp_path)) == ["00000001"]
    saved(checkpoints, 3)  # and the next one is written again
    assert checkpoints.steps() == [1, 3]
