"""Exports a GAN for TF Serving: python -m export --preset=NAME|--run=WORKDIR --to=DIR

Writes DIR/<model>/<version>/, the next free version. Serve it with: python -m serving --models=DIR

With --format=onnx, openvino or litert it writes DIR/<model>/<format>/<version>/ for that runtime,
and measures there how far the images are from the model's. zoo.runtime(FOLDER) runs it without
TensorFlow.

python -m export serving_config --models=DIR --to=DIR writes the files that TF Serving reads.
"""

import argparse
import pathlib
from collections.abc import Sequence

from export import serving_config
from zoo.core import sources
from zoo.core.commands import Parser, quiet_tensorflow, run


def _parser() -> Parser:
    usage = "%(prog)s [--flag=value ...]\n       %(prog)s serving_config [--flag=value ...]"
    parser = Parser("python -m export", __doc__, usage=usage)
    parser.add_argument(
        "--preset", metavar="NAME", help="a preset's name, folder or address, as zoo.load takes it"
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
        help="what to write",
    )
    parser.add_argument(
        "--float16",
        action="store_true",
        help="store the weights in half the bytes; not for a saved_model",
    )
    parser.set_defaults(act=_export)
    commands = parser.add_subparsers(metavar="COMMAND", title="another command")
    config = commands.add_parser(
        "serving_config",
        help="write the files that TF Serving reads",
        prog="python -m export serving_config",
        description=(
            "Writes models.config, batching.config and monitoring.config for TF Serving.\n\n"
            "A model without a label is served in its latest version, a model with labels in the\n"
            "versions that they name. serving/deploy/ has what else a deployment needs."
        ),
    )
    config.add_argument(
        "--models", required=True, metavar="DIR", help="the folder that models were exported into"
    )
    config.add_argument("--to", required=True, metavar="DIR", help="the folder of the files")
    config.add_argument(
        "--base_path",
        metavar="PATH",
        help="where TF Serving finds the models, a folder or a URI (default: where they are now)",
    )
    config.add_argument(
        "--label",
        action="append",
        metavar="MODEL:LABEL=VERSION",
        help="serve this version under this label; may be repeated",
    )
    config.set_defaults(act=_serving_config)
    return parser


def _serving_config(args: argparse.Namespace) -> None:
    for file in serving_config.write(args.models, args.to, args.base_path, args.label or ()):
        print(f"Wrote {file}")


def _export(args: argparse.Namespace) -> None:
    if bool(args.preset) == bool(args.run) or not args.to:
        raise ValueError(
            "Give --to=DIR and one of --preset=NAME and --run=WORKDIR. See python -m export --help."
        )
    if args.float16 and args.format == "saved_model":
        raise ValueError(
            "--float16 is for --format=onnx, openvino or litert. Received: --format=saved_model."
        )
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
        use = f"Serve it with: python -m serving --models={version.parent.parent}"
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
    run(lambda: args.act(args))


if __name__ == "__main__":
    main()
