"""Runs `python -m tests.battery.workers FOLDER FAMILY-CASE ...` twice: two workers on loopback.

Each process trains these families of the battery and writes their weights. They are processes of
their own because TensorFlow can be one worker only, and only at the start.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[2]
COUNT = 2


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Workers:
    """Processes with a TF_CONFIG each; leaving the `with` ends those that are still there.

    Args:
        command: The same for all; "{index}" in it becomes the worker's.
        folder: Their output goes to `folder/worker_<index>.txt`.
    """

    def __init__(self, command: list[str], folder: pathlib.Path) -> None:
        self.addresses = [f"127.0.0.1:{port}" for port in free_ports(COUNT)]
        self.outputs = [folder / f"worker_{i}.txt" for i in range(COUNT)]
        self.processes = []
        for i, output in enumerate(self.outputs):
            config = {"cluster": {"worker": self.addresses}, "task": {"type": "worker", "index": i}}
            with output.open("w") as file:
                self.processes.append(
                    subprocess.Popen(
                        [part.replace("{index}", str(i)) for part in command],
                        cwd=ROOT,
                        env={
                            **os.environ,
                            "CUDA_VISIBLE_DEVICES": "",
                            "TF_CPP_MIN_LOG_LEVEL": "3",
                            "TF_CONFIG": json.dumps(config),
                            "PYTHONUNBUFFERED": "1",
                        },
                        stdout=file,
                        stderr=subprocess.STDOUT,
                    )
                )

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def wait(self, timeout_s: float = 400.0) -> list[int]:
        """Exit codes of all workers."""
        deadline = time.monotonic() + timeout_s
        return [p.wait(max(0.0, deadline - time.monotonic())) for p in self.processes]

    def output(self, index: int) -> str:
        """What a worker has printed so far."""
        return self.outputs[index].read_text()

    def wait_for(self, index: int, text: str, timeout_s: float = 180.0) -> None:
        """Returns when a worker has printed `text`."""
        deadline = time.monotonic() + timeout_s
        while text not in self.output(index):
            if self.processes[index].poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"Worker {index} did not print {text!r}: {self.output(index)}")
            time.sleep(0.1)


def main() -> None:
    """One worker: trains the cases as `test_every_family` does and saves the weights."""
    import numpy as np
    import tensorflow as tf

    from tests.battery import test_every_family as battery
    from tests.battery.cases import CASES, Case
    from tests.graphs import let_go, optimize_none
    from trainers import strategy as strategies

    optimize_none()
    strategy = strategies.make_strategy("multi_worker", worker_timeout_s=120)
    folder, *ids = sys.argv[1:]
    for one in ids:
        family, _, i = one.rpartition("-")
        case = CASES[family][int(i)]

        def rows(share: tuple[int, int], case: Case = case) -> tf.data.Dataset:
            index, count = share
            each = battery.BATCH // count
            mine = slice(index * each, (index + 1) * each)
            # Each element is a tensor or two.
            return battery.dataset(case).map(
                lambda first, *second: (first[mine], second[0][mine]) if second else first[mine]
            )

        gan = battery.compile_sgd(family, case, strategy)
        gan.fit(
            strategies.distribute(strategy, rows),
            steps_per_epoch=battery.STEPS,
            verbose=0,
            shuffle=False,
        )
        path = pathlib.Path(folder) / f"{one}.{strategies.worker(strategy)[0]}.npz"
        np.savez(path, *battery.weights(gan))
        let_go()
    strategies.agree(strategy, False)  # nobody leaves before the others are done


if __name__ == "__main__":
    main()
