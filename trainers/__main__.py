"""Trains a GAN: python -m trainers --preset=NAME --dataset=NAME --workdir=DIR --steps=N

Data sets: sample:fashion_mnist (ships with the project), any TFDS name, or a folder of images.
The same command again goes on where it stopped.
"""

from absl import app, flags

from zoo.cli import quiet_tensorflow, run

_RECIPE = flags.DEFINE_string("recipe", None, "A whole recipe by name; each flag overrides it.")
_PRESET = flags.DEFINE_string("preset", None, "Architecture to train, from fresh weights.")
_DATASET = flags.DEFINE_string(
    "dataset", None, "sample:fashion_mnist, a TFDS name, or a folder of images."
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Where checkpoints, preset, samples and logs go.")
_STEPS = flags.DEFINE_integer("steps", None, "Generator updates in all.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", None, "Of all replicas together [128].")
_SEED = flags.DEFINE_integer("seed", None, "Of weights, data order and every draw [0].")
_STRATEGY = flags.DEFINE_enum(
    "strategy", None, ["auto", "one", "mirrored"], "Devices to train on [auto]."
)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Where TFDS keeps its data sets.")
_CHECKPOINT_EVERY = flags.DEFINE_integer("checkpoint_every", None, "In steps [1000].")
_SAMPLE_EVERY = flags.DEFINE_integer("sample_every", None, "A sample grid, in steps [500].")

_FLAGS = (
    _PRESET,
    _DATASET,
    _WORKDIR,
    _STEPS,
    _BATCH_SIZE,
    _SEED,
    _STRATEGY,
    _DATA_DIR,
    _CHECKPOINT_EVERY,
    _SAMPLE_EVERY,
)


def _train() -> None:
    from trainers.recipes import get_recipe

    fields = {"recipe": _RECIPE.value, **get_recipe(_RECIPE.value)} if _RECIPE.value else {}
    fields |= {flag.name: flag.value for flag in _FLAGS if flag.value is not None}
    missing = [name for name in ("preset", "dataset", "workdir", "steps") if name not in fields]
    if missing:
        raise ValueError(
            f"Give {' and '.join('--' + name for name in missing)}"
            + ("" if _RECIPE.value else ", or a --recipe and a --workdir")
            + ". See python -m trainers --help."
        )
    quiet_tensorflow()
    from trainers.fit import Run, train

    train(Run(**fields))


def _main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Flags start with --. Received: {argv[1:]}.")
    run(_train)


def main() -> None:
    """Console entry point."""
    app.run(_main)


if __name__ == "__main__":
    main()
