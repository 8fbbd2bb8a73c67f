"""Serves SavedModels over TF Serving's gRPC and REST APIs.

    python -m serving --models=DIR --port=8500
    python -m serving --model_name=NAME --model_base_path=DIR
    python -m serving --model_config_file=FILE --rest_api_port=8501

Every DIR/<model>/<version>/ is served, the latest version of each model. New versions are found
within a second and replace the old ones without a failed request. The port opens when each model
has been tried, and one line names the address. SIGTERM or Ctrl-C stops the server: it answers what
has come.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from serving.server.base_path import check_models, described
from serving.server.flags import parser as _parser_of
from serving.server.port import check_port
from serving.server.status import StartError


def _parser() -> argparse.ArgumentParser:
    return _parser_of(__doc__)


def _serve(args: argparse.Namespace) -> None:
    # Until the server handles signals, one just ends the start.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if args.version:
        print(f"gan-zoo {metadata.version('gan-zoo')}, TensorFlow {metadata.version('tensorflow')}")
        return
    try:
        _check_models(args)
        check_port(args.host, args.port)
        if args.rest_api_port:
            check_port(args.host, args.rest_api_port, "--rest_api_port")
        with _no_import_notes():
            from serving.server import app
        asyncio.run(app.serve(args))
    except StartError as error:
        _fail(str(error))
    except ImportError as error:
        _fail(
            "The server needs its extra. Install it from the clone: pip install '.[serve]' (or a "
            f"wheel's path in place of the dot). Received: {error}"
        )
    except KeyboardInterrupt:
        _fail("Stopped before it served")


def _check_models(args: argparse.Namespace) -> None:
    if args.model_config_file:
        if not Path(args.model_config_file).is_file():
            raise StartError(
                f"--model_config_file must be a file. Received: {described(args.model_config_file)}"
            )
    elif args.model_base_path:
        if not Path(args.model_base_path).is_dir():
            raise StartError(
                f"--model_base_path must be a folder of <version>/. Received:"
                f" {described(args.model_base_path)}"
            )
    elif args.models:
        check_models(args.models)
    else:
        raise StartError(
            "Give --models=DIR, a folder of <model>/<version>/ (`python -m export` writes them),"
            " --model_base_path or --model_config_file. See python -m serving --help"
        )


@contextlib.contextmanager
def _no_import_notes() -> Iterator[None]:
    """Keeps TensorFlow's start-up notes off stderr, where they would hide the server's own lines.

    They are written below Python, before TF_CPP_MIN_LOG_LEVEL is looked at. An exception is
    raised and seen as ever.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
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
