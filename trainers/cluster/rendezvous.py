"""All workers are there before TensorFlow is asked to join them.

TensorFlow 2.21 waits for a missing worker in silence, without end, deaf to Ctrl-C and SIGTERM; its
coordination service's `cluster_register_timeout_in_ms` does not end that either (set to 15 s, a
lone worker still waited after 100). So each worker first answers at its own address until every
other one has asked, and asks every other one.
"""

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Iterator

from trainers.cluster.members import Cluster

# Seconds: between two rounds of asking; for one worker to answer; between two lines of what is
# waited for.
ASK_EVERY_S = 0.5
ANSWER_WITHIN_S = 2.0
TELL_EVERY_S = 30.0


def meet(cluster: Cluster, timeout_s: float) -> None:
    """Returns once every worker has answered this one and has been answered by it.

    A worker that has gone on to TensorFlow's server takes the connection and gives another answer
    than ours: it counts as there.

    Args:
        cluster: The workers; this one listens at its port while it waits.
        timeout_s: Seconds for all of it.

    Raises:
        TimeoutError: Some did not answer; they are named.
        OSError: The port of this worker is taken.
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
            # Who has answered and not asked may have gone on already; a last question tells.
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
    """What a worker says of itself; two that disagree about the cluster say different things."""
    return f"gan-zoo worker {index} of {' '.join(cluster.addresses)}\n".encode()


@contextlib.contextmanager
def _listening(cluster: Cluster) -> Iterator[set[int]]:
    """Answers at this worker's port; yields the set of those who have asked, which grows."""
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
            except OSError:  # nobody came, or they left again
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
    """Whether worker `index` is there: one of ours, or TensorFlow's server by now."""
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
    """Whether worker `index`, which had answered before, no longer answers as one of ours."""
    answer = _answer_of(cluster, index)
    return answer is None or not answer.startswith(b"gan-zoo worker ")


def _answer_of(cluster: Cluster, index: int) -> bytes | None:
    """What comes back from a worker's port; None where nothing listens."""
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
    """Up to a newline, the end, or as much as a greeting can be."""
    line = b""
    while not line.endswith(b"\n") and len(line) < 1 << 16:
        chunk = connection.recv(4096)
        if not chunk:
            break
        line += chunk
    return line
