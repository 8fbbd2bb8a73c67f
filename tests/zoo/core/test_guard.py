"""NaN in plain `fit`, and what callbacks can monitor."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.core.guard import check_monitors


def build(*, diverges_at: int | None = None) -> zoo.DCGAN:
    """A GAN whose g_loss is NaN from a step on."""
    gan = zoo.DCGAN(resolution=8, channels=1, latent_dim=4, width=4, architecture="small")

    def loss(fake_logits: tf.Tensor) -> tf.Tensor:
        bad = diverges_at is not None and int(gan.steps.numpy()) >= diverges_at - 1
        return tf.reduce_mean(fake_logits) * (np.nan if bad else 1.0)

    gan.compile(generator_loss=loss, run_eagerly=True)
    return gan


def images(count: int = 16) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (count, 8, 8, 1)).astype(np.float32)


def test_nan_ends_fit_with_its_step_and_its_scalar(tmp_path: pathlib.Path) -> None:
    gan = build(diverges_at=2)
    with pytest.raises(
        ValueError, match="diverged: .*g_loss is nan at step 2. Continue from weights"
    ):
        gan.fit(images(), batch_size=4, verbose=0)
    assert int(gan.steps.numpy()) == 2
    with pytest.raises(ValueError, match="must be finite in float32 .*of the ema_generator with N"):
        gan.save_to_preset(tmp_path / "broken")
    assert not list(tmp_path.iterdir())


def test_keras_own_terminate_on_nan_ends_it_without_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gan = build(diverges_at=2)
    stop = keras.callbacks.TerminateOnNaN()
    gan.fit(images(), batch_size=4, epochs=3, verbose=0, callbacks=stop)
    assert int(gan.steps.numpy()) == 2
    assert "g_loss is nan at step 2. It stops here." in capsys.readouterr().out
    raising = keras.callbacks.TerminateOnNaN(raise_error=True)
    with pytest.raises(ValueError, match="g_loss is nan at step 3"):
        gan.fit(images(), batch_size=4, verbose=0, callbacks=[raising])


def test_weights_too_large_for_float16(tmp_path: pathlib.Path) -> None:
    gan = build()
    gan.discriminator.trainable_variables[-1].assign([7e4])
    with pytest.raises(ValueError, match="must be finite in float16 .*discriminator .* than 65504"):
        gan.save_to_preset(tmp_path / "large", dtype="float16")
    gan.save_to_preset(tmp_path / "large")


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (keras.callbacks.ModelCheckpoint("m.keras", save_best_only=True), "Received: monitor='val"),
        (
            keras.callbacks.EarlyStopping(),
            "EarlyStopping must monitor a value that fit reports: d_",
        ),
        (keras.callbacks.EarlyStopping("loss"), "Received: monitor='loss'"),
        (keras.callbacks.EarlyStopping("val_d_loss", mode="min"), "Received: monitor='val_d_loss'"),
        (keras.callbacks.ReduceLROnPlateau(), "--evaluate_every=STEPS measures that, and keeps"),
        (keras.callbacks.ReduceLROnPlateau("d_loss"), "mode='min' or 'max'. Received: mode='auto'"),
    ],
)
def test_what_a_callback_cannot_monitor(callback: keras.callbacks.Callback, message: str) -> None:
    gan = build()
    with pytest.raises(ValueError, match=message):
        gan.fit(images(), verbose=0, callbacks=[callback])
    assert int(gan.steps.numpy()) == 0


def test_what_a_callback_can_monitor() -> None:
    callbacks = [
        keras.callbacks.ModelCheckpoint("every.keras"),
        keras.callbacks.ModelCheckpoint("m.keras", monitor="kid", mode="min", save_best_only=True),
        keras.callbacks.EarlyStopping("d_loss", mode="max"),
        keras.callbacks.EarlyStopping("real_accuracy"),
        keras.callbacks.CSVLogger("log.csv"),
    ]
    check_monitors(callbacks, zoo.DCGAN.tracked)


def test_learning_rates_of_both_optimizers() -> None:
    gan = build()
    gan.generator_optimizer.learning_rate = 0.01
    gan.discriminator_optimizer.learning_rate = 0.04

    def rates() -> list[float]:
        both = (gan.generator_optimizer, gan.discriminator_optimizer)
        return [float(optimizer.learning_rate.numpy()) for optimizer in both]

    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    gan.fit(images(4), verbose=0, callbacks=[halve])
    np.testing.assert_allclose(rates(), [0.005, 0.02], rtol=1e-6)
    # After an epoch that does not improve by 100.
    plateau = keras.callbacks.ReduceLROnPlateau(
        "d_loss", factor=0.1, patience=1, min_delta=100, mode="min"
    )
    gan.fit(images(4), verbose=0, callbacks=[plateau], epochs=2)
    np.testing.assert_allclose(rates(), [0.0005, 0.002], rtol=1e-6)


def test_the_other_callbacks_of_keras(tmp_path: pathlib.Path) -> None:
    gan = build()
    table = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    board = keras.callbacks.TensorBoard(str(tmp_path / "logs"), write_steps_per_second=True)
    backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
    gan.fit(images(8), batch_size=4, verbose=0, epochs=2, callbacks=[table, board, backup])
    header, *rows = (tmp_path / "log.csv").read_text().splitlines()
    assert set(gan.tracked) < set(header.split(","))
    assert len(rows) == 2
    assert list((tmp_path / "logs" / "train").iterdir())
    gan.summary(print_fn=lambda text: None)


def test_an_optimizer_belongs_to_one_network() -> None:
    gan = build()
    one = keras.optimizers.Adam(1e-4)
    message = "an optimizer of its own: make a new one. Received: a discriminator_optimizer"
    with pytest.raises(ValueError, match=message):
        gan.compile(one, one)
    other = keras.optimizers.SGD(0.1)
    gan.compile(other)
    gan.compile(other)  # the same network's
    with pytest.raises(ValueError, match="Received: a generator_optimizer that was built for oth"):
        build().compile(other)
