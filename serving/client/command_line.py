"""The client on the command line.

python -m serving.client generate MODEL --server=localhost:8500 --n=16 --seed=0 --out=DIR
python -m serving.client generate MODEL --labels=0,1,2 --truncation=.7
python -m serving.client translate MODEL IN --out=OUT.png --direction=b_to_a
python -m serving.client upscale MODEL IN --out=OUT.png
python -m serving.client upscale MODEL FOLDER --out=FOLDER
python -m serving.client models
python -m serving.client status MODEL
python -m serving.client metadata MODEL
python -m serving.client status MODEL --server=HOST:8500 --ca=ca.crt --cert=tls.crt --key=tls.key
"""

import argparse
import collections
import functools
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc

from serving.client import image_inputs
from serving.client.core import CHUNK_ROWS, DEFAULT_ADDRESS, DEFAULT_TIMEOUT, seed_range
from serving.client.sync import Client
from serving.errors import InvalidRequest, ServingError
from serving.parsing import Parser

# What the files of a folder are taken for pictures by.
_PICTURES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def main(argv: Sequence[str] | None = None) -> None:
    """The command `python -m serving.client`.

    Ends with 1 after an error, 2 after a mistake in the arguments, 130 after Ctrl-C.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    if (args.cert is None) != (args.key is None):
        alone = "--key" if args.cert is None else "--cert"
        parser.error(f"--cert and --key must be given together. Received: {alone} alone")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may not be UTF-8
    try:
        with Client(args.server, timeout=args.timeout, credentials=_credentials(args)) as client:
            args.run(client, args)
    except (ServingError, OSError) as error:
        sys.exit(f"serving.client: {error}")
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def _parser() -> Parser:
    parser = Parser(
        "serving.client",
        "Calls a server that has TF Serving's gRPC API, such as `python -m serving`.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="COMMAND")
    generate = _command(commands, "generate", _generate, "write n generated images as PNG files")
    generate.add_argument(
        "--n", type=int, metavar="N", help="how many images (default: 1, or one for each label)"
    )
    generate.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="image i is made from seed + i (default: a fresh one)",
    )
    generate.add_argument(
        "--labels",
        help="classes: one for all images, or --n of them, such as 0,1,2 (default: drawn from "
        "the seeds)",
    )
    generate.add_argument(
        "--truncation",
        type=float,
        metavar="X",
        help="trades variety for fidelity; 0 gives one image for each class",
    )
    generate.add_argument(
        "--out",
        type=Path,
        default=Path("."),
        metavar="DIR",
        help="folder to write into (default: the current one)",
    )
    translate = _command(commands, "translate", _translate, "translate a picture into a PNG file")
    translate.add_argument(
        "--direction", help="for a model that has several, such as b_to_a (default: the first)"
    )
    upscale = _command(commands, "upscale", _upscale, "enlarge a picture into a PNG file")
    for command in (translate, upscale):
        command.add_argument(
            "source",
            metavar="IN",
            type=Path,
            help="a PNG, a JPEG or another picture that Pillow reads, or a folder of them",
        )
        command.add_argument(
            "--out",
            type=Path,
            required=True,
            metavar="OUT",
            help="the PNG file to write; if IN is a folder, the folder to write into",
        )
    _command(commands, "models", _models, "list the server's models (TF Serving cannot)")
    _command(commands, "status", _status, "show the state of each version of a model")
    _command(commands, "metadata", _metadata, "show a model's signatures, types and shapes")
    return parser


def _command(commands, name, run, text) -> Parser:
    command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    if name != "models":
        command.add_argument("model", metavar="MODEL", help="the model's name on the server")
    command.add_argument(
        "--server",
        metavar="HOST:PORT",
        default=DEFAULT_ADDRESS,
        help="address of the server (default: %(default)s)",
    )
    command.add_argument(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help="how long to wait for an answer (default: %(default)s)",
    )
    command.add_argument(
        "--ca",
        type=_pem("CERTIFICATE"),
        metavar="FILE",
        help="certificate of the authority that signed the server's, as PEM; turns on TLS (default "
        "with --cert: the public authorities that gRPC knows)",
    )
    command.add_argument(
        "--cert",
        type=_pem("CERTIFICATE"),
        metavar="FILE",
        help="the caller's certificate, as PEM, for a server that asks for one; turns on TLS",
    )
    command.add_argument(
        "--key", type=_pem("PRIVATE KEY"), metavar="FILE", help="the key of --cert, as PEM"
    )
    command.set_defaults(run=run)
    return command


def _pem(kind: str) -> Callable[[str], bytes]:
    """The type of a flag: the content of a PEM file that holds a `kind`."""

    def read(text: str) -> bytes:
        try:
            data = Path(text).read_bytes()
        except OSError as error:
            raise argparse.ArgumentTypeError(
                f"must be a file that can be read. Received: {text!r}: {error.strerror}"
            ) from None
        if f"{kind}-----".encode() not in data:
            raise argparse.ArgumentTypeError(
                f"must be a PEM file with a {kind.lower()}. Received: {text!r}, which has none"
            )
        return data

    return read


def _credentials(args: argparse.Namespace) -> grpc.ChannelCredentials | None:
    if args.ca is None and args.cert is None:
        return None
    return grpc.ssl_channel_credentials(args.ca, args.key, args.cert)


def _generate(client: Client, args: argparse.Namespace) -> None:
    labels = _labels(args.labels)
    n, seed = seed_range(len(labels or [None]) if args.n is None else args.n, args.seed)
    if labels and len(labels) not in (1, n):
        raise InvalidRequest(
            f"--labels must be one label, or as many as --n. Received: {len(labels)} for --n={n}"
        )
    if labels and len(labels) == 1:
        labels *= n
    begun = time.monotonic()
    version = client.metadata(args.model).version  # all of one, as `Client.generate_png` does
    for at in range(0, n, CHUNK_ROWS):
        rows = min(CHUNK_ROWS, n - at)
        files = client.generate_png(
            args.model,
            rows,
            seed=seed + at,
            labels=None if labels is None else labels[at : at + rows],
            truncation=args.truncation,
            version=version,
        )
        args.out.mkdir(parents=True, exist_ok=True)
        for index, data in enumerate(files, at):
            _write(args.out / _file_name(index), data)
        if n > CHUNK_ROWS:
            _progress(begun, at + rows, n)
    if n > CHUNK_ROWS:
        print(file=sys.stderr)
    first = args.out / _file_name(0)
    names = f"1 image: {first}" if n == 1 else f"{n} images: {first} ... {_file_name(n - 1)}"
    seeds = f"seed {seed}" if n == 1 else f"seeds {seed} to {seed + n - 1}"
    print(f"Wrote {names} ({seeds})")


def _progress(begun: float, done: int, n: int) -> None:
    left = (time.monotonic() - begun) / done * (n - done)
    print(f"\r{done} of {n} images, {left:.0f} s left ", end="", file=sys.stderr)


def _translate(client: Client, args: argparse.Namespace) -> None:
    _check_source(args.source)
    if args.source.is_dir():
        made = functools.partial(client.translate_files, direction=args.direction)
        _write_folder(args, made)
        return
    _write_png(args, lambda: client.translate(args.model, args.source, direction=args.direction))


def _check_source(source: Path) -> None:
    if not source.exists():
        raise InvalidRequest(
            f"{source} does not exist. IN must be a picture, or a folder of pictures"
        )


def _upscale(client: Client, args: argparse.Namespace) -> None:
    _check_source(args.source)
    if args.source.is_dir():
        _write_folder(args, client.upscale_files)
        return
    _write_png(args, lambda: client.upscale(args.model, args.source))


def _write_folder(args: argparse.Namespace, ask: Callable) -> None:
    """Writes a PNG for each picture of a folder, and goes on after those that cannot be read."""
    paths = sorted(p for p in args.source.iterdir() if p.suffix.lower() in _PICTURES)
    names = collections.Counter(path.stem for path in paths)
    if not paths:
        raise InvalidRequest(
            f"IN must be a picture, or a folder of pictures ({', '.join(sorted(_PICTURES))})."
            f" Received: {args.source}"
        )
    args.out.mkdir(parents=True, exist_ok=True)
    begun, failed = time.monotonic(), 0
    for done, (path, made) in enumerate(ask(args.model, paths), 1):
        if isinstance(made, InvalidRequest):
            failed += 1
            print(f"\n{path}: {made}", file=sys.stderr)
        else:
            # Pictures that differ in their suffix alone keep it.
            name = path.stem if names[path.stem] == 1 else path.name
            _write(args.out / f"{name}.png", made)
        _progress(begun, done, len(paths))
    print(file=sys.stderr)
    print(f"Wrote {len(paths) - failed} of {len(paths)} pictures to {args.out}")
    if failed:
        raise InvalidRequest(f"All pictures must be readable. Received: {failed} that are not")


def _write_png(args: argparse.Namespace, ask: Callable[[], bytes]) -> None:
    if args.out.suffix.lower() != ".png":
        raise InvalidRequest(f"--out must end in .png. Received: {args.out}")
    png = ask()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    _write(args.out, png)
    width, height = image_inputs.size(png)
    print(f"Wrote {args.out}: {width}x{height} px")


def _write(path: Path, data: bytes) -> None:
    """Writes a file completely or not at all."""
    # A name may be as long as names can be: this one is short.
    fresh = path.with_name(f".unfinished-{os.getpid()}")
    try:
        fresh.write_bytes(data)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _labels(text: str | None) -> list[int] | None:
    """ "0,1,2" -> [0, 1, 2]."""
    try:
        return None if text is None else [int(part) for part in text.split(",")]
    except ValueError:
        raise InvalidRequest(
            f"--labels must be whole numbers separated by commas, such as 0,1,2. Received: {text!r}"
        ) from None


def _file_name(index: int) -> str:
    return f"{index:05d}.png"


def _models(client: Client, args: argparse.Namespace) -> None:
    for model, versions in client.models().items():
        for version in versions:
            print(f"{model} {version}")


def _status(client: Client, args: argparse.Namespace) -> None:
    for version in client.status(args.model):
        print(f"{args.model} {version}")


def _metadata(client: Client, args: argparse.Namespace) -> None:
    metadata = client.metadata(args.model)
    print(f"{metadata.model}, version {metadata.version}")
    for name, signature in metadata.signatures.items():
        inputs, outputs = (
            ", ".join(f"{key}: {spec}" for key, spec in specs.items())
            for specs in (signature.inputs, signature.outputs)
        )
        print(f"  {name}({inputs}) -> {outputs}")
