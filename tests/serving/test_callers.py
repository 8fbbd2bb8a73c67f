"""What becomes of callers who wait through a swap, watch, are late, or leave."""

import asyncio
import contextlib
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import predict_pb2

from serving.server import rest, services
from serving.server.api import Api, Origin
from serving.server.batching import Batcher
from serving.server.configuration import ModelConfig
from serving.server.manager import Loading, Manager
from serving.server.monitoring import Monitoring


class Loaded:
    """Stands for a model that TensorFlow has loaded."""

    signatures = ()

    def close(self):
        pass


@contextlib.asynccontextmanager
async def managing(path):
    manager = Manager(Loading(lambda name, path: Loaded(), lambda name: Batcher()))
    await manager.apply({"m": ModelConfig("m", path)})
    try:
        yield manager
    finally:
        await manager.close()


def test_a_swap_while_rest_reads_a_request_loses_nothing(tmp_path, monkeypatch):
    """The version whose signature the inputs are read for answers, though it unloads."""
    (tmp_path / "1").mkdir()
    answered = []

    async def test():
        async with managing(tmp_path) as manager:

            async def swap(size, function, *arguments):
                (tmp_path / "2").mkdir(exist_ok=True)
                await manager.poll()
                # It is called for the answer too, when the version may have ended.
                while manager.versions("m")[0].state.name not in ("UNLOADING", "END"):
                    await asyncio.sleep(0.002)
                return b"[]"

            class Answers:
                def __init__(self):
                    self.manager = manager

                def measured(self, method, origin):
                    return contextlib.nullcontext()

                async def infer_by(self, version, method, request, deadline):
                    assert version.servable is not None
                    answered.append((version.number, version.state.name, method))
                    return predict_pb2.PredictResponse()

            monkeypatch.setattr(rest, "_off_loop", swap)
            match = rest._INFERENCE.fullmatch("/v1/models/m:predict")
            await rest._infer(Answers(), match, b"{}", Origin("REST"))

    asyncio.run(asyncio.wait_for(test(), 30))
    assert answered == [(1, "UNLOADING", "Predict")]


@pytest.mark.parametrize(
    ("deadline", "status"), [(0.1, "DEADLINE_EXCEEDED"), (60.0, "CANCELLED"), (None, "CANCELLED")]
)
def test_a_call_that_is_late_is_counted_so(deadline, status, tmp_path, capsys):
    """gRPC and REST cancel the call; only its deadline tells it from one whose caller left."""
    monitoring = Monitoring()

    async def test():
        async with managing(tmp_path) as manager:
            api = Api(manager, monitoring)
            ends = None if deadline is None else asyncio.get_running_loop().time() + deadline

            async def call():
                with api.measured("Predict", Origin("REST", model="m", deadline=ends)):
                    await asyncio.sleep(30)

            with pytest.raises(TimeoutError):
                await asyncio.wait_for(call(), 0.1)
            api.close()

    asyncio.run(test())
    counts = [line for line in monitoring.text().decode().splitlines() if "request_count{" in line]
    assert [line for line in counts if f'status="{status}"' in line] == counts != []
    assert ("The deadline passed" in capsys.readouterr().err) == (status == "DEADLINE_EXCEEDED")


def test_who_watches_the_health_does_not_hold_up_a_stop():
    async def test():
        health = services.Health()
        server = grpc.aio.server()
        health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
        port = server.add_insecure_port("localhost:0")
        await server.start()
        await health.start()
        async with grpc.aio.insecure_channel(f"localhost:{port}") as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            serving, not_serving = (
                health_pb2.HealthCheckResponse.SERVING,
                health_pb2.HealthCheckResponse.NOT_SERVING,
            )
            assert (await watch.read()).status == serving
            await health.stop()
            assert (await watch.read()).status == not_serving
            health.end_watches()
            begun = time.monotonic()
            await server.stop(20)
            assert time.monotonic() - begun < 5
            assert await watch.read() is grpc.aio.EOF

    asyncio.run(asyncio.wait_for(test(), 60))


def test_a_caller_of_rest_who_leaves_frees_its_place():
    async def test():
        came, left = asyncio.Event(), asyncio.Event()

        class Slow:
            leaving = False

            async def call(self, method, request, origin):
                came.set()
                try:
                    await asyncio.sleep(30)
                except asyncio.CancelledError:
                    left.set()
                    raise

        runner = await rest.start(Slow(), "localhost", 0, seconds=30, cors=False, metrics_path=None)
        try:
            host, port = runner.addresses[0][:2]
            _, writer = await asyncio.open_connection(host, port)
            writer.write(b"GET /v1/models/m HTTP/1.1\r\nHost: x\r\n\r\n")
            await came.wait()
            writer.close()
            await asyncio.wait_for(left.wait(), 10)
        finally:
            await runner.cleanup()

    asyncio.run(asyncio.wait_for(test(), 60))
