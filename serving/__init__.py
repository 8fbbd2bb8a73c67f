"""Serving GANs: a server of TF Serving's gRPC API, and a client that needs no TensorFlow.

    from serving import Client

    with Client("localhost:8500") as client:
        images = client.generate("dcgan_fashion_mnist", n=16, seed=0)  # uint8 [16, 28, 28, 1]

`python -m serving --models=DIR` starts the server.
"""

from serving.client import AsyncClient, Client
from serving.errors import (
    DeadlineExceeded,
    InvalidRequest,
    InvalidResponse,
    ModelNotFound,
    ServingError,
    Unavailable,
)

__all__ = [
    "AsyncClient",
    "Client",
    "DeadlineExceeded",
    "InvalidRequest",
    "InvalidResponse",
    "ModelNotFound",
    "ServingError",
    "Unavailable",
]
