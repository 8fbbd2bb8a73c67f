"""Commands in processes of their own that need not import TensorFlow first.

A new Python takes seconds to import TensorFlow, and the tests start a hundred. So one process
imports it and forks for each command. `[warm.python(), "-m", "trainers", ...]` is what
`[sys.executable, "-m", "trainers", ...]` is: an own process with its streams, environment, folder,
signals and exit code. The project's own modules are imported by each.

Where the import itself, or a process group, is the subject, a test starts `sys.executable`.
"""

import functools
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent


@functools.cache
def python() -> str:
    """The path of an interpreter; its server starts with the first call and ends with us."""
    folder = tempfile.TemporaryDirectory(prefix="warm_")
    interpreter = pathlib.Path(folder.name) / "python"
    server = subprocess.Popen(
        [sys.executable, str(HERE / "server.py"), folder.name],
        stdin=subprocess.PIPE,  # ends the server when we end
        stdout=subprocess.PIPE,
    )
    _kept.extend([folder, server])
    if server.stdout.readline() != b"ready\n":
        raise RuntimeError("The server of warm interpreters must start; its error stands above.")
    client = f'#!/bin/sh\nexec {sys.executable} -I -S {HERE / "client.py"} {folder.name} "$@"\n'
    interpreter.write_text(client)
    interpreter.chmod(0o755)
    return str(interpreter)


_kept: list[object] = []
