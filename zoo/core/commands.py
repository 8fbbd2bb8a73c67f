"""What every command does alike: flags, a quiet TensorFlow, one line for an error, Ctrl-C."""

import os
import signal
import sys
from collections.abc import Callable

from absl import app, flags


class Stopped(KeyboardInterrupt):
    """A command that a signal has ended in good order; it exits with 128 + the signal's number."""

    def __init__(self, signum: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signum


def quiet_tensorflow() -> None:
    """Imports TensorFlow with oneDNN's kernels and without its start-up notes.

    (Those come before it reads its log level.)
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # On by default only where the CPU has AVX512 VNNI; with AVX2 alone it trains 1.4 times faster.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        with open(os.devnull, "wb") as devnull:
            os.dup2(devnull.fileno(), 2)
        import tensorflow  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
    from absl import logging

    logging.set_verbosity(logging.WARNING)


def run(command: Callable[[], None]) -> None:
    """Runs a command and exits: 0, 1 with `error: <what to do>`, 130 after Ctrl-C, 143 SIGTERM.

    ValueError and OSError are the user's to mend, and their messages say how; anything else is a
    defect and keeps its traceback.
    """
    # A shell that starts commands in the background makes them deaf to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        command()
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt as interrupt:
        print(f"\n{str(interrupt) or 'Interrupted.'}", file=sys.stderr)
        sys.exit(getattr(interrupt, "exit_code", 128 + signal.SIGINT))


def run_with_flags(define_flags: Callable[[], None], command: Callable[[], None]) -> None:
    """`run` for a command whose arguments are absl flags.

    Args:
        define_flags: Defines them; called here, so that importing a command's module does not
            touch the flags of another.
        command: Reads them from `flags.FLAGS`.
    """
    sys.modules["__main__"].__doc__ = sys.modules[command.__module__].__doc__  # --help shows it
    before = set(flags.FLAGS)
    define_flags()
    for name in set(flags.FLAGS) - before:
        # For --help: of a console script, the main module is not the one that defines them.
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])

    def main(argv: list[str]) -> None:
        if len(argv) > 1:
            raise app.UsageError(f"Every argument is a flag, --name=value. Received: {argv[1:]}.")
        run(command)

    app.run(main)
