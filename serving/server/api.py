"""TF Serving's calls, whatever carries them: gRPC and REST share this.

Each call is measured, and each refused or failed one writes one line of log.
"""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from serving.server import inference
from serving.server.configuration import read_proto
from serving.server.logs import log
from serving.server.manager import Manager, Version
from serving.server.monitoring import Monitoring
from serving.server.status import StatusError, invalid_argument
from serving.tracing import Span, Tracing, endpoint

# Requests of more bytes are read in a thread, so that the other callers do not wait for it.
_LARGE = 2**18
# A deadline is passed when a call is cancelled this much before it: clocks differ.
_NEAR_SECONDS = 0.02

REQUESTS: dict[str, type[Message]] = {
    "Predict": predict_pb2.PredictRequest,
    "Classify": classification_pb2.ClassificationRequest,
    "Regress": regression_pb2.RegressionRequest,
    "MultiInference": inference_pb2.MultiInferenceRequest,
    "GetModelMetadata": get_model_metadata_pb2.GetModelMetadataRequest,
    "GetModelStatus": get_model_status_pb2.GetModelStatusRequest,
    "HandleReloadConfigRequest": model_management_pb2.ReloadConfigRequest,
}
_JOBS: dict[str, Callable] = {
    "Predict": inference.predict,
    "Classify": inference.classify,
    "Regress": inference.regress,
    "MultiInference": inference.multi_inference,
}


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a call comes from.

    Attributes:
        entrypoint: "GRPC" or "REST".
        peer: the caller's address.
        model: the model's name, where it is known before the request is read.
        deadline: event loop's time at which the answer is no longer wanted.
        rpc: the full name of the method, for gRPC.
        headers: of the call, where calls are traced.
    """

    entrypoint: str
    peer: str = ""
    model: str = ""
    deadline: float | None = None
    rpc: str = ""
    headers: Sequence[tuple[str, Any]] = ()

    def is_late(self) -> bool:
        """Whether the deadline has passed, or is so near that who cancels the call has seen it."""
        now = asyncio.get_running_loop().time()
        return self.deadline is not None and now > self.deadline - _NEAR_SECONDS


@dataclasses.dataclass
class Measured:
    """A call that goes on; `model` is its model's name, once that has been read."""

    model: str


class Api:
    """The calls on the models of a `Manager`.

    Args:
        manager: the models.
        monitoring: counts the calls.
        how: how answers are written.
        roots: folders that hold the base paths of models which a caller may add.
        access_log: writes a line for each call that succeeds, too.
        tracing: makes a span of each call.
    """

    def __init__(
        self,
        manager: Manager,
        monitoring: Monitoring,
        *,
        how: inference.Answering | None = None,
        roots: Sequence[Path] = (),
        access_log: bool = False,
        tracing: Tracing | None = None,
    ):
        self.manager = manager
        self.monitoring = monitoring
        self.reloaded = False  # a caller has replaced the configuration
        self.leaving = False  # the server is about to stop
        self.tracing = tracing
        self._how = how or inference.Answering()
        self._roots = [root.resolve() for root in roots]
        self._access_log = access_log
        self._threads = concurrent.futures.ThreadPoolExecutor(2, "read")
        self._reloading = asyncio.Lock()

    def close(self) -> None:
        """Ends its threads."""
        self._threads.shutdown()

    async def call(
        self,
        method: str,
        request: bytes | Message,
        origin: Origin,
    ) -> Message:
        """Answers one call.

        Args:
            method: a key of `REQUESTS`.
            request: the message, or its bytes.
            origin: where it comes from.

        Raises:
            StatusError: The status that the caller receives.
        """
        with self.measured(method, origin) as measured:
            if isinstance(request, bytes):
                request = await self.parse(REQUESTS[method], request)
            measured.model = _model_of(method, request)
            return await self._answer(method, request, origin)

    @contextlib.contextmanager
    def measured(self, method: str, origin: Origin) -> Iterator[Measured]:
        """Counts a call and its status, and logs what was refused or failed.

        Raises:
            StatusError: what the call raised, INTERNAL where that was an error of another kind.
        """
        begun = time.monotonic()
        measured = Measured(origin.model)
        status, message, failure = "OK", "", None
        with self._traced(method, origin) as span:
            try:
                yield measured
            except StatusError as error:
                failure = error
            except asyncio.CancelledError:
                status = "CANCELLED"
                # gRPC, or the timeout of REST, cancels a call whose deadline has passed.
                if origin.is_late():
                    status, message = "DEADLINE_EXCEEDED", "The deadline passed"
                raise
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                place = f"{Path(where.filename).name}:{where.lineno}"
                failure = StatusError(
                    grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error} ({place})"
                )
            finally:
                if failure:
                    status, message = failure.code.name, failure.message
                seconds = time.monotonic() - begun
                self._note(method, origin, measured.model, status, message, seconds)
                if span is not None:
                    span.end(status, message, gan_zoo__model=measured.model[:100])
            if failure is not None:
                raise failure

    def _note(
        self, method: str, origin: Origin, model: str, status: str, message: str, seconds: float
    ) -> None:
        known = model if self.manager.serves(model) else ""
        self.monitoring.request(known, method, origin.entrypoint, status, seconds)
        if self._access_log or message:
            log(
                "warning" if message else "info",
                "refused" if message else "call",
                api=method,
                entrypoint=origin.entrypoint,
                peer=origin.peer,
                model=model[:100],
                status=status,
                seconds=round(seconds, 4),
                message=message or None,
            )

    @contextlib.contextmanager
    def _traced(self, method: str, origin: Origin) -> Iterator[Span | None]:
        if self.tracing is None:
            yield None
            return
        attributes = endpoint("client", origin.peer)
        if origin.rpc:
            attributes.update(rpc__system__name="grpc", rpc__method=origin.rpc)
        with self.tracing.served(origin.rpc or method, origin.headers, **attributes) as span:
            yield span

    async def parse(self, kind: type[Message], data: bytes) -> Message:
        """Returns the message that `data` holds.

        Raises:
            StatusError: INTERNAL, as grpc++ answers.
        """
        try:
            return await self.off_loop(len(data), kind.FromString, data)
        except Exception as error:  # protobuf's DecodeError, in either of its implementations
            raise StatusError(
                grpc.StatusCode.INTERNAL, "Exception deserializing request!"
            ) from error

    async def off_loop(self, size: int, function: Callable, *arguments):
        """Calls a function, in a thread if it has more than a little to do."""
        if size < _LARGE:
            return function(*arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *arguments)

    async def _answer(self, method: str, request, origin: Origin) -> Message:
        if method in _JOBS:
            return await self.infer(method, request, origin.deadline)
        if method == "GetModelMetadata":
            inference.check_metadata_request(request)
            version = self.manager.find(request.model_spec)
            return inference.metadata(_servable(version), version.number)
        if method == "GetModelStatus":
            return self._status(request)
        return await self._reload(request)

    async def infer(self, method: str, request, deadline: float | None) -> Message:
        """Answers Predict, Classify, Regress or MultiInference, unmeasured.

        Raises:
            StatusError: The status that the caller receives.
        """
        if method == "MultiInference":
            if not request.tasks:
                raise invalid_argument("Missing ModelSpec")
            spec = request.tasks[0].model_spec
        elif request.HasField("model_spec"):
            spec = request.model_spec
        else:
            raise invalid_argument("Missing ModelSpec")
        with self.manager.held(spec) as version:
            return await self.infer_by(version, method, request, deadline)

    async def infer_by(
        self, version: Version, method: str, request, deadline: float | None
    ) -> Message:
        """As `infer`, by a version that the caller holds."""
        prepare = _JOBS[method]
        arguments = (_servable(version), version.number, request, self._how)
        job = await self.off_loop(request.ByteSize(), prepare, *arguments)
        assert version.batcher is not None
        outputs = []
        part = self.tracing.part if self.tracing else contextlib.nullcontext
        for run in job.runs:
            with part("queue and run"):
                outputs.append(await version.batcher.run(run.signature, run.inputs, deadline))
        size = sum(array.nbytes for arrays in outputs for array in arrays)
        return await self.off_loop(size, job.answer, outputs)

    def _status(self, request) -> get_model_status_pb2.GetModelStatusResponse:
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        response = get_model_status_pb2.GetModelStatusResponse()
        for version in self.manager.status(request.model_spec):
            status = response.model_version_status.add(version=version.number)
            status.state = int(version.state)
            status.status.SetInParent()
            if version.error is not None:
                status.status.error_code = version.error.number
                status.status.error_message = version.error.message
        return response

    async def _reload(self, request) -> model_management_pb2.ReloadConfigResponse:
        configs = read_proto(request.config)
        for config in configs.values():
            path = config.base_path.resolve()
            if not any(path.is_relative_to(root) for root in self._roots):
                raise invalid_argument(
                    f"Model {config.name} must lie below a folder that the server was started"
                    f" with. Received: base_path()={config.base_path}"
                )
        async with self._reloading:
            self.reloaded = True
            await self.manager.apply(configs)
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()
        return response


def _servable(version: Version):
    assert version.servable is not None  # it is AVAILABLE
    return version.servable


def _model_of(method: str, request) -> str:
    if method == "MultiInference":
        return request.tasks[0].model_spec.name if request.tasks else ""
    return request.model_spec.name if hasattr(request, "model_spec") else ""
