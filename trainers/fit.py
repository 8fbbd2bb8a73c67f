"""One run: data + strategy + model + callbacks -> `model.fit`."""

import dataclasses
import json
import pathlib
from typing import Any

import keras
import tensorflow as tf

import zoo
from trainers import callbacks, data
from trainers.checkpoint import Checkpoints
from trainers.strategy import make_strategy
from zoo.presets import write_json

CONFIG_FILE = "config.json"


@dataclasses.dataclass(frozen=True)
class Run:
    """Everything that a run is a function of, and where it goes.

    Attributes:
        preset: Name of the architecture; trained from fresh weights.
        dataset: What `trainers.data.load` reads.
        workdir: Checkpoints, preset, samples and logs; a run is resumed from it.
        steps: Generator updates in all, earlier ones counted in.
        batch_size: Of all replicas together.
        seed: Of initial weights, data order and every draw.
        strategy: One of `trainers.strategy.STRATEGIES`.
        recipe: The recipe that this came from, for the record.
        data_dir: Where TFDS keeps its sets; its own place by default.
        checkpoint_every, sample_every, log_every: In steps.
    """

    preset: str
    dataset: str
    workdir: str
    steps: int
    batch_size: int = 128
    seed: int = 0
    strategy: str = "auto"
    recipe: str | None = None
    data_dir: str | None = None
    checkpoint_every: int = 1000
    sample_every: int = 500
    log_every: int = 50


# A resumed run must agree on these: they decide what it computes.
IDENTITY = ("preset", "dataset", "batch_size", "seed")


def train(run: Run) -> zoo.GAN:
    """Trains, or goes on training, until `run.steps`.

    Returns:
        The trained model.

    Raises:
        ValueError: Anything about the run, its data or its workdir that does not fit; nothing has
            been written then.
        TrainingDiverged: A loss or a weight is no longer finite.
        KeyboardInterrupt: After Ctrl-C, once a checkpoint has been written.
    """
    for name in ("steps", "batch_size", "checkpoint_every", "sample_every", "log_every"):
        if getattr(run, name) < 1:
            raise ValueError(f"{name} must be at least 1. Received: {getattr(run, name)}.")
    workdir = pathlib.Path(run.workdir)
    _check_workdir(run, workdir)
    strategy = make_strategy(run.strategy)
    if run.batch_size % strategy.num_replicas_in_sync:
        raise ValueError(
            f"batch_size must be a multiple of the {strategy.num_replicas_in_sync} replicas. "
            f"Received: {run.batch_size}."
        )

    keras.utils.set_random_seed(run.seed)
    with strategy.scope():
        gan = zoo.load(run.preset, load_weights=False)
        gan.compile(seed=run.seed)
    height, _, channels = gan.image_shape
    images = data.load(
        run.dataset, split="train", resolution=height, channels=channels, data_dir=run.data_dir
    )
    checkpoints = Checkpoints(workdir / "checkpoints", gan)
    start = checkpoints.restore()
    if start >= run.steps:
        print(f"Done: {workdir} is at step {start} of {run.steps}. Nothing to do.")
        return gan
    batches = data.batches(images, run.batch_size, seed=run.seed, start_step=start)

    workdir.mkdir(parents=True, exist_ok=True)
    write_json(workdir / CONFIG_FILE, dataclasses.asdict(run))
    print(
        f"{run.preset} on {images.count} images of {run.dataset} in {workdir}, "
        f"step {start} to {run.steps}, batch {run.batch_size}, "
        f"{strategy.num_replicas_in_sync} replica(s)"
    )

    def save_preset(step: int) -> None:
        gan.save_to_preset(workdir / "preset", card=_card(run, images, step))

    writer = tf.summary.create_file_writer(str(workdir / "logs"))
    saver = callbacks.SaveCheckpoints(
        start, run.steps, run.checkpoint_every, checkpoints, save_preset
    )
    progress = callbacks.Progress(start, run.steps, run.batch_size)
    try:
        gan.fit(
            batches,
            steps_per_epoch=run.steps - start,
            shuffle=False,  # the batches are shuffled already
            verbose=0,
            callbacks=[
                callbacks.StopOnNaN(start, run.steps, checkpoints),
                progress,
                callbacks.SampleGrids(
                    start, run.steps, run.sample_every, workdir / "samples", writer
                ),
                callbacks.Log(start, run.steps, run.log_every, run.batch_size, writer),
                saver,
            ],
        )
    except KeyboardInterrupt:
        step = int(gan.steps.value)
        if step > start:
            saver.save(step)
        raise KeyboardInterrupt(
            f"Interrupted at step {step} of {run.steps}. The same command goes on from there."
        ) from None
    finally:
        progress.close()
        writer.close()
    print(f"Wrote {workdir}: checkpoints/, preset/, samples/, logs/")
    return gan


def _check_workdir(run: Run, workdir: pathlib.Path) -> None:
    """Refuses to go on with a run that was another one."""
    path = workdir / CONFIG_FILE
    if not path.is_file():
        return
    try:
        earlier = json.loads(path.read_text())
        differences = [
            f"{name} {earlier[name]!r}, now {getattr(run, name)!r}"
            for name in IDENTITY
            if earlier[name] != getattr(run, name)
        ]
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path} must be what a run wrote. Received: {error!r}.") from None
    if differences:
        raise ValueError(
            f"{workdir} holds another run: {'; '.join(differences)}. "
            "Give the same values to go on with it, or another --workdir."
        )


def _card(run: Run, images: data.ImageSet, step: int) -> dict[str, Any]:
    """What a run's preset says of itself."""
    return {
        "name": run.preset,
        "dataset": {
            "name": images.source,
            "split": images.split,
            "images": images.count,
            "licence": images.licence,
        },
        "training": {
            "recipe": run.recipe,
            "steps": step,
            "batch_size": run.batch_size,
            "seed": run.seed,
        },
        "versions": {
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
    }
