"""The server's life: load, open the port, answer, stop cleanly."""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from serving import wire
from serving.server.batching import Batcher
from serving.server.models import Model
from serving.server.port import not_free
from serving.server.services import ModelService, PredictionService

GRACE_SECONDS = 30
_OPTIONS = [
    ("grpc.max_receive_message_length", wire.MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", wire.MAX_MESSAGE_BYTES),
    # A second server on the port must fail, not share it silently.
    ("grpc.so_reuseport", 0),
]
_HEALTH_NAMES = ["", "ModelService", "PredictionService"]


def load(folders: Mapping[str, Path]) -> dict[str, Model]:
    """Loads model name -> version folder, as `find_models` finds them; prints one line for each.

    Raises:
        StartError: a model cannot be loaded.
    """
    models = {}
    for name, path in folders.items():
        models[name] = Model(name, path)
        keys = ", ".join(models[name].signatures)
        print(f"Loaded {name}, version {models[name].version}: {keys}", flush=True)
    return models


async def serve(
    models: dict[str, Model], host: str, port: int, *, enable_batching: bool, max_batch_size: int
) -> None:
    """Serves until SIGTERM or SIGINT, then finishes the requests in flight.

    Prints one line with the address when ready; port 0 takes a free one.

    Raises:
        StartError: the port is not free.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    batcher = Batcher(enabled=enable_batching, max_batch_size=max_batch_size)
    server = grpc.aio.server(options=_OPTIONS)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(models, batcher), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(models), server)
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    for name in _HEALTH_NAMES:
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    address = f"[{host}]" if ":" in host else host
    try:
        port = server.add_insecure_port(f"{address}:{port}")
    except RuntimeError as error:
        await batcher.close()
        raise not_free(host, port) from error
    await server.start()
    print(f"Serving {len(models)} model(s) at {address}:{port}", flush=True)
    await stop.wait()
    print(f"Stopping: finishing the requests in flight, {GRACE_SECONDS} s at most", flush=True)
    await checks.enter_graceful_shutdown()
    await server.stop(GRACE_SECONDS)
    await batcher.close()
    print("Stopped", flush=True)
