"""Workers wait for each other, and no longer than they were told: sockets on loopback."""

import concurrent.futures
import contextlib
import socket
import threading
import time

import pytest

from tests.battery.workers import free_ports
from trainers import cluster
from trainers.cluster import rendezvous


def members(count: int = 2) -> list[cluster.Cluster]:
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(count))
    return [cluster.Cluster(addresses, i) for i in range(count)]


def meet_all(workers: list[cluster.Cluster], delays: list[float], timeout_s: float) -> list:
    """What each `meet` ended with, and when: (error or None, seconds)."""
    ends: list = [None] * len(workers)
    start = time.monotonic()

    def one(i: int) -> None:
        time.sleep(delays[i])
        error = None
        try:
            cluster.meet(workers[i], timeout_s)
        except Exception as caught:
            error = caught
        ends[i] = (error, time.monotonic() - start)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(workers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends


@pytest.mark.parametrize("delays", [[0, 0, 0], [1.0, 0, 0.4], [0, 0.7, 0]])
def test_all_meet_and_free_their_ports(delays):
    workers = members(3)
    ends = meet_all(workers, delays, timeout_s=30)
    assert [error for error, _ in ends] == [None] * 3
    assert min(seconds for _, seconds in ends) >= max(delays)  # nobody left before the last came
    for i in range(3):  # TensorFlow's server can have it now
        socket.create_server(("", int(workers[i].addresses[i].rpartition(":")[2]))).close()


def test_a_lone_worker_names_those_that_did_not_answer(capsys):
    workers = members(3)
    (missing, seconds), (other, _) = meet_all(workers[:2], [0, 0], timeout_s=5)
    assert isinstance(missing, TimeoutError)
    assert str(missing).startswith(
        "Every worker must answer within 5 s. Without an answer: "
        f"worker 2 at {workers[0].addresses[2]}. This is worker 0 at {workers[0].addresses[0]}."
    )
    assert f"Without an answer: worker 2 at {workers[0].addresses[2]}. This is worker 1" in str(
        other
    )
    assert 5 <= seconds < 30
    waits = [line for line in capsys.readouterr().out.splitlines() if " waits for " in line]
    assert len(waits) == 2
    assert waits[0].endswith("s left)")


def test_tensorflows_server_counts_as_there():
    """Of a worker that has gone on: it takes the connection and says something else, or nothing."""
    workers = members(2)
    for reply in (b"\x00\x00\x18\x04\x00\x00\x00\x00\x00", b""):
        port = int(workers[0].addresses[1].rpartition(":")[2])
        with socket.create_server(("127.0.0.1", port)) as server:

            def serve(server: socket.socket = server, reply: bytes = reply) -> None:
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = server.accept()
                        with connection:
                            connection.sendall(reply)

            threading.Thread(target=serve, daemon=True).start()
            cluster.meet(workers[0], 20)
            server.shutdown(socket.SHUT_RDWR)


def test_a_port_in_use():
    worker = members(2)[0]
    port = int(worker.addresses[0].rpartition(":")[2])
    with (
        socket.create_server(("", port)),
        pytest.raises(OSError, match=f"Port {port} of worker 0 at .* must be free on this host"),
    ):
        cluster.meet(worker, 5)


def test_two_workers_with_one_index():
    workers = members(3)
    twin = cluster.Cluster(
        (workers[0].addresses[0], workers[0].addresses[2], workers[0].addresses[1]), 1
    )  # at the address of worker 2, and takes itself for worker 1
    with (
        rendezvous._listening(twin),
        pytest.raises(
            ValueError,
            match="with the same addresses and an index of its own. Received from worker 2 at "
            f"{workers[0].addresses[2]}: 'gan-zoo worker 1",
        ),
    ):
        cluster.meet(workers[0], 10)


def test_one_worker_waits_for_nobody():
    start = time.monotonic()
    cluster.meet(cluster.Cluster(("127.0.0.1:1",), 0), 60)
    assert time.monotonic() - start < 10


def test_a_stranger_who_says_nothing_does_not_stop_the_others(monkeypatch):
    monkeypatch.setattr(rendezvous, "ANSWER_WITHIN_S", 0.3)
    workers = members(2)
    port = int(workers[0].addresses[0].rpartition(":")[2])
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(cluster.meet, workers[0], 60)
        with knock(port):
            cluster.meet(workers[1], 60)
            first.result()


def knock(port: int) -> socket.socket:
    """A connection to a port that is about to be opened."""
    end = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.02)
