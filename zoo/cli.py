"""What every command does alike: a quiet TensorFlow, one line for an error, a clean Ctrl-C."""

import os
import sys
from collections.abc import Callable


def quiet_tensorflow() -> None:
    """Imports TensorFlow without its start-up notes, which come before it reads its log level."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        with open(os.devnull, "wb") as devnull:
            os.dup2(devnull.fileno(), 2)
        import tensorflow  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def run(command: Callable[[], None]) -> None:
    """Runs a command and exits: 0, 1 with `error: <what to do>`, or 130 after Ctrl-C.

    ValueError and OSError are the user's to mend, and their messages say how; anything else is a
    defect and keeps its traceback.
    """
    try:
        command()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt as interrupt:
        print(f"\n{interrupt or 'Interrupted.'}", file=sys.stderr)
        sys.exit(130)
