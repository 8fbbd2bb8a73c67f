"""TF Serving's gRPC services, as handlers for grpc.aio."""

import asyncio

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2

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


class Health:
    """gRPC's health service: of the server, of its services, and of each model by its name."""

    def __init__(self) -> None:
        self.servicer = health.aio.HealthServicer()
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


def add(server: grpc.aio.Server, api: Api, checks: Health) -> None:
    """Adds all services to `server`."""
    for service, methods in _SERVICES.items():
        handlers = {
            method: grpc.unary_unary_rpc_method_handler(_handler(api, method)) for method in methods
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    health_pb2_grpc.add_HealthServicer_to_server(checks.servicer, server)
    names = [
        *prediction_service_pb2.DESCRIPTOR.services_by_name.values(),
        *model_service_pb2.DESCRIPTOR.services_by_name.values(),
        *health_pb2.DESCRIPTOR.services_by_name.values(),
    ]
    reflection.enable_server_reflection(
        [*(service.full_name for service in names), reflection.SERVICE_NAME], server
    )


def _handler(api: Api, method: str):
    # Without a deserializer the handler is given the bytes, and decides where to read them.
    async def call(data: bytes, context: grpc.aio.ServicerContext) -> bytes:
        remaining = context.time_remaining()
        deadline = None if remaining is None else asyncio.get_running_loop().time() + remaining
        try:
            answer = await api.call(method, data, Origin("GRPC", context.peer(), deadline=deadline))
        except StatusError as error:
            await context.abort(error.code, error.message)
        return answer.SerializeToString()

    return call
