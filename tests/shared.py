"""What all processes of one test run share: made once, by whichever needs it first."""

import fcntl
import os
import pathlib
from collections.abc import Callable

import pytest


def folder_made_once(
    factory: pytest.TempPathFactory, name: str, fill: Callable[[pathlib.Path], None]
) -> pathlib.Path:
    """The folder `name`, filled once; the processes of pytest-xdist wait for each other.

    Args:
        factory: pytest's.
        name: Of the folder.
        fill: Fills the empty folder that it is given. If it raises, the next one tries again.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder = root / name
    with open(root / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = factory.mktemp(name)
            fill(unfinished)
            unfinished.rename(folder)
    return folder
