"""Imports TensorFlow, then forks for each request: python server.py FOLDER

Ends when its stdin does. A forked process is killed when its client is.
"""

import atexit
import gc
import json
import os
import pathlib
import runpy
import selectors
import signal
import socket
import sys
import threading
import traceback


def warm_up() -> None:
    """As the commands import TensorFlow; nothing of the project, and nothing runs in it."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    stderr = os.dup(2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    import h5py  # noqa: F401
    import keras  # noqa: F401
    import tensorflow  # noqa: F401

    os.dup2(stderr, 2)
    os.close(stderr)
    gc.freeze()  # or each forked process would copy all of it as it collects


def serve(folder: pathlib.Path) -> tuple[list[int], dict]:
    """Returns in the forked processes alone: the descriptors of their streams, and the request."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    listener.listen(16)
    print("ready", flush=True)
    waiting = selectors.DefaultSelector()
    waiting.register(0, selectors.EVENT_READ, "stdin")
    waiting.register(listener, selectors.EVENT_READ, "listener")
    while True:
        for key, _ in waiting.select():
            if key.data == "stdin":
                sys.exit()
            elif key.data == "listener":
                connection, _ = listener.accept()
                name, streams, *_ = socket.recv_fds(connection, 10, 3)
                file = folder / f"{int(name)}.json"
                request = json.loads(file.read_text())
                file.unlink()
                pid = os.fork()
                if pid == 0:
                    waiting.close()
                    listener.close()
                    connection.close()
                    return streams, request
                for stream in streams:
                    os.close(stream)
                connection.sendall(b"%d\n" % pid)
                ended = os.pidfd_open(pid)
                waiting.register(ended, selectors.EVENT_READ, (pid, connection))
                waiting.register(connection, selectors.EVENT_READ, pid)
            elif isinstance(key.data, tuple):
                pid, connection = key.data
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                waiting.unregister(key.fd)
                os.close(key.fd)
                if connection.fileno() >= 0:
                    waiting.unregister(connection)
                    connection.sendall(b"%d\n" % code)
                    connection.close()
            elif key.fileobj.fileno() >= 0:  # the client is gone
                waiting.unregister(key.fileobj)
                key.fileobj.close()
                os.kill(key.data, signal.SIGKILL)


def become(folder: pathlib.Path, streams: list[int], request: dict) -> tuple[str, str]:
    """This process is now what the client stands for; returns "-m" or "-c", and of what."""
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[0] = request["folder"]
    kind, what, *arguments = request["arguments"]
    sys.argv = [kind, *arguments]
    sys.executable = f"{folder}/python"  # for the commands that it runs
    return kind, what


def run(kind: str, what: str) -> int:
    """Runs a module or code as Python does; returns the exit code."""
    try:
        if kind == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        elif kind == "-c":
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
        else:
            sys.exit(f"A warm interpreter takes -m or -c. Received: {kind}")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return -signal.SIGINT
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def end(code: int) -> None:
    """Without freeing, object by object, what was imported: that takes longer than a command."""
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    warm_up()
    folder = pathlib.Path(sys.argv[1])
    end(run(*become(folder, *serve(folder))))
