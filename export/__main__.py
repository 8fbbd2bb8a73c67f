"""Exports a GAN for TF Serving: python -m export --preset=NAME|--run=WORKDIR --to=DIR

Writes DIR/<model>/<version>/, the next free version. Serve it with: python -m serving --models=DIR
"""

import argparse
import pathlib
from collections.abc import Sequence

from zoo.core import sources
from zoo.core.commands import Parser, quiet_tensorflow, run


def _parser() -> Parser:
    parser = Parser("python -m export", __doc__)
    parser.add_argument(
        "--preset", metavar="NAME", help="a preset's name or folder, hf://user/repo or gs://..."
    )
    parser.add_argument("--run", metavar="WORKDIR", help="or the workdir of a training run")
    parser.add_argument("--to", metavar="DIR", help="the folder of models to export into")
    parser.add_argument(
        "--name", help="the model's name for its clients (default: the preset's name)"
    )
    return parser


def _export(args: argparse.Namespace) -> None:
    if bool(args.preset) == bool(args.run) or not args.to:
        raise ValueError(
            "Give --to=DIR and one of --preset=NAME and --run=WORKDIR. See python -m export --help."
        )
    source = args.preset or str(sources.of_run(args.run))
    sources.check_name(source)
    quiet_tensorflow()
    import zoo
    from export.saved_model import export

    gan = zoo.load(source)
    name = args.name or str((gan.card or {}).get("name", pathlib.Path(source).name))
    version = export(gan, args.to, name, source=args.preset or args.run)
    print(f"Wrote {version}")
    print(f"Serve it with: python -m serving --models={args.to}")


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point; `argv` is the command line's by default."""
    args = _parser().parse_args(argv)
    run(lambda: _export(args))


if __name__ == "__main__":
    main()
