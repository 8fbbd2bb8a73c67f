"""One server for the whole session, in a process of its own, on a free port of this machine."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from tensorflow_serving.apis import prediction_service_pb2_grpc

from tests import warm
from tests.serving import models

ROOT = Path(__file__).parents[2]
# Let no proxy stand between the tests and this machine.
CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
]


class Server:
    """A running `python -m serving`.

    Args:
        models_dir: its `--models`.
        flags: others of its flags.
        python: the interpreter; one that stands for itself where its process is measured.

    Attributes:
        address: "host:port".
        lines: what it printed before it was ready.
    """

    def __init__(self, models_dir: Path | None, *flags: str, python: str | None = None):
        models = [] if models_dir is None else [f"--models={models_dir}"]
        # A file, since a pipe that nobody reads would stop the server.
        self._log = tempfile.TemporaryFile("a+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [python or warm.python(), "-m", "serving", *models, "--port=0", *flags],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith("Serving "):
                self.address = line.split()[-1]
                return
        self.process.wait(60)
        raise RuntimeError(f"The server must start. Received: {self.log()}")

    def log(self) -> str:
        """Returns what it has written to stderr so far."""
        self._log.seek(0)
        return self._log.read()

    def stop(self) -> tuple[int, str, str]:
        """Ends it with SIGTERM; returns exit code, what it still printed, and its log."""
        self.process.terminate()
        output, _ = self.process.communicate(timeout=60)
        return self.process.returncode, output, self.log()


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory) -> Path:
    return models.build(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def server(models_dir) -> Iterator[Server]:
    server = Server(models_dir)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def channel(server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address, CHANNEL_OPTIONS) as channel:
        yield channel


@pytest.fixture(scope="session")
def stub(channel) -> prediction_service_pb2_grpc.PredictionServiceStub:
    """TF Serving's own generated stub: a client that owes nothing to ours."""
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)
