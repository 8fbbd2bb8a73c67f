"""`python -m trainers` on two workers of this machine: whole, killed and told to stop."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

STEPS = 30


@contextlib.contextmanager
def two_workers(workdir: pathlib.Path, *arguments: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that do not outlive the block."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(2)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    workers = []
    try:
        for index in range(2):
            task = {"type": "worker", "index": index}
            config = {"cluster": {"worker": addresses}, "task": task}
            workers.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "trainers",
                        "--preset=dcgan_fashion_mnist",
                        "--dataset=sample:fashion_mnist",
                        "--batch_size=8",
                        "--checkpoint_every=5",
                        "--log_every=5",
                        "--sample_every=10",
                        f"--workdir={workdir}",
                        "--worker_timeout=120",
                        *arguments,
                    ],
                    env={**os.environ, "TF_CONFIG": json.dumps(config)},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def wait_for_checkpoint(workdir: pathlib.Path, step: int) -> None:
    patience = time.monotonic() + 200
    while not (workdir / "checkpoints" / f"{step:08d}").is_dir():
        assert time.monotonic() < patience
        time.sleep(0.05)


def end(workers: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """(exit code, stdout, stderr) of each."""
    ended = [worker.communicate(timeout=300) for worker in workers]
    return [(w.returncode, out, err) for w, (out, err) in zip(workers, ended, strict=True)]


def state(workdir: pathlib.Path) -> bytes:
    return (workdir / "checkpoints" / f"{STEPS:08d}" / "state.npz").read_bytes()


@pytest.mark.slow
def test_a_killed_worker_ends_the_run_and_a_restart_finishes_it(tmp_path: pathlib.Path) -> None:
    with two_workers(tmp_path / "whole", f"--steps={STEPS}") as workers:
        (chief, told, errors), (other, _, other_errors) = end(workers)
    assert (chief, other) == (0, 0), errors + other_errors
    assert f"Wrote {tmp_path / 'whole'}" in told

    with two_workers(tmp_path / "killed", f"--steps={STEPS}") as workers:
        wait_for_checkpoint(tmp_path / "killed", 5)
        workers[1].kill()
        begun = time.monotonic()
        chief, _, errors = end(workers)[0]
        print(f"the chief noticed after {time.monotonic() - begun:.1f} s")
    assert chief == 1, errors
    assert "error: Worker 1 at 127.0.0.1" in errors or "error: A worker was lost" in errors
    assert "Traceback" not in errors
    with two_workers(tmp_path / "killed", f"--steps={STEPS}") as workers:
        (chief, told, errors), (other, _, other_errors) = end(workers)
    assert (chief, other) == (0, 0), errors + other_errors
    assert "step 0 to" not in told  # it went on
    assert state(tmp_path / "killed") == state(tmp_path / "whole")


@pytest.mark.slow
def test_sigterm_at_one_worker_stops_both_at_one_step(tmp_path: pathlib.Path) -> None:
    with two_workers(tmp_path / "W", "--steps=100000") as workers:
        wait_for_checkpoint(tmp_path / "W", 5)
        workers[1].send_signal(signal.SIGTERM)
        ended = end(workers)
    assert [code for code, _, _ in ended] == [143, 143], ended
    said = {err[err.index("Interrupted at step") :].split(". ")[0] for _, _, err in ended}
    assert len(said) == 1
    assert "Traceback" not in ended[0][2] + ended[1][2]
    step = int(said.pop().split()[3])
    assert (tmp_path / "W" / "checkpoints" / f"{step:08d}").is_dir()
