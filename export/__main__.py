"""Exports a GAN for TF Serving: python -m export --preset=NAME|--run=WORKDIR --to=DIR

Writes DIR/<model>/<version>/, the next free version. Serve it with: python -m serving --models=DIR
"""

import pathlib

from absl import flags

from zoo.core.commands import quiet_tensorflow, run_with_flags


def _define_flags() -> None:
    flags.DEFINE_string("preset", None, "A preset: name, folder, hf://... or gs://...")
    flags.DEFINE_string("run", None, "The workdir of a training run.")
    flags.DEFINE_string("to", None, "Folder of models to export into.")
    flags.DEFINE_string("name", None, "The model's name for its clients [the preset's].")


def _export() -> None:
    f = flags.FLAGS
    if bool(f.preset) == bool(f.run) or not f.to:
        raise ValueError(
            "Give --to=DIR and one of --preset=NAME and --run=WORKDIR. See python -m export --help."
        )
    if f.run and not (pathlib.Path(f.run) / "preset").is_dir():
        raise ValueError(
            f"--run must be a workdir in which a run has left preset/. Received: {f.run}."
        )
    source = f.preset or str(pathlib.Path(f.run) / "preset")
    quiet_tensorflow()
    import zoo
    from export.saved_model import export

    gan = zoo.load(source)
    name = f.name or str((gan.card or {}).get("name", pathlib.Path(source).name))
    version = export(gan, f.to, name, source=f.preset or f.run)
    print(f"Wrote {version}")
    print(f"Serve it with: python -m serving --models={f.to}")


def main() -> None:
    """Console entry point."""
    run_with_flags(_define_flags, _export)


if __name__ == "__main__":
    main()
