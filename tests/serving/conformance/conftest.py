"""TF Serving's contract as a black box, against the embedded server or any other.

    pytest tests/serving/conformance
    python -m tests.serving.models DIR
    tensorflow_model_server --model_config_file=DIR/models.config --port=8500 --rest_api_port=8501
    pytest tests/serving/conformance --target=HOST:8500 --rest_target=HOST:8501 --models_dir=DIR

`--models_dir` is DIR as the server sees it. Tests of what is not given are skipped by name.
"""

import dataclasses
import socket
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from tests.serving import models
from tests.serving.conftest import CHANNEL_OPTIONS, Server


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--target", metavar="HOST:PORT", help="a server's gRPC address")
    group.addoption("--rest_target", metavar="HOST:PORT", help="its REST address")
    group.addoption("--models_dir", metavar="DIR", help="the folder of its models")


@dataclasses.dataclass(frozen=True)
class Target:
    """Where the server under test answers, and its folder of models; None if not known."""

    grpc: str
    rest: str | None
    folder: Path | None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def target(request, tmp_path_factory) -> Iterator[Target]:
    address = request.config.getoption("--target", None)
    if address:
        folder = request.config.getoption("--models_dir")
        rest = request.config.getoption("--rest_target")
        yield Target(address, rest, Path(folder) if folder else None)
        return
    folder = models.build_for_conformance(tmp_path_factory.mktemp("conformance"))
    port = free_port()
    server = Server(None, f"--model_config_file={folder}/models.config", f"--rest_api_port={port}")
    yield Target(server.address, f"127.0.0.1:{port}", folder)
    server.stop()


@pytest.fixture(scope="session")
def channel(target) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(target.grpc, CHANNEL_OPTIONS) as channel:
        yield channel


@pytest.fixture(scope="session")
def stub(channel) -> prediction_service_pb2_grpc.PredictionServiceStub:
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="session")
def model_stub(channel) -> model_service_pb2_grpc.ModelServiceStub:
    return model_service_pb2_grpc.ModelServiceStub(channel)


@pytest.fixture(scope="session")
def folder(target) -> Path:
    if target.folder is None:
        pytest.skip("needs --models_dir")
    return target.folder


@pytest.fixture(scope="session")
def rest(target) -> str:
    if target.rest is None:
        pytest.skip("needs --rest_target")
    return f"http://{target.rest}"
