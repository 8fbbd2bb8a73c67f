"""TF Serving's REST API, that of the Open Inference Protocol, and the metrics, on aiohttp."""

import asyncio
import json
import re
from collections.abc import Callable

import grpc
from aiohttp import web
from google.protobuf import json_format
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    regression_pb2,
)

from serving import wire
from serving.server import json_tensors, open_inference, open_inference_json
from serving.server.api import Api, Origin
from serving.server.port import not_free
from serving.server.servable import Servable
from serving.server.status import StatusError, invalid_argument, not_found

_MODEL = r"/v1/models/(?P<name>[^/:]+)(/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_INFERENCE = re.compile(_MODEL + r":(?P<method>classify|regress|predict)")
_METADATA = re.compile(_MODEL + r"/metadata")
_STATUS = re.compile(_MODEL)
# Of the Open Inference Protocol: method and path -> its call.
_OPEN_MODEL = r"/v2/models/(?P<name>[^/]+)(/versions/(?P<version>[^/]+))?"
_OPEN = [
    ("GET", re.compile("/v2/health/live"), "ServerLive"),
    ("GET", re.compile("/v2/health/ready"), "ServerReady"),
    ("GET", re.compile("/v2/?"), "ServerMetadata"),
    ("GET", re.compile(_OPEN_MODEL), "ModelMetadata"),
    ("GET", re.compile(_OPEN_MODEL + "/ready"), "ModelReady"),
    ("POST", re.compile(_OPEN_MODEL + "/infer"), "ModelInfer"),
    ("POST", re.compile("/v2/repository/index"), "RepositoryIndex"),
]

_HTTP = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type",
}
# Bodies of more bytes are read and written in a thread.
_LARGE = 2**16


async def start(
    api: Api, host: str, port: int, *, seconds: float, cors: bool, metrics_path: str | None
) -> web.AppRunner:
    """Opens the port; the caller cleans the runner up.

    Args:
        api: what answers.
        host: the address to listen on.
        port: the port.
        seconds: how long a call may take.
        cors: answers carry CORS headers.
        metrics_path: where the metrics are; None for nowhere.

    Raises:
        StartError: the port is not free.
    """
    headers = _CORS if cors else {}

    async def handle(request: web.Request) -> web.Response:
        if cors and request.method == "OPTIONS":
            return web.Response(headers=headers)
        if request.method == "GET" and request.path == metrics_path:
            text = await asyncio.to_thread(api.monitoring.text)
            return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4"})
        status, body, json_length = await _answer(api, request, seconds)
        response = web.Response(
            status=status, body=body, content_type="application/json", headers=headers
        )
        if json_length is not None:
            response.content_type = "application/octet-stream"
            response.headers[open_inference_json.LENGTH_HEADER] = str(json_length)
        if api.leaving:
            response.force_close()
        return response

    app = web.Application(client_max_size=wire.MAX_MESSAGE_BYTES)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=30,
        handler_cancellation=True,  # a caller who has left frees its place
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise not_free(host, port, "--rest_api_port") from error
    return runner


# The status, the body, and how much of it is JSON, if not all.
Answer = tuple[int, bytes, int | None]


async def _answer(api: Api, request: web.Request, seconds: float) -> Answer:
    loop = asyncio.get_running_loop()
    named = re.match(_MODEL, request.path) or re.match(_OPEN_MODEL, request.path)
    model = named["name"] if named else ""
    headers = [(key.lower(), value) for key, value in request.headers.items()]
    origin = Origin("REST", request.remote or "", model, loop.time() + seconds, "", headers)
    try:
        async with asyncio.timeout(seconds):
            if request.path.startswith("/v2"):
                return await _open(api, request, origin)
            return 200, await _called(api, request, origin), None
    except TimeoutError:
        failure = StatusError(grpc.StatusCode.DEADLINE_EXCEEDED, f"Timed out after {seconds:g} s")
    except StatusError as error:
        failure = error
    body = json.dumps({"error": failure.message}, ensure_ascii=False, indent=1)
    return _HTTP.get(failure.code, 500), body.encode(errors="replace"), None


async def _open(api: Api, request: web.Request, origin: Origin) -> Answer:
    """Answers a call of the Open Inference Protocol."""
    found = [
        (method, match)
        for verb, pattern, method in _OPEN
        if request.method == verb and (match := pattern.fullmatch(request.path))
    ]
    if not found:
        raise not_found(f"Malformed request: {request.method} {request.path}")
    method, match = found[0]
    asked = open_inference.message_of(f"{method}Request")
    if method != "ModelInfer":
        if "name" in match.groupdict():
            asked.name, asked.version = match["name"], match["version"] or ""
        answer = await open_inference.call(api, method, asked, origin)
        unready = {"ServerReady": 503, "ModelReady": 404}
        status = 200 if getattr(answer, "ready", True) else unready.get(method, 200)
        return status, open_inference_json.write(answer), None

    async def read():
        nonlocal asked
        body = await request.read()
        length = request.headers.get(open_inference_json.LENGTH_HEADER)
        asked = await _off_loop(len(body), open_inference_json.read_infer, body, length)
        asked.model_name, asked.model_version = match["name"], match["version"] or ""
        return asked

    answer = await open_inference.call(api, method, read, origin)
    write = open_inference_json.write_infer
    return 200, *await _off_loop(answer.ByteSize(), write, answer, asked)


async def _called(api: Api, request: web.Request, origin: Origin) -> bytes:
    method, path = request.method, request.path
    if method == "POST" and (match := _INFERENCE.fullmatch(path)):
        body = await request.read()
        return await _infer(api, match, body, origin)
    if method == "GET" and (match := _METADATA.fullmatch(path)):
        asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        _fill_spec(asked.model_spec, match)
        answer = await api.call("GetModelMetadata", asked, origin)
        return json_tensors.dump(_metadata(answer))
    if method == "GET" and (match := _STATUS.fullmatch(path)):
        asked = get_model_status_pb2.GetModelStatusRequest()
        _fill_spec(asked.model_spec, match)
        answer = await api.call("GetModelStatus", asked, origin)
        return json_tensors.dump(_dict(answer))
    raise invalid_argument(f"Malformed request: {method} {path}")


async def _infer(api: Api, match: re.Match, body: bytes, origin: Origin) -> bytes:
    kind = match["method"]
    request, to_json = {
        "predict": (predict_pb2.PredictRequest(), None),
        "classify": (classification_pb2.ClassificationRequest(), json_tensors.of_classify),
        "regress": (regression_pb2.RegressionRequest(), json_tensors.of_regress),
    }[kind]
    call = kind.capitalize()
    with api.measured(call, origin):
        _fill_spec(request.model_spec, match)
        # The version that the inputs are read for is the one that answers.
        with api.manager.held(request.model_spec) as version:
            rows = await _off_loop(len(body), _fill, request, body, version.servable)
            answer = await api.infer_by(version, call, request, origin.deadline)
    if to_json is None:
        return await _off_loop(
            answer.ByteSize(), lambda: json_tensors.dump(json_tensors.of_predict(answer, rows))
        )
    return json_tensors.dump(to_json(answer))


def _fill(request, body: bytes, servable: Servable) -> bool:
    given = json_tensors.parse(body)
    name = given.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument("'signature_name' key must be a string value.")
    request.model_spec.signature_name = name
    if isinstance(request, predict_pb2.PredictRequest):
        return json_tensors.fill_predict(request, given, servable)
    json_tensors.fill_examples(request, given)
    return False


async def _off_loop(size: int, function: Callable, *arguments):
    """Runs a function in a thread if it has much to do."""
    if size < _LARGE:
        return function(*arguments)
    return await asyncio.to_thread(function, *arguments)


def _fill_spec(spec, match: re.Match) -> None:
    spec.name = match["name"]
    if match["version"] is not None:
        number = int(match["version"])
        if number > 2**63 - 1:
            raise invalid_argument(f"Failed to convert version: {match['version']} to numeric.")
        spec.version.value = number
    elif match["label"] is not None:
        spec.version_label = match["label"]


def _dict(message) -> dict:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _metadata(answer) -> dict:
    signatures = get_model_metadata_pb2.SignatureDefMap()
    answer.metadata["signature_def"].Unpack(signatures)
    spec = answer.model_spec
    return {
        "model_spec": {
            "name": spec.name,
            "signature_name": "",
            "version": str(spec.version.value),
        },
        "metadata": {"signature_def": _dict(signatures)},
    }
