"""Trains a GAN: python -m trainers --preset=NAME --dataset=NAME --workdir=DIR --steps=N

Data sets: sample:fashion_mnist (ships with the project), any TFDS name, or a folder of images.
The same command again goes on where it stopped.
"""

import dataclasses

from absl import flags

from zoo.core.commands import quiet_tensorflow, run_with_flags


def _define_flags() -> None:
    flags.DEFINE_string("recipe", None, "A whole recipe by name; each flag overrides it.")
    flags.DEFINE_string("preset", None, "Architecture to train, from fresh weights.")
    flags.DEFINE_string(
        "dataset", None, "sample:fashion_mnist, a TFDS name, or a folder of images."
    )
    flags.DEFINE_string(
        "task",
        None,
        "What makes the pairs of an image-to-image GAN from any images: colorize, inpaint, "
        "denoise, derain, deblur, edges_to_photo or super_resolve.",
    )
    flags.DEFINE_bool(
        "reverse",
        None,
        "Swap the two images of each pair: learn to make the source of the target [no].",
    )
    flags.DEFINE_bool(
        "jitter",
        None,
        "Enlarge and crop images at random, from image to image; --nojitter only mirrors them, "
        "which keeps small ones sharp [yes].",
    )
    flags.DEFINE_string("workdir", None, "Where checkpoints, preset, report and logs go.")
    flags.DEFINE_integer("steps", None, "Generator updates in all.")
    flags.DEFINE_integer("batch_size", None, "Of all replicas together [128].")
    flags.DEFINE_integer("seed", None, "Of weights, data order and every draw [0].")
    flags.DEFINE_integer(
        "accumulate", None, "Parts into which a replica's batch is cut, to save memory [1]."
    )
    flags.DEFINE_enum("mixed_precision", None, ["float16", "bfloat16"], "[float32 throughout]")
    flags.DEFINE_bool("deterministic", None, "Deterministic kernels: slower on a GPU [no].")
    flags.DEFINE_enum("jit_compile", None, ["auto", "on", "off"], "XLA; auto: with one GPU [auto].")
    flags.DEFINE_enum(
        "strategy",
        None,
        ["auto", "one", "mirrored", "multi_worker"],
        "Devices to train on; several machines: see trainers/cluster/README.md [auto].",
    )
    flags.DEFINE_float(
        "worker_timeout", None, "Seconds that several workers wait for each other [300]."
    )
    flags.DEFINE_string("data_dir", None, "Where TFDS keeps its data sets.")
    flags.DEFINE_integer("checkpoint_every", None, "In steps [1000].")
    flags.DEFINE_float("checkpoint_minutes", None, "A checkpoint at least this often [15].")
    flags.DEFINE_integer("keep", None, "Newest checkpoints to keep [3].")
    flags.DEFINE_integer("sample_every", None, "A sample grid, in steps [500].")
    flags.DEFINE_integer("log_every", None, "A point in the curves, in steps [50].")
    flags.DEFINE_integer(
        "evaluate_every", None, "Metrics against the test split, in steps; 0 for none [0]."
    )
    flags.DEFINE_integer("evaluate_images", None, "How many of either side [5000].")
    flags.DEFINE_string("evaluate_dataset", None, "Whose test split [that of --dataset].")
    flags.DEFINE_bool("accept_changes", False, "Resume with other values than the run had.")
    flags.DEFINE_bool("dry_run", False, "Measure a few steps, say what the run would cost, stop.")
    flags.DEFINE_integer("profile", 0, "Steps to profile, for TensorBoard.", lower_bound=0)


def _train() -> None:
    quiet_tensorflow()
    from trainers.dry_run import dry_run
    from trainers.loop import train
    from trainers.recipes import get_recipe
    from trainers.run import Run

    given = {
        field.name: flags.FLAGS[field.name].value
        for field in dataclasses.fields(Run)
        if field.name in flags.FLAGS and flags.FLAGS[field.name].value is not None
    }
    if "recipe" in given:
        given = get_recipe(given["recipe"]) | given
    if flags.FLAGS.dry_run:
        given.setdefault("workdir", "")
    missing = [name for name in ("preset", "dataset", "workdir", "steps") if name not in given]
    if missing:
        raise ValueError(
            f"Give {' and '.join('--' + name for name in missing)}"
            + ("" if "recipe" in given else ", or a --recipe and a --workdir")
            + ". See python -m trainers --help."
        )
    run = Run(**given)
    if flags.FLAGS.dry_run:
        dry_run(run)
    else:
        train(run, accept_changes=flags.FLAGS.accept_changes, profile=flags.FLAGS.profile)


def main() -> None:
    """Console entry point."""
    run_with_flags(_define_flags, _train)


if __name__ == "__main__":
    main()
