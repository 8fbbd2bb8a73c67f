"""An `Evaluator` in a callback of `fit`, on two replicas: what a run does every so many steps."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from trainers import data
from trainers.metrics import classifier
from trainers.metrics.comparison import Evaluator
from trainers.metrics.fakes import from_gan
from trainers.strategy import make_strategy


class Measure(keras.callbacks.Callback):
    def __init__(self, evaluator):
        super().__init__()
        self.evaluator, self.records = evaluator, []

    def on_epoch_end(self, epoch, logs=None):
        before = self.model.get_weights()
        fakes = from_gan(self.model, 20, seed=0, source={"epoch": epoch})
        self.records.append(self.evaluator.record(fakes))
        for a, b in zip(before, self.model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_records_follow_the_model_and_leave_it_alone(features, clothes, monkeypatch):
    monkeypatch.setattr(classifier, "LEAST_UPDATES", 1)  # how well it recognises is no matter here
    monkeypatch.setattr(classifier, "EPOCHS", 1)
    sample = data.load("sample:fashion_mnist", resolution=28, channels=1)
    real = dataclasses.replace(sample, images=sample.images.take(200), count=200)
    metrics = ["kid", "recall", "coverage", "class_balance", "ppl"]
    evaluator = Evaluator(real, metrics, num_images=50, features=features, training=real)
    images = clothes[0][:64].astype(np.float32) / 127.5 - 1
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(32).repeat()
    with make_strategy("mirrored").scope():
        gan = zoo.DCGAN(resolution=28, channels=1, latent_dim=8, width=8, architecture="small")
        gan.compile(seed=0, run_eagerly=True)
    measure = Measure(evaluator)
    gan.fit(dataset, steps_per_epoch=2, epochs=2, shuffle=False, verbose=0, callbacks=[measure])

    first, last = measure.records
    assert (first["source"], last["source"]) == ({"epoch": 0}, {"epoch": 1})
    assert first["metrics"]["kid"]["value"] != last["metrics"]["kid"]["value"]
    after = evaluator.record(from_gan(gan, 20, seed=0))["metrics"]["kid"]["value"]
    np.testing.assert_allclose(after, last["metrics"]["kid"]["value"], rtol=1e-4)
