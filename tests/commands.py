"""Commands, run in this process."""

from collections.abc import Callable

import pytest


def end_of(
    capsys: pytest.CaptureFixture, main: Callable, *arguments: str
) -> tuple[int | str, str, str]:
    """Runs a command's `main`; its exit code (or last message), stdout and stderr."""
    capsys.readouterr()
    code = 0
    try:
        main(arguments)
    except SystemExit as end:
        code = end.code
    return code, *capsys.readouterr()
