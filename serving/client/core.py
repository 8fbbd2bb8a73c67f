"""What both clients share: everything except the network.

Each operation is a generator. It yields a `Call`, which the client sends to the server and
answers with the response or the error, a `Pause`, or operations to make `Together`, and it returns
the result. Requests, checks, deadlines and retries are therefore written once, and `Client` and
`AsyncClient` are thin.
"""

import contextlib
import dataclasses
import functools
import itertools
import operator
import random
import re
import secrets
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import DecodeError, Message

from serving import wire
from serving.client import image_inputs
from serving.client.specs import (
    Metadata,
    VersionStatus,
    fit,
    fit_rows,
    own,
    read_metadata,
    read_outputs,
    read_rows,
    to_array,
    to_float,
    to_uint8,
)
from serving.errors import (
    DeadlineExceeded,
    InvalidRequest,
    InvalidResponse,
    ModelNotFound,
    ServingError,
    Unavailable,
)
from serving.tracing import Tracing, endpoint

DEFAULT_ADDRESS = "localhost:8500"
DEFAULT_TIMEOUT = 60.0
# Rows of one request: what the server runs at once. Larger requests gain nothing.
CHUNK_ROWS = 32
# Requests of one operation that are in flight together: enough to keep the server's queue filled.
IN_FLIGHT = 4
# How a server says that it takes fewer rows at a time.
_ROW_LIMIT = re.compile(r"larger than maximum input batch size (\d+)")
# Waits between two tries: from the first to the longest.
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 2.0
# A server that is overloaded or starts up, and one that stops: CANCELLED is never a caller's own,
# which does not come as an error of gRPC.
_BUSY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
_POLL_SECONDS = 0.2
_POLL_TIMEOUT = 2.0
_LONGEST_TIMEOUT = 1e9  # seconds; gRPC's clock ends not far beyond
_MOST_NAMES = 10  # of models, in a message

# "host:port", or one of gRPC's own address schemes.
_ADDRESS = re.compile(r"(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds):.+|[^/]+:\d+")

# The node of the graph in an error message: a caller does not know the graph.
_NODE = re.compile(r"\[\[\{\{.*?\}\}\]\]")

_METHODS = {
    "Predict": ("tensorflow.serving.PredictionService", wire.PredictResponse),
    "GetModelMetadata": ("tensorflow.serving.PredictionService", wire.GetModelMetadataResponse),
    "GetModelStatus": ("tensorflow.serving.ModelService", wire.GetModelStatusResponse),
    "RepositoryIndex": ("inference.GRPCInferenceService", wire.RepositoryIndexResponse),
}


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of `method`, to be answered within `timeout` seconds."""

    method: str
    request: Message
    timeout: float


@dataclasses.dataclass(frozen=True)
class Pause:
    """A wait of `seconds`."""

    seconds: float


@dataclasses.dataclass(frozen=True)
class Together:
    """Operations to make at the same time, `IN_FLIGHT` at most; answered with their results.

    The results are in order. If one fails, its error is raised and the others are given up.
    """

    operations: Iterator["Steps"]


Steps = Generator[Call | Pause | Together, Any, Any]


def channel_options(address: str) -> list[tuple[str, int | str]]:
    """Returns the options of a channel to `address`."""
    options: list[tuple[str, int | str]] = [
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        # Reconnect soon to a server that restarts; by default the second attempt is after 1 s.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2000),
        # A call to a host that is gone fails after 20 s without a sign of it. The pings are no more
        # than what a server of gRPC allows by default, one in 5 minutes.
        ("grpc.keepalive_time_ms", 300_000),
        ("grpc.keepalive_timeout_ms", 20_000),
    ]
    if address.startswith(("dns:", "ipv4:", "ipv6:")):
        # Calls take turns among all addresses.
        balanced = '{"loadBalancingConfig": [{"round_robin": {}}]}'
        options.append(("grpc.service_config", balanced))
    if address.startswith(("localhost:", "127.", "[::1]")):
        # A proxy cannot reach the loopback address of this machine.
        options.append(("grpc.enable_http_proxy", 0))
    return options


def closed(client: object) -> ServingError:
    """The error of a call on a client that has been closed."""
    return ServingError(
        f"A client must be open; make a new one, or call inside its `with`. Received: a call on"
        f" the closed {client!r}"
    )


def stubs(channel: grpc.Channel | grpc.aio.Channel) -> dict[str, Any]:
    """Returns method name -> callable, on a channel of either kind."""
    return {
        method: channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=functools.partial(_parsed, response),
        )
        for method, (service, response) in _METHODS.items()
    }


@dataclasses.dataclass(frozen=True)
class _Garbled:
    """An answer that is no message. gRPC would log a traceback, and call it INTERNAL."""

    error: DecodeError


def _parsed(response: type[Message], data: bytes) -> Message | _Garbled:
    try:
        return response.FromString(data)
    except DecodeError as error:
        return _Garbled(error)


def tracing_of(asked: bool) -> Tracing | None:
    """Returns what makes spans, or None if they are not asked for.

    Raises:
        ServingError: OpenTelemetry is not installed.
    """
    try:
        return Tracing() if asked else None
    except ImportError as error:
        raise ServingError(
            f"tracing=True needs OpenTelemetry: pip install opentelemetry-api. Received: {error}"
        ) from None


@contextlib.contextmanager
def traced(
    tracing: Tracing | None, call: Call, address: str
) -> Iterator[Sequence[tuple[str, str]]]:
    """Makes a span of a call; yields the metadata that carry its context."""
    if tracing is None:
        yield ()
        return
    name = f"{_METHODS[call.method][0]}/{call.method}"
    attributes = {"rpc__system__name": "grpc", "rpc__method": name, **endpoint("server", address)}
    with tracing.called(name, **attributes) as (span, headers):
        try:
            yield headers
        except grpc.RpcError as error:
            span.end(error.code().name, error.details() or "")
            raise
        span.end("OK")


class _Deadline:
    def __init__(self, seconds: Any):
        is_number = isinstance(seconds, int | float | np.integer | np.floating)
        if not is_number or not 0 < seconds <= _LONGEST_TIMEOUT:
            raise InvalidRequest(
                "timeout must be a number of seconds, more than 0 and at most"
                f" {_LONGEST_TIMEOUT:.0f}. Received: {seconds!r}"
            )
        self.seconds = float(seconds)
        self._end = time.monotonic() + self.seconds

    def left(self) -> float:
        return max(0.0, self._end - time.monotonic())


class Core:
    """The operations on one server, with a cache of its models' metadata.

    Args:
        address: the server's "host:port".
        timeout: seconds, where an operation is given None.
    """

    def __init__(self, address: str, timeout: float):
        if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
            raise InvalidRequest(
                f'address must be "host:port", such as "{DEFAULT_ADDRESS}". Received: {address!r}'
            )
        self._address = address
        self._timeout = _Deadline(timeout).seconds
        self._metadata: dict[tuple[str, int | None], Any] = {}
        self._row_limits: dict[str, int] = {}  # of servers that told theirs

    def generate(
        self,
        model: str,
        n: int | None,
        seed: int | None,
        labels: Any,
        embeddings: Any,
        truncation: Any,
        version: int | None,
        timeout: float | None,
    ) -> Steps:
        chunks = _drawing_chunks(n, seed, labels, embeddings, truncation)
        images = yield from self._in_chunks(model, "generate", chunks, "images", version, timeout)
        return to_uint8(images)

    def generate_png(
        self,
        model: str,
        n: int | None,
        seed: int | None,
        labels: Any,
        embeddings: Any,
        truncation: Any,
        version: int | None,
        timeout: float | None,
    ) -> Steps:
        chunks = _drawing_chunks(n, seed, labels, embeddings, truncation)
        signature, output = "generate_png", "image_bytes"
        files = yield from self._in_chunks(model, signature, chunks, output, version, timeout)
        return files.tolist()

    def discriminate(
        self,
        model: str,
        images: Any,
        labels: Any,
        embeddings: Any,
        version: int | None,
        timeout: float | None,
    ) -> Steps:
        chunks = _image_chunks(images, labels, embeddings)
        # None: `probability`, or `score` where the discriminator is a critic.
        return self._in_chunks(model, "discriminate", chunks, None, version, timeout)

    def translate(
        self,
        model: str,
        image: Any,
        direction: str | None,
        version: int | None,
        timeout: float | None,
    ) -> Steps:
        if direction is not None and not isinstance(direction, str):
            raise InvalidRequest(
                f"direction must be a string, such as 'a_to_b'. Received: {direction!r}"
            )
        return self._images_to_images(model, image, direction, "translate", version, timeout)

    def upscale(self, model: str, image: Any, version: int | None, timeout: float | None) -> Steps:
        return self._images_to_images(model, image, None, "upscale", version, timeout)

    def _images_to_images(
        self,
        model: str,
        image: Any,
        direction: str | None,
        task: str,
        version: int | None,
        timeout: float | None,
    ) -> Steps:
        """Returns the output for an image, in the form in which the image was given."""
        deadline = self._deadline(timeout)
        version = _checked(model, version)
        given = image_inputs.read(image)
        # The signature that says what a model is for, whatever the form of the image.
        of_files = f"{direction or task}_png"
        if isinstance(given, bytes):
            (png,) = yield from self._made_files(model, of_files, [given], 1, version, deadline)
            return image_inputs.from_file(png, image)
        signature = direction or "serving_default"
        n, height, width, _ = given.shape
        rows = max(1, min(CHUNK_ROWS, image_inputs.PIXELS_AT_A_TIME // (height * width)))
        metadata = yield from self._known_metadata(model, version, deadline)
        if image_inputs.must_be_files(given, metadata.signatures.get(signature)):
            files = image_inputs.to_files(given)
            pngs = yield from self._made_files(model, of_files, files, rows, version, deadline)
            made = np.stack([image_inputs.from_file(png, given) for png in pngs])
        else:
            chunks = ({"images": to_float(given[at : at + rows])} for at in range(0, n, rows))
            made = yield from self._in_chunks(
                model, signature, chunks, "images", version, deadline, needs=of_files
            )
            made = to_uint8(made)
        return made[0] if np.ndim(image) == 3 else made

    def _made_files(
        self,
        model: str,
        signature: str,
        files: list[bytes],
        rows: int,
        version: int | None,
        deadline: _Deadline,
    ) -> Steps:
        """Returns a PNG for each file, of which `rows` are sent at a time."""
        array = np.empty(len(files), object)
        array[:] = files
        chunks = ({"image_bytes": array[at : at + rows]} for at in range(0, len(files), rows))
        return self._in_chunks(model, signature, chunks, "image_bytes", version, deadline)

    def paint(
        self,
        model: str,
        label_map: Any,
        seed: int | None,
        version: int | None,
        timeout: float | None,
    ) -> Steps:
        given = image_inputs.read_map(label_map)
        if isinstance(given, bytes):
            _, seed = seed_range(1, seed)
            files = np.empty(1, object)
            files[0] = given
            chunks = iter([{"image_bytes": files, "seed": np.array([seed])}])
            made = yield from self._in_chunks(
                model, "paint_png", chunks, "image_bytes", version, timeout
            )
            return made[0]
        n, height, width = given.shape
        _, seed = seed_range(n, seed)
        rows = max(1, min(CHUNK_ROWS, image_inputs.PIXELS_AT_A_TIME // (height * width)))
        seeds = np.arange(seed, seed + n, dtype=np.int64)
        chunks = (
            {"label_map": given[at : at + rows], "seed": seeds[at : at + rows]}
            for at in range(0, n, rows)
        )
        made = yield from self._in_chunks(model, "paint", chunks, "images", version, timeout)
        made = to_uint8(made)
        return made[0] if np.ndim(label_map) == 2 else made

    def predict(
        self,
        model: str,
        inputs: Mapping[str, Any],
        signature: str,
        version: int | None,
        outputs: Iterable[str] | None,
        timeout: float | None,
    ) -> Steps:
        if not isinstance(inputs, Mapping):
            raise InvalidRequest(
                "inputs must be a dict, input name -> array, such as {'latents': array}; the names "
                f"are in metadata({model!r}).signatures. Received: {type(inputs).__name__}"
            )
        if not isinstance(signature, str):
            raise InvalidRequest(
                "signature must be a string, one of the names in"
                f" metadata({model!r}).signatures. Received: {signature!r}"
            )
        outputs = _output_names(outputs)
        deadline = self._deadline(timeout)
        version = _checked(model, version)

        def ask(inputs: Mapping[str, Any], version: int | None = version) -> Steps:
            fitted = functools.partial(fit, signature=signature, inputs=inputs, outputs=outputs)
            return self._predict(model, fitted, signature, version, outputs, deadline)

        rows = _common_rows(inputs)
        if rows <= self._row_limits.get(model, rows):
            try:
                answer = read_outputs((yield from ask(inputs)))
                return {name: own(array) for name, array in answer.items()}
            except InvalidRequest as error:
                if not self._learns_limit(model, rows, error):
                    raise
        answers, sizes = yield from self._ask_all(model, iter([inputs]), ask)
        for answer, size in zip(answers, sizes, strict=True):
            for name, array in answer.items():
                if np.ndim(array) == 0 or len(array) != size:
                    raise InvalidRequest(
                        f"The server takes {self._row_limits[model]} rows at a time, and the output"
                        f" {name!r} of {model!r} does not go by rows. Received: {rows} rows"
                    )
        try:
            return {name: np.concatenate([a[name] for a in answers]) for name in answers[0]}
        except (KeyError, ValueError) as error:
            raise InvalidResponse(
                f"The server must answer all pieces of a request alike. Received for {model!r}:"
                f" {error}"
            ) from error

    def metadata(self, model: str, version: int | None, timeout: float | None) -> Steps:
        return self._known_metadata(model, _checked(model, version), self._deadline(timeout))

    def status(self, model: str, timeout: float | None) -> Steps:
        deadline = self._deadline(timeout)
        _checked(model)
        try:
            return (yield from self._status(model, deadline))
        except ModelNotFound:
            raise (yield from self._no_such_model(model, deadline)) from None

    def models(self, timeout: float | _Deadline | None) -> Steps:
        request = wire.RepositoryIndexRequest()
        answer = yield from self._call("RepositoryIndex", request, self._deadline(timeout))
        found: dict[str, list[VersionStatus]] = {}
        for entry in answer.models:
            versions = found.setdefault(entry.name, [])
            if not entry.version:  # it need not be said
                continue
            if not entry.version.isdecimal():
                raise InvalidResponse(
                    f"A version must be an integer. Received from {self._address}: version"
                    f" {entry.version!r} of {entry.name!r}"
                )
            state = "AVAILABLE" if entry.state == "READY" else entry.state
            versions.append(VersionStatus(int(entry.version), state, entry.reason))
        return found

    def wait_until_available(self, model: str, timeout: float | None) -> Steps:
        deadline = self._deadline(timeout)
        _checked(model)
        last = ""
        while deadline.left():
            try:
                poll = _Deadline(min(deadline.left() or 1e-3, _POLL_TIMEOUT))
                versions = yield from self._status(model, poll)
                if any(version.state == "AVAILABLE" for version in versions):
                    return
                last = "; ".join(map(str, versions))
            except (Unavailable, ModelNotFound) as error:
                last = str(error)
            except DeadlineExceeded as error:
                last = last or str(error)  # the last attempt may have had no time left
            yield Pause(min(_POLL_SECONDS, deadline.left()))
        raise DeadlineExceeded(
            f"{model!r} must be AVAILABLE at {self._address} within {deadline.seconds:g} s."
            f" Last seen: {last}"
        )

    def _deadline(self, timeout: float | _Deadline | None) -> _Deadline:
        """Of a call that starts now, or of one that has started."""
        if isinstance(timeout, _Deadline):
            return timeout
        return _Deadline(self._timeout if timeout is None else timeout)

    def _in_chunks(
        self,
        model: str,
        signature: str,
        chunks: Iterator[dict[str, np.ndarray]],
        output: str | None,
        version: int | None,
        timeout: float | _Deadline | None,
        needs: str | None = None,
    ) -> Steps:
        """Returns the joined `output` of all chunks, or the signature's only one.

        `needs` is another signature that the model must have.
        """
        deadline = self._deadline(timeout)
        version = _checked(model, version)

        def ask(inputs: Mapping[str, Any], version: int | None = version) -> Steps:
            fitted = functools.partial(fit_rows, signature=signature, inputs=inputs, needs=needs)
            return self._predict(model, fitted, signature, version, [], deadline)

        answers, sizes = yield from self._ask_all(model, chunks, ask)
        return read_rows(f"{signature!r} of {model!r}", answers, output, sizes)

    def _ask_all(
        self, model: str, chunks: Iterator[Mapping[str, Any]], ask: Callable[..., Steps]
    ) -> Steps:
        """Asks for chunks, in pieces where the server takes fewer rows.

        Returns:
            The outputs of `ask(piece)` for each piece, in order, all of one version; and the rows
            of each piece.
        """
        pieces = _pieces(chunks, self._row_limits.get(model))
        piece = next(pieces)
        try:
            answer = yield from ask(piece)
        except InvalidRequest as error:
            if not self._learns_limit(model, _common_rows(piece), error):
                raise
            pieces = _pieces(itertools.chain([piece], pieces), self._row_limits[model])
            piece = next(pieces)
            answer = yield from ask(piece)
        sizes = [_common_rows(piece)]
        following = list(itertools.islice(pieces, 1))
        if not following:
            return [read_outputs(answer)], sizes
        # The others go together, to the same version even if the server loads a new one meanwhile.
        version = answer.model_spec.version.value

        def others() -> Iterator[Steps]:
            for piece in itertools.chain(following, pieces):
                sizes.append(_common_rows(piece))
                yield outputs(piece)

        def outputs(piece: Mapping[str, Any]) -> Steps:
            return read_outputs((yield from ask(piece, version)))

        first = read_outputs(answer)
        return [first, *(yield Together(others()))], sizes

    def _learns_limit(self, model: str, rows: int, error: InvalidRequest) -> bool:
        """Whether a server that was asked for `rows` says that it takes fewer; remembers how many.

        TF Serving's API tells this limit in no other way.
        """
        found = _ROW_LIMIT.search(str(error))
        if not found or not 0 < int(found[1]) < rows:
            return False
        self._row_limits[model] = int(found[1])
        return True

    def _predict(
        self,
        model: str,
        fitted: Callable[[Metadata], dict[str, np.ndarray]],
        signature: str,
        version: int | None,
        outputs: list[str],
        deadline: _Deadline,
    ) -> Steps:
        metadata = yield from self._known_metadata(model, version, deadline)
        try:
            arrays = fitted(metadata)
        except InvalidRequest:
            # The model may have been replaced since: ask again before refusing.
            self._metadata.pop((model, version), None)
            metadata = yield from self._known_metadata(model, version, deadline)
            arrays = fitted(metadata)
        request = wire.PredictRequest(output_filter=outputs)
        _fill_spec(request.model_spec, model, version)
        request.model_spec.signature_name = signature
        for name, array in arrays.items():
            try:
                wire.fill_content(request.inputs[name], array)
            except ValueError as error:  # the values of strings are looked at here first
                raise InvalidRequest(
                    f"{name} cannot be sent. {' '.join(str(error).split())}"
                ) from error
        try:
            return (yield from self._call_model("Predict", request, deadline))
        except (InvalidRequest, ModelNotFound):
            self._metadata.pop((model, version), None)
            raise

    def _known_metadata(self, model: str, version: int | None, deadline: _Deadline) -> Steps:
        known = self._metadata.get((model, version))
        if known is None:
            request = wire.GetModelMetadataRequest(metadata_field=["signature_def"])
            _fill_spec(request.model_spec, model, version)
            answer = yield from self._call_model("GetModelMetadata", request, deadline)
            known = self._metadata[model, version] = read_metadata(model, answer)
            # The later requests of a call ask for the version of the first.
            self._metadata.setdefault((model, known.version), known)
        return known

    def _status(self, model: str, deadline: _Deadline) -> Steps:
        request = wire.GetModelStatusRequest()
        request.model_spec.name = model
        answer = yield from self._call("GetModelStatus", request, deadline)
        return [
            VersionStatus(
                entry.version,
                wire.state_name(entry.state),
                entry.status.error_message if entry.status.error_code else "",
            )
            for entry in answer.model_version_status
        ]

    def _call_model(self, method: str, request: Message, deadline: _Deadline) -> Steps:
        """`_call`; if the model is not found, the error lists what the server has."""
        try:
            return (yield from self._call(method, request, deadline))
        except ModelNotFound:
            spec = request.model_spec
            try:
                status = "; ".join(map(str, (yield from self._status(spec.name, deadline))))
            except ModelNotFound:
                raise (yield from self._no_such_model(spec.name, deadline)) from None
            except ServingError as failure:
                status = f"unknown: {failure}"
            asked = f"version {spec.version.value}" if spec.HasField("version") else "a version"
            raise ModelNotFound(
                f"The server at {self._address} does not have {asked} of {spec.name!r} that is"
                f" available. Its status: {status}"
            ) from None

    def _no_such_model(self, model: str, deadline: _Deadline) -> Steps:
        """Returns the error of an unknown model; it lists those of a server that can list them."""
        message = f"The server at {self._address} has no model {model!r}"
        try:
            soon = _Deadline(min(deadline.left() or 1e-3, _POLL_TIMEOUT))
            names = sorted((yield from self.models(soon)))
        except ServingError:  # TF Serving has no such call
            names = []
        if names:
            more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
            message += f". It has: {', '.join(names[:_MOST_NAMES])}{more}"
        return ModelNotFound(message)

    def _call(self, method: str, request: Message, deadline: _Deadline) -> Steps:
        """Makes a call, retries a busy server until the deadline, and translates errors."""
        attempt = 0
        busy: grpc.RpcError | None = None
        while True:
            attempt += 1
            try:
                answer = yield Call(method, request, deadline.left())
            except grpc.RpcError as error:
                failure = error
            else:
                if isinstance(answer, _Garbled):
                    raise InvalidResponse(
                        f"{self._address} must answer {method} with TF Serving's messages."
                        f" Received: {answer.error}"
                    )
                return answer
            if failure.code() not in _BUSY:
                # The last try may have had no time left: what was seen before says more.
                out_of_time = failure.code() == grpc.StatusCode.DEADLINE_EXCEEDED
                raised = busy if busy is not None and out_of_time else failure
                raise self._translated(raised, method, request, deadline) from failure
            busy = failure
            # Waits of 0.1, 0.2, 0.4 ... s, reduced by jitter so that callers do not retry
            # together. Repeating a call is safe: no call changes anything.
            delay = min(_FIRST_DELAY * 2 ** min(attempt - 1, 10), _LONGEST_DELAY)
            delay *= random.uniform(0.5, 1.0)
            if delay >= deadline.left():
                raise self._translated(busy, method, request, deadline) from busy
            yield Pause(delay)

    def _translated(
        self, error: grpc.RpcError, method: str, request: Message, deadline: _Deadline
    ) -> ServingError:
        code, details = error.code(), error.details()
        if code in _BUSY:
            return Unavailable(
                f"A server must be answering at {self._address}; start one with `python -m serving"
                f" --models=DIR`, check the address, or try again later. Received: {details}"
            )
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded(
                f"{self._address} must answer within {deadline.seconds:g} s; check that it is up,"
                f" or allow more with timeout=. Received: no answer to {method} ({details})"
            )
        if method == "RepositoryIndex" and code == grpc.StatusCode.UNIMPLEMENTED:
            return ServingError(
                f"{self._address} cannot list its models: TF Serving's API has no such call. Ask"
                f" for a model by its name, with status(). Received: {details}"
            )
        model = request.model_spec.name if hasattr(request, "model_spec") else ""
        received = f"Received for {model!r}: {' '.join(_NODE.sub('', details or '').split())}"
        if code == grpc.StatusCode.NOT_FOUND:
            return ModelNotFound(f"The model must be one that {self._address} serves. {received}")
        if code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION):
            return InvalidRequest(f"{self._address} refused the request. {received}")
        return ServingError(f"{method} failed at {self._address} with {code.name}. {received}")


def one_file(path: Any, operation: Callable[[Any], Steps]) -> Steps:
    """Returns the path and the result of `operation(path)`, or the error of that file alone."""
    try:
        return path, (yield from operation(path))
    except InvalidRequest as error:
        return path, error


def seed_range(n: int, seed: int | None) -> tuple[int, int]:
    """Returns the number of images and the first seed; a seed of None becomes a random one.

    Raises:
        InvalidRequest: not integers, or out of range.
    """
    n = _integer("n", n)
    seed = secrets.randbits(32) if seed is None else _integer("seed", seed)
    if n < 1:
        raise InvalidRequest(f"n must be at least 1. Received: n={n}")
    if not -(2**63) <= seed <= 2**63 - n:
        raise InvalidRequest(
            f"seed and seed + n - 1 must be 64-bit integers. Received: seed={seed}, n={n}"
        )
    return n, seed


def _common_rows(inputs: Mapping[str, Any]) -> int:
    """How many rows all inputs have; 0 if they have no rows, or differ."""
    # Not np.ndim, which makes an array: of str and bytes there is none.
    rows = {
        len(value) if getattr(value, "ndim", isinstance(value, list | tuple)) else 0
        for value in inputs.values()
    }
    return rows.pop() if len(rows) == 1 else 0


def _pieces(chunks: Iterable[Mapping[str, Any]], limit: int | None) -> Iterator[Mapping[str, Any]]:
    """Yields the chunks, each of more than `limit` rows in pieces."""
    for chunk in chunks:
        rows = _common_rows(chunk)
        if limit is None or rows <= limit:
            yield chunk
            continue
        for at in range(0, rows, limit):
            yield {name: value[at : at + limit] for name, value in chunk.items()}


def _checked(model: Any, version: Any = None) -> int | None:
    """Returns the version that a call asks for, or None.

    Raises:
        InvalidRequest: the model's name or the version is of another type.
    """
    try:
        model.encode()
    except (AttributeError, UnicodeEncodeError):
        raise InvalidRequest(
            f"model must be a string of valid Unicode. Received: {model!r}"
        ) from None
    if version is None:
        return None
    version = _integer("version", version)
    if not 0 <= version < 2**63:
        raise InvalidRequest(f"version must be from 0 to 2**63 - 1. Received: {version}")
    return version


def _output_names(outputs: Any) -> list[str]:
    names = [] if outputs is None else outputs
    if isinstance(names, Iterable) and not isinstance(names, str):
        names = list(names)
        if all(isinstance(name, str) for name in names):
            return names
    raise InvalidRequest(
        f"outputs must be a list of names, such as ['images']. Received: {outputs!r}"
    )


def _integer(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise InvalidRequest(f"{name} must be an integer. Received: {name}={value!r}") from None


def _drawing_chunks(
    n: int | None, seed: int | None, labels: Any, embeddings: Any, truncation: Any
) -> Iterator[dict[str, np.ndarray]]:
    if n is None:
        n = _rows_given(labels=(labels, 0), embeddings=(embeddings, 1), truncation=(truncation, 0))
    n, seed = seed_range(n, seed)
    return _chunks(
        n,
        seed=range(seed, seed + n),
        labels=_labels(labels, n),
        embeddings=_embeddings(embeddings, n),
        truncation=_truncation(truncation, n),
    )


def _rows_given(**given: tuple[Any, int]) -> int:
    """How many images are asked for row by row; 1 where nothing is.

    Args:
        **given: a value, or None, and the rank of one row of it.

    Raises:
        InvalidRequest: arguments that differ in their rows.
    """
    rows = {
        name: len(array)
        for name, (value, rank) in given.items()
        if value is not None and (array := to_array(name, value)).ndim == rank + 1
    }
    if len(set(rows.values())) > 1:
        received = ", ".join(f"{count} {name}" for name, count in rows.items())
        raise InvalidRequest(f"there must be one row for each image. Received: {received}")
    return next(iter(rows.values()), 1)


def _chunks(n: int, **rows: Sequence | np.ndarray | None) -> Iterator[dict[str, np.ndarray]]:
    """Yields the inputs of each request: some of the n rows of each value that is not None."""
    given = {name: values for name, values in rows.items() if values is not None}
    for at in range(0, n, CHUNK_ROWS):
        yield {name: np.asarray(values[at : at + CHUNK_ROWS]) for name, values in given.items()}


def _labels(labels: Any, n: int) -> np.ndarray | None:
    if labels is None:
        return None
    array = to_array("labels", labels)
    of_n = array.dtype.kind in "iu" and array.shape in ((), (n,))
    if not of_n or not np.all((array >= 0) & (array < 2**31)):
        raise InvalidRequest(
            "labels must be an integer of at least 0, or one for each image."
            f" Received: {_shown('labels', labels, 0, n)} for {n} image(s)"
        )
    return np.broadcast_to(array, n).astype(np.int32)


def _embeddings(embeddings: Any, n: int) -> np.ndarray | None:
    if embeddings is None:
        return None
    array = to_array("embeddings", embeddings)
    of_n = array.dtype.kind in "iuf" and (array.ndim == 1 or array.shape[:-1] == (n,))
    if not of_n or not np.all(np.isfinite(array)):
        raise InvalidRequest(
            "embeddings must be finite numbers [d], one vector for all images, or [n, d]."
            f" Received: {_shown('embeddings', embeddings, 1, n)} for {n} image(s)"
        )
    return np.broadcast_to(array, (n, array.shape[-1])).astype(np.float32)


def _truncation(truncation: Any, n: int) -> np.ndarray | None:
    if truncation is None:
        return None
    array = to_array("truncation", truncation)
    of_n = array.dtype.kind in "iuf" and array.shape in ((), (n,))
    if not of_n or not np.all(array >= 0):  # False for NaN
        raise InvalidRequest(
            "truncation must be a number of at least 0, or one for each image."
            f" Received: {_shown('numbers', truncation, 0, n)} for {n} image(s)"
        )
    return np.broadcast_to(array, n).astype(np.float32)


def _shown(name: str, value: Any, rank: int, n: int) -> str:
    """A value for a message; how many there are where that is wrong. `rank` is that of a row."""
    array = np.asarray(value)
    if array.ndim == rank + 1 and len(array) != n:
        return f"{len(array)} {name}"
    return repr(value) if array.size < 10 else f"{array.dtype} {list(array.shape)}"


def _image_chunks(images: Any, labels: Any, embeddings: Any) -> Iterator[dict[str, np.ndarray]]:
    images = to_array("images", images)
    if images.ndim != 4 or not len(images):
        raise InvalidRequest(
            f"images must have shape [N, H, W, C], N at least 1. Received: {list(images.shape)}"
        )
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise InvalidRequest(
            f"images must be uint8, or floats in [-1, 1]. Received: dtype {images.dtype}"
        )
    if images.dtype == np.uint8:
        images = to_float(images)
    images = images.astype(np.float32, copy=False)
    if not np.all(np.abs(images) <= 1.001):  # False for NaN; rounding is tolerated
        raise InvalidRequest(
            "images must be uint8, or floats in [-1, 1]; x / 127.5 - 1 converts 0 to 255."
            f" Received: from {images.min()} to {images.max()}"
        )
    n = len(images)
    return _chunks(
        n, images=images, labels=_labels(labels, n), embeddings=_embeddings(embeddings, n)
    )


def _fill_spec(spec: Message, model: str, version: int | None) -> None:
    spec.name = model
    if version is not None:
        spec.version.value = version
