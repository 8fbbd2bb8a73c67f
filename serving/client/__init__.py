"""The client: numpy in, numpy out, over TF Serving's gRPC API, without TensorFlow.

core.py          what both clients share: requests, deadlines, retries, errors
image_inputs.py  images to translate: arrays, bytes or files
specs.py         what a model takes and returns; checks before anything is sent
sync.py          Client
aio.py           AsyncClient
command_line.py  python -m serving.client
"""

from serving.client.aio import AsyncClient
from serving.client.command_line import main
from serving.client.specs import Metadata, Signature, TensorSpec, VersionStatus
from serving.client.sync import Client

__all__ = [
    "AsyncClient",
    "Client",
    "Metadata",
    "Signature",
    "TensorSpec",
    "VersionStatus",
    "main",
]
