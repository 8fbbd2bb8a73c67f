"""Stands for an interpreter: hands its streams, folder, environment and arguments to the server.

Passes signals on, and ends as the forked process ends.
"""

import json
import os
import pathlib
import signal
import socket
import sys


def main(folder: str, arguments: list[str]) -> None:
    pids: list[int] = []
    early: list[int] = []

    def pass_on(signum: int, frame: object) -> None:
        if pids:
            os.kill(pids[0], signum)
        else:
            early.append(signum)

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, pass_on)
    request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
    (pathlib.Path(folder) / f"{os.getpid()}.json").write_text(json.dumps(request))
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"{folder}/socket")
    socket.send_fds(server, [b"%010d" % os.getpid()], [0, 1, 2])
    for descriptor in (0, 1, 2):  # held by the forked process alone, as by a process of its own
        os.close(descriptor)
    answers = server.makefile()
    pid = int(answers.readline())
    pids.append(pid)
    for signum in early:
        os.kill(pid, signum)
    code = int(answers.readline() or -signal.SIGKILL)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    os._exit(code)


main(sys.argv[1], sys.argv[2:])
