"""Waits until all workers are running, before TensorFlow joins them.

TensorFlow 2.21 waits for a missing worker forever, without a message, and ignores Ctrl-C and
SIGTERM. Its coordination service's `cluster_register_timeout_in_ms` does not help (with 15 s, a
lone worker was still waiting after 100 s). So each worker first contacts every other worker, and
listens on its own address until every other worker has contacted it.
"""

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Iterator

from trainers.cluster.members import Cluster

# Seconds between two rounds of requests, for one worker to answer, and between two progress lines.
ASK_EVERY_S = 0.5
ANSWER_WITHIN_S = 2.0
TELL_EVERY_S = 30.0


def meet(cluster: Cluster, timeout_s: float) -> None:
    """Returns once this worker and every other one have contacted each other.

    A worker that has already started TensorFlow's server accepts the connection but gives a
    different answer from ours. It counts as running.

    Args:
        cluster: The workers; this one listens on its port while it waits.
        timeout_s: Time limit in seconds.

    Raises:
        TimeoutError: Some workers did not answer; the message names them.
        OSError: The port of this worker is in use.
        ValueError: Two workers were started with the same index, or with different clusters.
    """
    others = set(range(len(cluster.addresses))) - {cluster.index}
    if not others:
        return
    deadline = time.monotonic() + timeout_s
    reported = -TELL_EVERY_S
    answered: set[int] = set()
    with _listening(cluster) as asked_by:
        while True:
            for index in sorted(others - answered):
                if _ask(cluster, index):
                    answered.add(index)
            missing = others - answered
            # A worker that answered but never asked may have moved on already: ask it once more.
            late = {i for i in others - missing - asked_by if not _gone_on(cluster, i)}
            if not missing and not late:
                print(f"All {len(cluster.addresses)} workers are there.", flush=True)
                return
            now = time.monotonic()
            names = ", ".join(cluster.name(i) for i in sorted(missing | late))
            if now > deadline:
                raise TimeoutError(
                    f"Every worker must answer within {timeout_s:g} s. Without an answer: "
                    f"{names}. This is {cluster.name(cluster.index)}. Start the same command on "
                    "all of them at about the same time, and let them reach each other's ports."
                )
            if now - reported >= TELL_EVERY_S:
                reported = now
                print(
                    f"{cluster.name(cluster.index)} waits for {names} "
                    f"({max(0.0, deadline - now):.0f} s left)",
                    flush=True,
                )
            time.sleep(min(ASK_EVERY_S, max(0.0, deadline - now)))


def _greeting(cluster: Cluster, index: int) -> bytes:
    """Message that identifies a worker; it differs between workers that disagree on the cluster."""
    return f"gan-zoo worker {index} of {' '.join(cluster.addresses)}\n".encode()


@contextlib.contextmanager
def _listening(cluster: Cluster) -> Iterator[set[int]]:
    """Listens on this worker's port; yields a growing set of the workers that have asked."""
    port = int(cluster.addresses[cluster.index].rpartition(":")[2])
    dual = socket.has_dualstack_ipv6()
    try:
        server = socket.create_server(
            ("", port),
            family=socket.AF_INET6 if dual else socket.AF_INET,
            dualstack_ipv6=dual,
        )
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise OSError(
            f"Port {port} of {cluster.name(cluster.index)} must be free on this host. Received: "
            "it is in use, perhaps by a worker of an earlier start."
        ) from None
    asked_by: set[int] = set()
    greetings = {_greeting(cluster, i): i for i in range(len(cluster.addresses))}
    stop = threading.Event()

    def answer() -> None:
        while not stop.is_set():
            try:
                connection, _ = server.accept()
            except OSError:  # no connection, or it was closed again
                continue
            with connection, contextlib.suppress(OSError):
                connection.settimeout(ANSWER_WITHIN_S)
                connection.sendall(_greeting(cluster, cluster.index))
                index = greetings.get(_read_line(connection))
                if index is not None:
                    asked_by.add(index)

    server.settimeout(0.1)
    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield asked_by
    finally:
        stop.set()
        thread.join()
        server.close()


def _ask(cluster: Cluster, index: int) -> bool:
    """Whether worker `index` is running, either here or already in TensorFlow's server."""
    answer = _answer_of(cluster, index)
    if answer is None:
        return False
    if answer.startswith(b"gan-zoo worker ") and answer != _greeting(cluster, index):
        raise ValueError(
            "Every worker must be started with the same addresses and an index of its own. "
            f"Received from {cluster.name(index)}: {answer.decode(errors='replace').strip()!r}."
        )
    return True


def _gone_on(cluster: Cluster, index: int) -> bool:
    """Whether worker `index`, which answered before, no longer answers with our greeting."""
    answer = _answer_of(cluster, index)
    return answer is None or not answer.startswith(b"gan-zoo worker ")


def _answer_of(cluster: Cluster, index: int) -> bytes | None:
    """The answer from a worker's port; None if nothing listens there."""
    host, _, port = cluster.addresses[index].rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), ANSWER_WITHIN_S) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(_greeting(cluster, cluster.index))
                return _read_line(connection)
            return b""
    except OSError:
        return None


def _read_line(connection: socket.socket) -> bytes:
    """Reads up to a newline, the end of the stream, or the maximum length of a greeting."""
    line = b""
    while not line.endswith(b"\n") and len(line) < 1 << 16:
        chunk = connection.recv(4096)
        if not chunk:
            break
        line += chunk
    return line
