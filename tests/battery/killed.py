"""Trains families, and is killed: python -m tests.battery.killed FOLDER FAMILY-CASE ...

Every case has a folder, a checkpoint at step 1 and is in the middle of writing the one at step 2.
"""

import os
import pathlib
import signal
import sys
import threading

from tests.battery.test_every_family import ALL, SEED, build, dataset
from tests.graphs import optimize_none
from trainers.checkpoint import Checkpoints


def main() -> None:
    """Does not return."""
    optimize_none()  # or the bits would differ from those of the tests
    writing = []
    folder, *ids = sys.argv[1:]
    for parameters in (p for p in ALL if p.id in ids):
        gan = build(*parameters.values)
        gan.compile(seed=SEED, run_eagerly=True)
        checkpoints = Checkpoints(pathlib.Path(folder) / parameters.id, gan)
        images = dataset(parameters.values[1])
        gan.fit(images.take(1), verbose=0, shuffle=False)
        checkpoints.save(1)
        checkpoints.wait()
        gan.fit(images.skip(1).take(1), verbose=0, shuffle=False)
        writing.append(threading.Event())
        checkpoints.save(2, before=writing[-1].set)
    for event in writing:
        event.wait()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
