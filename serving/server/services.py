"""The gRPC services, as handlers for grpc.aio."""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

# Reflection shows what has been imported.
from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2  # noqa: F401

from serving import wire
from serving.server import open_inference
from serving.server.api import Api, Origin
from serving.server.status import StatusError

_SERVICES = {
    "tensorflow.serving.PredictionService": [
        "Predict",
        "Classify",
        "Regress",
        "MultiInference",
        "GetModelMetadata",
    ],
    "tensorflow.serving.ModelService": ["GetModelStatus", "HandleReloadConfigRequest"],
}
# The bare names are TF Serving's; the full ones are asked for as well.
_HEALTH_NAMES = ["", "ModelService", "PredictionService", *_SERVICES]
# The last calls are held until none has come for as many rounds, and no longer than that.
ROUND_SECONDS = 0.02
QUIET_ROUNDS = 10
MOST_HELD_SECONDS = 1.0


class _HealthServicer(health.aio.HealthServicer):
    """Ends open watches before a stop, which would wait for them."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = asyncio.Event()

    async def Watch(self, request, context) -> None:
        """Streams the state of a service until the caller leaves, or the server stops."""
        watch = asyncio.ensure_future(super().Watch(request, context))
        end = asyncio.ensure_future(self.ended.wait())
        try:
            await asyncio.wait({watch, end}, return_when=asyncio.FIRST_COMPLETED)
            if watch.done():
                await watch
        finally:
            watch.cancel()
            end.cancel()


class Health:
    """gRPC's health service: of the server, of its services, and of each model by its name."""

    def __init__(self) -> None:
        self.servicer = _HealthServicer()
        self._tasks: set[asyncio.Task] = set()

    async def start(self) -> None:
        """Tells that the server serves."""
        for name in _HEALTH_NAMES:
            await self.servicer.set(name, health_pb2.HealthCheckResponse.SERVING)

    def model(self, name: str, up: bool) -> None:
        """Tells whether a version of a model is available."""
        response = health_pb2.HealthCheckResponse
        state = response.SERVING if up else response.NOT_SERVING
        if name in _HEALTH_NAMES:
            return
        task = asyncio.ensure_future(self.servicer.set(name, state))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Tells that nothing serves any more."""
        await self.servicer.enter_graceful_shutdown()

    def end_watches(self) -> None:
        """Ends the streams of those who watch, which have had NOT_SERVING."""
        self.servicer.ended.set()


class LastCalls:
    """Holds the calls that come just before gRPC stops until every connection knows of the stop.

    gRPC cancels a call that comes after `Server.stop` and before its connection has heard of it. A
    caller who waits for an answer sends no other call: so the last calls are answered just after.
    """

    def __init__(self) -> None:
        self._came = 0
        self._released = asyncio.Event()
        self._released.set()

    async def stop(self, server: grpc.aio.Server, grace: float) -> None:
        """Stops the server; calls that it has by then have `grace` seconds."""
        self._released.clear()
        end = time.monotonic() + MOST_HELD_SECONDS
        rounds = 0
        while rounds < QUIET_ROUNDS and time.monotonic() < end:
            came = self._came
            await asyncio.sleep(ROUND_SECONDS)
            rounds = rounds + 1 if came == self._came else 0
        stopping = asyncio.create_task(server.stop(grace))
        await asyncio.sleep(ROUND_SECONDS)
        self._released.set()
        await stopping

    async def wait(self, remaining: float | None) -> None:
        """Returns when a call may go on: at once if it has little time left."""
        self._came += 1
        if remaining is None or remaining > 2 * MOST_HELD_SECONDS:
            await self._released.wait()


def add(server: grpc.aio.Server, api: Api, checks: Health, last_calls: LastCalls) -> None:
    """Adds all services to `server`."""
    for service, methods in _SERVICES.items():
        handlers = {
            method: _handler(
                api, f"{service}/{method}", functools.partial(api.call, method), last_calls
            )
            for method in methods
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    handlers = {
        method: _handler(
            api,
            f"{open_inference.SERVICE}/{method}",
            functools.partial(open_inference.call, api, method),
            last_calls,
        )
        for method in open_inference.METHODS
    }
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(open_inference.SERVICE, handlers),)
    )
    health_pb2_grpc.add_HealthServicer_to_server(checks.servicer, server)
    names = [*_SERVICES, open_inference.SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME]
    # Reflection looks in the default pool.
    for file in wire.files("open_inference.binpb"):
        descriptor_pool.Default().Add(file)
    reflection.enable_server_reflection(names, server, _Described())


class _Described:
    """The default pool, which for reflection also finds the file of a method."""

    def __getattr__(self, name: str) -> Any:
        return getattr(descriptor_pool.Default(), name)

    def FindFileContainingSymbol(self, symbol: str) -> Any:
        pool = descriptor_pool.Default()
        try:
            return pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return pool.FindMethodByName(symbol).containing_service.file


def _handler(
    api: Api,
    name: str,
    answer: Callable[[bytes, Origin], Awaitable[Message]],
    last_calls: LastCalls,
):
    # Without a deserializer the handler is given the bytes, and decides where to read them.
    async def call(data: bytes, context: grpc.aio.ServicerContext) -> bytes:
        remaining = context.time_remaining()
        deadline = None if remaining is None else asyncio.get_running_loop().time() + remaining
        await last_calls.wait(remaining)
        try:
            headers = context.invocation_metadata() if api.tracing else ()
            origin = Origin("GRPC", context.peer(), "", deadline, name, headers)
            message = await answer(data, origin)
        except StatusError as error:
            await context.abort(error.code, error.message)
        return message.SerializeToString()

    return grpc.unary_unary_rpc_method_handler(call)
