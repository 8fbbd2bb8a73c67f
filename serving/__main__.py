"""Serves every DIR/<model>/<version>/ over TF Serving's gRPC API.

    python -m serving --models=DIR --port=8500

The latest version of each model is loaded, then the port opens and one line names the address.
SIGTERM or Ctrl-C stops it: requests in flight are finished first.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

from serving.parsing import Parser, boolean, integer
from serving.server.folders import find_models
from serving.server.port import check_port
from serving.server.status import StartError


def _parser() -> Parser:
    parser = Parser("serving", __doc__)
    models = parser.add_argument_group("models")
    models.add_argument("--models", metavar="DIR", help="folder of <model>/<version>/ SavedModels")
    network = parser.add_argument_group("network")
    network.add_argument(
        "--port",
        type=integer(0, 65535),
        default=8500,
        metavar="N",
        help="port of the gRPC API; 0 takes a free one (default: %(default)s)",
    )
    network.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 answers other machines too (default: %(default)s)",
    )
    batching = parser.add_argument_group("batching")
    batching.add_argument(
        "--enable_batching",
        type=boolean,
        nargs="?",
        const=True,
        default=True,
        metavar="true|false",
        help="join waiting requests into batches; --noenable_batching does not (default: true)",
    )
    batching.add_argument(
        "--noenable_batching",
        dest="enable_batching",
        action="store_false",
        default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
    )
    batching.add_argument(
        "--max_batch_size",
        type=integer(1),
        default=32,
        metavar="N",
        help="largest number of rows in a batch (default: %(default)s)",
    )
    return parser


def _serve(args: argparse.Namespace) -> None:
    # Until the server handles signals, one just ends the start.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not args.models:
        _fail(
            "Give --models=DIR, a folder of <model>/<version>/ (`python -m export` writes them)."
            " See python -m serving --help"
        )
    try:
        folders = find_models(args.models)
        check_port(args.host, args.port)
        with _no_import_notes():
            from serving.server import app as server
        models = server.load(folders)
        asyncio.run(
            server.serve(
                models,
                args.host,
                args.port,
                enable_batching=args.enable_batching,
                max_batch_size=args.max_batch_size,
            )
        )
    except StartError as error:
        _fail(str(error))
    except ImportError as error:
        _fail(f"The server needs its extra: pip install 'gan-zoo[serve]'. Received: {error}")
    except KeyboardInterrupt:
        _fail("Stopped before it served")


@contextlib.contextmanager
def _no_import_notes() -> Iterator[None]:
    """Keeps TensorFlow's start-up notes off stderr, where they would hide the server's own lines.

    They are written below Python, before TF_CPP_MIN_LOG_LEVEL is looked at. An exception is
    raised and seen as ever.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 2)
    try:
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _fail(message: str) -> NoReturn:
    print(f"serving: {message}", file=sys.stderr)
    sys.exit(1)


def main(argv: Sequence[str] | None = None) -> None:
    """The command `python -m serving`; `argv` is the command line's by default."""
    _serve(_parser().parse_args(argv))


if __name__ == "__main__":
    main()
