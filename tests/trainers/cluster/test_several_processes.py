"""Two worker processes on loopback: one is told to stop, or is killed, or all start again."""

import pathlib
import re
import signal
import sys
import time

import pytest

from tests.battery.workers import Workers

# Each takes a minute. Two workers train as one process in tests/battery/test_several_workers.py;
# how they find one another is in test_rendezvous.py and test_members.py.
pytestmark = pytest.mark.slow


def start(folder: pathlib.Path, steps: int) -> Workers:
    folder.mkdir(exist_ok=True)
    script = "tests.trainers.cluster.one_worker"
    # Not warm: a signal must reach the worker itself.
    command = [sys.executable, "-m", script, str(folder / "checkpoints"), str(steps)]
    return Workers(command, folder)


def ends(workers: Workers) -> list[list[str]]:
    return [re.findall(r"stopped at step .*", workers.output(i)) for i in (0, 1)]


def test_sigterm_to_one_stops_all_at_the_same_step(tmp_path):
    with start(tmp_path, 1_000_000) as workers:
        for index in (0, 1):
            workers.wait_for(index, "step 3\n")
        workers.processes[1].send_signal(signal.SIGTERM)
        assert workers.wait() == [0, 0], workers.output(0) + workers.output(1)
        first, second = ends(workers)
    assert len(first) == 1
    assert first == second
    assert "SIGTERM" in workers.output(1)
    assert "SIGTERM" not in workers.output(0)


def lose(workers: Workers, lost: int) -> None:
    """Kills worker `lost`; the other must end in good order and name it."""
    left = 1 - lost
    workers.processes[lost].kill()
    killed = time.monotonic()
    assert workers.processes[left].wait(120) == 1
    print(f"ended {time.monotonic() - killed:.1f} s after the other was killed")
    last = workers.output(left).strip().splitlines()
    expected = (
        f"error: Worker {lost} at {workers.addresses[lost]} was lost: it no longer answers, and "
        "training needs all 2."
    )
    assert any(line.startswith(expected) for line in last), last[-20:]


def test_a_lost_worker_is_named(tmp_path):
    with start(tmp_path, 1_000_000) as workers:
        workers.wait_for(0, "step 3\n")
        lose(workers, 1)


def test_the_chief_is_lost(tmp_path):
    with start(tmp_path, 1_000_000) as workers:
        workers.wait_for(1, "step 3\n")
        lose(workers, 0)


def test_a_restart_ends_as_if_nothing_had_been_lost(tmp_path):
    steps = 60
    with start(tmp_path / "broken", steps) as workers:
        workers.wait_for(0, "step 5\n")
        lose(workers, 1)
    with start(tmp_path / "broken", steps) as again:
        assert again.wait() == [0, 0], again.output(0) + again.output(1)
    with start(tmp_path / "whole", steps) as whole:
        assert whole.wait() == [0, 0], whole.output(0) + whole.output(1)
    first = int(re.search(r"start at step (\d+)", again.output(0))[1])
    assert 4 <= first < steps
    assert "start at step 0\n" in whole.output(0)
    assert ends(again) == ends(whole)
    assert ends(whole)[0] == ends(whole)[1]
    assert len(ends(whole)[0]) == 1
