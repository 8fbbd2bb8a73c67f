"""Serves every DIR/<model>/<version>/ over TF Serving's gRPC API.

    python -m serving --models=DIR --port=8500

The latest version of each model is loaded, then the port opens and one line names the address.
SIGTERM or Ctrl-C stops it: requests in flight are finished first.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

from serving.server.folders import find_models
from serving.server.port import check_port
from serving.server.status import StartError

try:
    from absl import app, flags
except ImportError:
    sys.exit("serving: The server needs TensorFlow and more: pip install 'gan-zoo[serve]'")


def _define_flags() -> None:
    flags.DEFINE_string("models", None, "Folder that holds <model>/<version>/ SavedModels.")
    flags.DEFINE_integer("port", 8500, "Port of the gRPC API; 0 takes a free one.", 0, 65535)
    flags.DEFINE_string(
        "host", "127.0.0.1", "Address to listen on; 0.0.0.0 answers other machines too."
    )
    flags.DEFINE_bool("enable_batching", True, "Join requests that wait into batches.")
    flags.DEFINE_integer("max_batch_size", 32, "Rows of one batch at most.", 1)
    for name in ("models", "port", "host", "enable_batching", "max_batch_size"):
        # So that --help of the console script lists them as well.
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])


def _serve(argv: list[str]) -> None:
    if argv[1:]:
        _fail(f"Every argument must be a flag, --name=value. Received: {' '.join(argv[1:])}")
    # Until the server handles signals, one just ends the start.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    values = flags.FLAGS
    if not values.models:
        _fail(
            "Give --models=DIR, a folder of <model>/<version>/ (`python -m export` writes them)."
            " See python -m serving --help"
        )
    try:
        folders = find_models(values.models)
        check_port(values.host, values.port)
        with _no_import_notes():
            from serving.server import app as server
        models = server.load(folders)
        asyncio.run(
            server.serve(
                models,
                values.host,
                values.port,
                enable_batching=values.enable_batching,
                max_batch_size=values.max_batch_size,
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


def main() -> None:
    """The command `python -m serving`."""
    _define_flags()
    app.run(_serve)


if __name__ == "__main__":
    main()
