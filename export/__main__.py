"""Exports a GAN for TF Serving: python -m export --preset=NAME|--run=WORKDIR --to=DIR

Writes DIR/<model>/<version>/, the next free version. Serve it with: python -m serving --models=DIR

With --format=onnx, openvino or litert it writes DIR/<model>/<format>/<version>/ for that runtime,
and measures there how far the images are from the model's. zoo.runtime(FOLDER) runs it without
TensorFlow.
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
    parser.add_argument(
        "--format",
        choices=("saved_model", "onnx", "openvino", "litert"),
        default="saved_model",
        help="what to write (default: %(default)s)",
    )
    parser.add_argument(
        "--float16",
        action="store_true",
        help="store the weights in half the bytes; not for a saved_model",
    )
    return parser


def _export(args: argparse.Namespace) -> None:
    if bool(args.preset) == bool(args.run) or not args.to:
        raise ValueError(
            "Give --to=DIR and one of --preset=NAME and --run=WORKDIR. See python -m export --help."
        )
    if args.float16 and args.format == "saved_model":
        raise ValueError("--float16 is for --format=onnx, openvino and litert.")
    source = args.preset or str(sources.of_run(args.run))
    sources.check_name(source)
    quiet_tensorflow()
    import zoo
    from export import portable, saved_model

    if args.format != "saved_model":
        portable.check_format(args.format)
    gan = zoo.load(source)
    name = args.name or str((gan.card or {}).get("name", pathlib.Path(source).name))
    origin = args.preset or args.run
    if args.format == "saved_model":
        version = saved_model.export(gan, args.to, name, source=origin)
        use = f"Serve it with: python -m serving --models={args.to}"
    else:
        version = portable.export(
            gan, args.to, name, source=origin, format=args.format, float16=args.float16
        )
        use = f"Run it with: zoo.runtime({str(version)!r})"
    print(f"Wrote {version}")
    print(use)


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point; `argv` is the command line's by default."""
    args = _parser().parse_args(argv)
    run(lambda: _export(args))


if __name__ == "__main__":
    main()
