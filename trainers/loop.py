"""Trains one run: data + strategy + model + callbacks -> `model.fit`."""

import contextlib
import dataclasses
import functools
import pathlib
import re
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import zoo
from trainers import callbacks, data, precision
from trainers.autosave import SaveCheckpoints
from trainers.best import Evaluate, Measure, best_of, measure_of
from trainers.checkpoint import CheckpointError, Checkpoints
from trainers.data.fingerprint import fingerprint
from trainers.data.survey import Survey, as_they_will_be
from trainers.defaults import build, fill_in
from trainers.journal import Journal
from trainers.parts import Part, parts_of
from trainers.report import write_report
from trainers.report.diagnosis import Copies
from trainers.run import JIT, Run, defaults_of
from trainers.session import Session
from trainers.strategy import (
    agree,
    distribute,
    is_chief,
    lost_worker,
    make_strategy,
    sum_over_workers,
    worker,
)
from trainers.workdir import (
    ABOUT,
    CONFIG,
    check_same_data,
    check_same_run,
    environment,
    locked,
)
from zoo.core import sources
from zoo.core.commands import tell
from zoo.core.image_to_image import SHEET_ROWS
from zoo.core.storage import write_json
from zoo.core.weights import trainable_parameters

# Number of real images that sample grids are compared with.
COMPARED = 256
# Up to this set size, sample grids are compared with all images, since small sets get memorised.
SMALL = 5000


# Fields that must not change on a resume, because they determine the result.
IDENTITY = (
    "preset",
    "family",
    "dataset",
    "task",
    "reverse",
    "jitter",
    "batch_size",
    "batch_sizes",
    "seed",
    "alternate",
    "accumulate",
    "mixed_precision",
)


def train(run: Run, *, accept_changes: bool = False, profile: int = 0) -> zoo.GAN:
    """Trains, or resumes training, until `run.steps`.

    Args:
        run: The run.
        accept_changes: Whether a resumed run may have changed settings (never another preset).
        profile: Number of steps to profile.

    Returns:
        The trained model.

    Raises:
        ValueError: The run, its data or its workdir is invalid; nothing is written in that case.
            Or, during training, data cannot be read or a worker is lost.
        CheckpointError: The last checkpoint cannot be written.
        TrainingDiverged: A loss or a weight is no longer finite.
        zoo.core.commands.Stopped: After SIGINT or SIGTERM, once a checkpoint has been written.
    """
    run.check()
    run, pictures = fill_in(run)
    workdir = pathlib.Path(run.workdir)
    identity = {name: getattr(run, name) for name in IDENTITY}
    changes = check_same_run(
        workdir,
        identity,
        config=run.config,
        defaults=defaults_of(run),
        accept_changes=accept_changes,
    )
    gan, images, strategy, parts = prepare(run, pictures)
    try:
        _train(run, gan, images, strategy, parts, changes, accept_changes, profile)
    except tf.errors.OpError as error:
        lost = lost_worker(strategy, error)
        if not lost:
            raise
        raise ValueError(lost) from error
    return gan


def _train(
    run: Run,
    gan: zoo.GAN,
    images: data.ImageSet,
    strategy: tf.distribute.Strategy,
    parts: list[Part],
    changes: list[str],
    accept_changes: bool,
    profile: int,
) -> None:
    """Everything after loading the data."""
    workdir = pathlib.Path(run.workdir)

    def batches_of(part: Part, step: int, share: tuple[int, int] = (0, 1)) -> tf.data.Dataset:
        return images.batches(
            part.batch_size,
            seed=run.seed,
            start_step=part.batch_of(step),
            share=share,
            **labels_of(gan),
        )

    for part in parts:
        batches_of(part, part.start)  # raises here if invalid, before anything is written
    chief = is_chief(strategy)
    measure = _measure(run, gan, images) if run.evaluate_every and chief else None
    with contextlib.ExitStack() as stack:
        if chief:
            stack.enter_context(locked(workdir))
            sources.sweep(workdir / "preset")
            sources.sweep(workdir / "best")
        checkpoints = Checkpoints(
            workdir / "checkpoints",
            gan,
            keep=run.keep,
            writes=chief,
            find_best=functools.partial(best_of, workdir),
        )
        stack.callback(checkpoints.close)  # before the lock is released
        start = checkpoints.restore()
        _check_one_workdir(strategy, workdir, start)
        if start >= run.steps:
            tell(f"Done: {workdir} is at step {start}, and --steps={run.steps}. Nothing to do.")
            return
        if chief:
            about = {"name": run.name, **_about(gan, images, strategy)}
            if start:
                changes += check_same_data(workdir, about, accept_changes=accept_changes)
            if changes:
                changed = f"Changed on this resume: {'; '.join(changes)}"
                tell(changed)
                Journal(workdir, start).event(start, "changed", changed)
            write_json(workdir / CONFIG, dataclasses.asdict(run))
            write_json(workdir / ABOUT, about)
        tell(
            f"{run.name} on {images.count} images of {run.dataset} in {workdir}, "
            f"step {start} to {run.steps}, batch {', '.join(map(_size_of, parts))}, "
            f"{strategy.num_replicas_in_sync} replica(s)"
        )
        if start == 0 and gan.takes == "images":
            pixels = images.images.batch(256).map(lambda image, _: tf.cast(image, tf.float32))
            gan.adapt(pixels.map(lambda image: image / 127.5 - 1.0))

        def batches(part: Part) -> tf.data.Dataset | tf.distribute.DistributedDataset:
            step = max(part.start, start)
            return distribute(strategy, lambda share: batches_of(part, step, share))

        logs = str(workdir / "logs")
        writer = tf.summary.create_file_writer(logs) if chief else tf.summary.create_noop_writer()
        session = Session(
            run=run,
            gan=gan,
            images=images,
            strategy=strategy,
            parts=parts,
            checkpoints=checkpoints,
            start=start,
            journal=Journal(workdir, start, writes=chief),
            writer=writer,
        )
        _fit(session, batches, measure, profile)


def _size_of(part: Part) -> str:
    if part.resolution is None:
        return str(part.batch_size)
    return f"{part.batch_size} at {part.resolution} px from step {part.start}"


def prepare(
    run: Run, pictures: Survey | None = None
) -> tuple[zoo.GAN, data.ImageSet, tf.distribute.Strategy, list[Part]]:
    """Builds the compiled model under its strategy and loads the data; writes nothing.

    Also returns the parts of the run.

    Args:
        run: As `fill_in` returns it.
        pictures: Printed, together with the size they will have.
    """
    strategy = make_strategy(run.strategy, worker_timeout_s=run.worker_timeout)
    shares = strategy.num_replicas_in_sync * run.accumulate
    precision.warn_if_slow(run.mixed_precision)
    if run.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(run.seed)
    with strategy.scope(), _dtype_policy(run.mixed_precision):
        gan = build(run)
        gan.compile(
            alternate=run.alternate,
            seed=run.seed,
            accumulate=run.accumulate,
            jit_compile=JIT[run.jit_compile],
        )
    parts = parts_of(run.steps, run.batch_size, run.batch_sizes, getattr(gan, "schedule", None))
    for part in parts:
        if part.batch_size % shares:
            raise ValueError(
                f"batch_size must be a multiple of the {strategy.num_replicas_in_sync} replicas "
                f"times accumulate={run.accumulate}. Received: {part.batch_size}."
            )
        gan.check_batch_size(part.batch_size // shares)
    if pictures:
        tell(as_they_will_be(pictures, gan))
    images = data.load_for(
        gan,
        run.dataset,
        split="train",
        task=run.task,
        reverse=run.reverse,
        jitter=run.jitter,
        data_dir=run.data_dir,
    )
    if gan.takes != "images":
        gan.examples = examples_of(images)
    if gan.num_classes and images.num_classes != gan.num_classes:
        raise ValueError(
            f"{run.name!r} is trained on images of {gan.num_classes} classes. Received: "
            f"{run.dataset!r}, which has {images.num_classes or 'no labels'}. Choose another data "
            f"set, or give --set num_classes={images.num_classes or '...'}."
        )
    return gan, images, strategy, parts


def labels_of(gan: zoo.GAN) -> dict[str, bool]:
    """Extra arguments for `batches` of a set: labels if the model takes them."""
    return {"labels": True} if gan.num_classes else {}


def examples_of(images: Any) -> tuple[np.ndarray, np.ndarray]:
    """The first rows of a two-image set, for the sample sheet of an image-to-image GAN."""
    first, second = zip(*images.images.take(SHEET_ROWS).as_numpy_iterator(), strict=True)
    return np.stack(first), np.stack(second)


def _measure(run: Run, gan: zoo.GAN, images: Any) -> Measure:
    try:
        return measure_of(
            gan,
            run.evaluate_dataset or run.dataset,
            num_images=run.evaluate_images,
            trained_on=_card(run, images, 0)["dataset"],
            workdir=run.workdir,
            task=run.task,
            reverse=run.reverse,
            data_dir=run.data_dir,
        )
    except ValueError as error:
        raise ValueError(
            f"evaluate_every={run.evaluate_every} needs a test split that the model is not trained "
            f"on: give evaluate_dataset, or evaluate_every=0. {error}"
        ) from error


def _check_one_workdir(strategy: tf.distribute.Strategy, workdir: pathlib.Path, start: int) -> None:
    """Raises on every worker if they do not see the same checkpoints."""
    _, workers = worker(strategy)
    elsewhere = sum_over_workers(strategy, start) != workers * start
    if agree(strategy, elsewhere):
        raise ValueError(
            "All workers must see one workdir, on a disk that they share. Received: "
            f"{workdir.absolute()}, at step {start} here and at another step elsewhere."
        )


@contextlib.contextmanager
def _dtype_policy(mixed: str | None):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(f"mixed_{mixed}" if mixed else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _fit(
    session: Session,
    batches: Callable[[Part], tf.data.Dataset | tf.distribute.DistributedDataset],
    measure: Measure | None,
    profile: int,
) -> None:
    """Trains to the end. Runs on every worker; only the chief writes."""
    run, gan, journal, start = session.run, session.gan, session.journal, session.start
    journal.event(start, "resumed" if start else "started", f"step {start} to {run.steps}")
    with contextlib.ExitStack() as closing:
        closing.callback(_close, session.writer)
        first = [callbacks.StopOnNaN(session), callbacks.Log(session)]
        if session.parts[0].resolution is not None:
            first.append(callbacks.Stages(session))
        chiefs = _chiefs_callbacks(session, profile, closing) if session.chief else []
        if measure:
            chiefs.append(Evaluate(session, measure))
        saver = _saver(session)
        try:
            with session.stop:
                for part in session.parts:
                    if part.end > start:
                        gan.fit(
                            batches(part),
                            steps_per_epoch=part.end - max(part.start, start),
                            shuffle=False,  # the batches are already shuffled
                            verbose=0,
                            callbacks=[*first, *chiefs, saver],
                        )
        except (callbacks.TrainingDiverged, CheckpointError, KeyboardInterrupt) as end:
            # Training survives a checkpoint that fails, except for the last one.
            names = {callbacks.TrainingDiverged: "diverged", CheckpointError: "not_saved"}
            event = names.get(type(end), "interrupted")
            journal.event(int(gan.steps.numpy()), event, str(end))
            _write_last_report(session)
            raise
        except tf.errors.OpError as error:
            event, message = _explain(error, session)
            if not event:
                raise
            journal.event(int(gan.steps.numpy()), event, message)
            _write_last_report(session)
            raise (
                data.DataError(message) if event == "data_failed" else ValueError(message)
            ) from error
    journal.event(run.steps, "finished", f"step {run.steps}")
    _write_last_report(session)
    if session.chief:
        tell(f"Wrote {session.workdir}: report.html, preset/, checkpoints/, samples/, logs/")
    agree(session.strategy, False)  # TensorFlow ends the other workers if one exits early


def _saver(session: Session) -> SaveCheckpoints:
    workdir = session.workdir
    if session.chief:
        # Computed now, so that a later read error cannot prevent a checkpoint.
        session.images.sketch  # noqa: B018

    def save_preset(preset: zoo.GAN, step: int) -> None:
        card = _card(session.run, session.images, step)
        preset.save_to_preset(workdir / "preset", card=card)
        best = best_of(workdir, [*session.checkpoints.steps(), step])
        if best and best["step"] == step:
            preset.save_to_preset(workdir / "best", card=card)

    beside = build(session.run) if session.chief else None
    if session.chief and session.gan.takes != "images":
        beside.examples = session.gan.examples
    report = functools.partial(write_report, workdir)
    return SaveCheckpoints(session, preset=beside, save_preset=save_preset, report=report)


def _chiefs_callbacks(
    session: Session, profile: int, closing: contextlib.ExitStack
) -> list[keras.callbacks.Callback]:
    """Callbacks of the chief only: everything that a user sees."""
    with session.writer.as_default(step=session.start):
        for name in (CONFIG, ABOUT):
            content = (session.workdir / name).read_text(encoding="utf-8")
            tf.summary.text(name, f"```\n{content}\n```")
    progress = callbacks.Progress(session)
    closing.callback(progress.close)
    real = copies = None
    if session.gan.takes == "images":
        batches = session.images.images.map(lambda image, _: image).batch(COMPARED)
        real = next(batches.as_numpy_iterator())
        if 1 < session.images.count <= SMALL:
            copies = Copies(batches.as_numpy_iterator())
    chiefs = [callbacks.Compiling(), progress, callbacks.SampleGrids(session, real, copies)]
    if profile:
        profiler = callbacks.Profile(session, profile)
        closing.callback(profiler.close)
        chiefs.append(profiler)
    return chiefs


def _explain(error: tf.errors.OpError, session: Session) -> tuple[str, str]:
    """(event, message for the user) for an error from `fit`; empty strings if it is a bug."""
    lost = lost_worker(session.strategy, error)
    if lost:
        return "worker_lost", lost
    of_device = isinstance(error, (tf.errors.ResourceExhaustedError, tf.errors.InternalError))
    if of_device or "IteratorGetNext" not in str(error):
        return "", ""
    # No checkpoint now: ops that do not depend on the images have already run this step.
    lines = [line.strip() for line in error.message.splitlines()]
    # TensorFlow's message lists the graph before the reason.
    reasons = [line for line in lines if re.match(r"[\w.]*(Error|Exception): ", line)]
    reason = (reasons or [line for line in lines if line])[0]
    return "data_failed", (
        f"The data could not be read at step {int(session.gan.steps.numpy()) + 1}: {reason}. "
        f"{session.checkpoints.describe_last_good()}"
    )


def _write_last_report(session: Session) -> None:
    """Writes the report with the run's end; an error here must not hide how the run ended."""
    try:
        session.checkpoints.wait()
        if session.chief:
            write_report(session.workdir)
    except (ValueError, OSError) as error:
        tell(f"warning: no report of the run's end was written: {error}", file=sys.stderr)


def _close(writer: tf.summary.SummaryWriter) -> None:
    try:
        writer.close()
    except tf.errors.OpError as error:  # a full disk
        tell(f"warning: TensorBoard's files: {error.message}", file=sys.stderr)


def _about(gan: zoo.GAN, images: data.ImageSet, strategy: tf.distribute.Strategy) -> dict[str, Any]:
    """The model, data and environment of a run, for its report."""
    return {
        **environment(),
        "config": gan.get_config(),
        "replicas": strategy.num_replicas_in_sync,
        "data": {
            "spec": images.spec,
            "source": images.source,
            "split": images.split,
            "count": images.count,
            "num_classes": images.num_classes,
            "licence": images.licence,
            "skipped": list(images.skipped),
            "fingerprint": fingerprint(images),
        },
        "parameters": {
            network.name: trainable_parameters(network)
            for network in (gan.generator, gan.discriminator)
        },
    }


def _card(run: Run, images: data.ImageSet, step: int) -> dict[str, Any]:
    """The card of a run's preset."""
    sizes = {str(resolution): size for resolution, size in (run.batch_sizes or {}).items()}
    return {
        "name": run.name,
        "dataset": {
            "name": images.source,
            "split": images.split,
            "images": images.count,
            "licence": images.licence,
            "sketch": images.sketch,
        },
        "training": {
            "recipe": run.recipe,
            "steps": step,
            "batch_size": run.batch_size,
            **({"batch_sizes": sizes} if sizes else {}),
            "seed": run.seed,
            **({"task": run.task} if run.task else {}),
            **({"reverse": True} if run.reverse else {}),
            **({} if run.jitter else {"jitter": False}),
        },
        "versions": {
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
    }
