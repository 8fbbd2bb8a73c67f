"""Steps that are not all alike: `phase`, `structure`, and what the base does with them."""

import numpy as np
import pytest
import tensorflow as tf

import zoo


class Every(zoo.DCGAN):
    """A DCGAN that notes, at each tracing, the phase it is traced for: True every third step."""

    family = "every"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.traced = []
        self.between = []

    def phase(self):
        return int(self.steps.numpy()) % 3 == 0

    def before_phase(self, phase):
        self.between.append(phase)

    def train_step(self, images):
        self.traced.append(self.current_phase)
        if self.current_phase:
            self.images_seen.assign_add(1000)
        return super().train_step(images)


@pytest.fixture
def gan() -> Every:
    return Every(resolution=16, channels=1, latent_dim=4, width=4)


def images(count: int) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(np.zeros((2, 16, 16, 1), np.float32)).repeat(count)


def test_each_phase_is_compiled_once_and_runs_when_it_is_due(gan: Every) -> None:
    gan.compile()
    gan.fit(images(7), verbose=0)
    assert gan.between == [True, False, False, True, False, False, True]
    assert int(gan.images_seen.numpy()) == 7 * 2 + 3 * 1000
    assert sorted(set(gan.traced)) == [False, True]
    traced = len(gan.traced)
    gan.fit(images(3), verbose=0)  # a second call of fit compiles nothing anew
    assert len(gan.traced) == traced
    assert int(gan.images_seen.numpy()) == 10 * 2 + 4 * 1000


def test_several_steps_at_once_are_refused(gan: Every) -> None:
    with pytest.raises(ValueError, match="steps_per_execution must be 1 for Every.* Received: 4"):
        gan.compile(steps_per_execution=4)
    zoo.DCGAN(resolution=16, channels=1, latent_dim=4, width=4).compile(steps_per_execution=4)
