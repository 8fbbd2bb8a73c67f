"""What a run's checkpoints leave as its preset."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests import small_biggan  # noqa: F401 (at 8 px)
from trainers.autosave import SaveCheckpoints
from trainers.checkpoint import Checkpoints
from trainers.data.loading import image_set_of
from trainers.defaults import build
from trainers.journal import Journal
from trainers.run import Run
from trainers.session import Session


def saved(workdir: pathlib.Path, **changes: object) -> zoo.GAN:
    """A model with the weights and the count of a training step, saved as `workdir / "preset"`."""
    run = Run(dataset="sample:fashion_mnist", workdir=str(workdir), steps=1, **changes)
    gan = build(run)
    rng = np.random.default_rng(0)
    for network in (gan.generator, gan.discriminator):
        for variable in network.trainable_variables:
            variable.assign(variable + rng.normal(scale=0.1, size=variable.shape))
    gan.ema_generator.set_weights(gan.generator.get_weights())
    gan.steps.assign(1)
    checkpoints = Checkpoints(workdir / "checkpoints", gan)
    pixels = np.zeros([4, *gan.image_shape], np.uint8)
    session = Session(
        run=run,
        gan=gan,
        images=image_set_of("none", "none", "train", pixels),
        strategy=tf.distribute.get_strategy(),
        parts=[],
        checkpoints=checkpoints,
        start=0,
        journal=Journal(workdir, 0),
        writer=tf.summary.create_noop_writer(),
    )
    saver = SaveCheckpoints(
        session,
        preset=build(run),
        save_preset=lambda preset, step: preset.save_to_preset(workdir / "preset", samples=False),
        report=lambda: None,
    )
    saver.set_model(gan)
    saver.save(1)
    checkpoints.wait()
    checkpoints.close()
    return gan


@pytest.mark.slow
def test_the_preset_of_a_biggan_draws_what_the_model_draws(tmp_path: pathlib.Path) -> None:
    sizes = dict(resolution=8, channels=1, num_classes=3, width=2, latent_dim=4, shared_dim=4)
    gan = saved(tmp_path, family="biggan", config={**sizes, "attention": 0})
    loaded = zoo.load(str(tmp_path / "preset"))
    # With standing statistics; those that training left are others.
    running, standing = (
        [v.numpy() for v in network.variables if "moving_mean" in v.path]
        for network in (gan.generator, loaded.generator)
    )
    assert len(running) > 1
    assert not any(np.allclose(a, b) for a, b in zip(running, standing, strict=True))
    np.testing.assert_array_equal(loaded.generate(8, seed=7), gan.generate(8, seed=7))


def test_a_preset_without_a_discriminator_is_trained_to_one_that_has_it(
    tmp_path: pathlib.Path,
) -> None:
    tiny = dict(resolution=8, channels=1, latent_dim=4, width=4, architecture="small")
    before = tmp_path / "alone"
    zoo.DCGAN(**tiny, generator_alone=True).save_to_preset(before, samples=False)
    assert json.loads((before / "config.json").read_text())["config"]["generator_alone"] is True
    gan = saved(tmp_path, preset=str(before))
    loaded = zoo.load(str(tmp_path / "preset"))
    assert loaded.judges
    weights = [model.discriminator.get_weights() for model in (loaded, gan)]
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    written = json.loads((tmp_path / "preset" / "config.json").read_text())
    assert "generator_alone" not in written["config"]
