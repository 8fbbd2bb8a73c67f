"""The Open Inference Protocol, version 2, over the same models: its messages to and from Predict.

The protocol has no signatures. A request runs `serving_default`, or the signature that its string
parameter `signature_name` names. Metadata are those of `serving_default`. gRPC and REST share this.
"""

import math
import re
from collections.abc import Awaitable, Callable
from importlib import metadata
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import Message
from tensorflow_serving.apis import model_pb2, predict_pb2

from serving import wire
from serving.server.api import Api, Origin
from serving.server.manager import State, Version
from serving.server.servable import DEFAULT_SIGNATURE
from serving.server.status import StatusError, failed_precondition, invalid_argument, unimplemented

SERVICE = "inference.GRPCInferenceService"
SERVER_NAME = "gan-zoo"
# The protocol's name of a type -> TensorFlow's number, and the field of contents for its values.
TYPES = {
    "BOOL": (10, "bool_contents"),
    "UINT8": (4, "uint_contents"),
    "UINT16": (17, "uint_contents"),
    "UINT32": (22, "uint_contents"),
    "UINT64": (23, "uint64_contents"),
    "INT8": (6, "int_contents"),
    "INT16": (5, "int_contents"),
    "INT32": (3, "int_contents"),
    "INT64": (9, "int64_contents"),
    "FP16": (19, None),
    "FP32": (1, "fp32_contents"),
    "FP64": (2, "fp64_contents"),
    "BYTES": (wire.DT_STRING, "bytes_contents"),
}
_NAMES = {number: name for name, (number, _) in TYPES.items()}
_STATES = {
    State.LOADING: "LOADING",
    State.AVAILABLE: "READY",
    State.UNLOADING: "UNLOADING",
}

METHODS = (
    "ServerLive",
    "ServerReady",
    "ModelReady",
    "ServerMetadata",
    "ModelMetadata",
    "ModelInfer",
    "RepositoryIndex",
)


def message_of(name: str) -> Any:
    """Returns an empty message of the protocol."""
    return wire.message_class(f"inference.{name}")()


async def call(
    api: Api,
    method: str,
    request: bytes | Message | Callable[[], Awaitable[Message]],
    origin: Origin,
) -> Message:
    """Answers one call of the protocol: a message, its bytes, or what reads it.

    Raises:
        StatusError: The status that the caller receives.
    """
    with api.measured(method, origin) as measured:
        if isinstance(request, bytes):
            request = await api.parse(type(message_of(f"{method}Request")), request)
        elif not isinstance(request, Message):
            request = await request()
        measured.model = getattr(request, "model_name", "") or getattr(request, "name", "")
        if method == "ModelInfer":
            return await _infer(api, request, origin)
        answer = message_of(f"{method}Response")
        if method == "ServerLive":
            answer.live = True
        elif method == "ServerReady":
            answer.ready = _is_ready(api)
        elif method == "ModelReady":
            answer.ready = _is_model_ready(api, request)
        elif method == "ServerMetadata":
            answer.name, answer.version = SERVER_NAME, metadata.version("gan-zoo")
            answer.extensions.extend(["binary_tensor_data", "model_repository(index)"])
        elif method == "ModelMetadata":
            _fill_metadata(answer, api, request)
        else:
            _fill_index(answer, api, ready=request.ready)
        return answer


async def _infer(api: Api, request: Any, origin: Origin) -> Message:
    asked = await api.off_loop(request.ByteSize(), _to_predict, request)
    answer = await api.infer("Predict", asked, origin.deadline)
    return await api.off_loop(answer.ByteSize(), _of_predict, answer, request)


def _is_ready(api: Api) -> bool:
    """Whether the server has not begun to stop, and every model has a version."""
    names = api.manager.names()
    return not api.leaving and all(
        any(version.state == State.AVAILABLE for version in api.manager.versions(name))
        for name in names
    )


def _is_model_ready(api: Api, request: Any) -> bool:
    try:
        api.manager.find(_spec(request.name, request.version))
    except StatusError as error:
        if error.code != grpc.StatusCode.NOT_FOUND:
            raise
        return False
    return not api.leaving


def _fill_metadata(answer: Any, api: Api, request: Any) -> None:
    version = api.manager.find(_spec(request.name, request.version))
    assert version.servable is not None  # it is AVAILABLE
    if DEFAULT_SIGNATURE not in version.servable.signatures:
        raise failed_precondition(f'Serving signature key "{DEFAULT_SIGNATURE}" not found.')
    answer.name, answer.platform = request.name, "tensorflow_savedmodel"
    versions: list[Version] = api.manager.versions(request.name)
    available = sorted(v.number for v in versions if v.state == State.AVAILABLE)
    answer.versions.extend(map(str, available))
    definition = version.servable.signatures[DEFAULT_SIGNATURE].definition
    for specs, infos in (
        (answer.inputs, definition.inputs),
        (answer.outputs, definition.outputs),
    ):
        for name, info in sorted(infos.items()):
            shape = info.tensor_shape
            sizes = [-1] if shape.unknown_rank else [dim.size for dim in shape.dim]
            specs.add(name=name, datatype=_datatype(info.dtype), shape=sizes)


def _fill_index(answer: Any, api: Api, ready: bool) -> None:
    for name in api.manager.names():
        for version in sorted(api.manager.versions(name), key=lambda v: -v.number):
            if ready and version.state != State.AVAILABLE:
                continue
            answer.models.add(
                name=name,
                version=str(version.number),
                state=_STATES.get(version.state, "UNAVAILABLE"),
                reason=version.error.message if version.error else "",
            )


def _spec(name: str, version: str) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=name)
    if version:
        if not re.fullmatch(r"\d{1,19}", version, re.ASCII) or int(version) > 2**63 - 1:
            raise invalid_argument(f"A model's version must be a number. Received: {version!r}")
        spec.version.value = int(version)
    return spec


def _to_predict(request: Any) -> predict_pb2.PredictRequest:
    asked = predict_pb2.PredictRequest()
    asked.model_spec.CopyFrom(_spec(request.model_name, request.model_version))
    if "signature_name" in request.parameters:
        asked.model_spec.signature_name = request.parameters["signature_name"].string_param
    asked.output_filter.extend(output.name for output in request.outputs)
    raw = list(request.raw_input_contents)
    if raw and len(raw) != len(request.inputs):
        raise invalid_argument(
            f"raw_input_contents must hold one item for each of {len(request.inputs)} inputs."
            f" Received: {len(raw)}"
        )
    for index, given in enumerate(request.inputs):
        if given.name in asked.inputs:
            raise invalid_argument(f"Inputs must have names of their own. Received: {given.name}")
        if given.datatype not in TYPES:
            raise invalid_argument(
                f"The datatype of {given.name} must be one of {', '.join(TYPES)}."
                f" Received: {given.datatype!r}"
            )
        size = _size(given)
        proto = asked.inputs[given.name]
        proto.dtype = TYPES[given.datatype][0]
        proto.tensor_shape.SetInParent()
        for length in given.shape:
            proto.tensor_shape.dim.add(size=length)
        if not raw:
            _fill_typed(proto, given, size)
        elif given.HasField("contents"):
            raise invalid_argument(
                f"Values must be in raw_input_contents or in contents. Received: both for"
                f" {given.name}"
            )
        elif proto.dtype == wire.DT_STRING:
            proto.string_val.extend(_strings(given.name, raw[index], size))
        else:
            wanted = size * wire.numpy_dtype(proto.dtype).itemsize
            if len(raw[index]) != wanted:
                raise invalid_argument(
                    f"The values of {given.name} must have {wanted} bytes for {given.datatype}"
                    f" {list(given.shape)}. Received: {len(raw[index])} bytes"
                )
            proto.tensor_content = raw[index]
    return asked


def _size(given: Any) -> int:
    if any(length < 0 for length in given.shape):
        raise invalid_argument(
            f"The shape of {given.name} must hold sizes from 0. Received: {list(given.shape)}"
        )
    return math.prod(given.shape)


def _fill_typed(proto: Any, given: Any, size: int) -> None:
    field = TYPES[given.datatype][1]
    if field is None:
        raise invalid_argument(
            f"{given.datatype} has no field in contents; send {given.name} in raw_input_contents"
        )
    values = getattr(given.contents, field)
    if len(values) != size:
        raise invalid_argument(
            f"contents.{field} of {given.name} must hold {size} values for shape"
            f" {list(given.shape)}. Received: {len(values)}"
        )
    if proto.dtype == wire.DT_STRING:
        proto.string_val.extend(values)
        return
    dtype = wire.numpy_dtype(proto.dtype)
    wide = np.array(values, None if len(values) else dtype)
    array = wide.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(array, wide):
        raise invalid_argument(
            f"The values of {given.name} must fit {given.datatype}. Received: {wide.min()} to"
            f" {wide.max()}"
        )
    proto.tensor_content = array.tobytes()


def _strings(name: str, raw: bytes, size: int) -> list[bytes]:
    """Splits the raw form of strings: each is its length as uint32 and its bytes."""
    strings, at = [], 0
    while at + 4 <= len(raw):
        end = at + 4 + int.from_bytes(raw[at : at + 4], "little")
        if end > len(raw):
            break
        strings.append(raw[at + 4 : end])
        at = end
    if at != len(raw) or len(strings) != size:
        raise invalid_argument(
            f"The values of {name} must be {size} strings, each after its length of 4 bytes."
            f" Received: {len(raw)} bytes, of which {len(strings)} strings can be read"
        )
    return strings


def _of_predict(answer: predict_pb2.PredictResponse, request: Any) -> Message:
    response = message_of("ModelInferResponse")
    response.model_name = answer.model_spec.name
    response.model_version = str(answer.model_spec.version.value)
    response.id = request.id
    # An answer has the form of its request: whoever sends contents may read nothing else.
    typed = bool(request.inputs) and not request.raw_input_contents
    names = [output.name for output in request.outputs] or sorted(answer.outputs)
    fields = {name: TYPES[_datatype(answer.outputs[name].dtype)][1] for name in names}
    typed = typed and None not in fields.values()
    for name in names:
        proto = answer.outputs[name]
        array, datatype = wire.to_numpy(proto), _datatype(proto.dtype)
        output = response.outputs.add(name=name, datatype=datatype, shape=array.shape)
        if typed:
            getattr(output.contents, fields[name] or "").extend(array.ravel().tolist())
        elif proto.dtype == wire.DT_STRING:
            parts = [len(text).to_bytes(4, "little") + text for text in array.ravel()]
            response.raw_output_contents.append(b"".join(parts))
        else:
            response.raw_output_contents.append(array.tobytes())
    return response


def _datatype(number: int) -> str:
    if number not in _NAMES:
        raise unimplemented(
            f"The Open Inference Protocol has no datatype for {wire.dtype_name(number)}"
        )
    return _NAMES[number]
