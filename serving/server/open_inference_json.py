"""The Open Inference Protocol's REST: JSON, and the binary extension, to and from its messages."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from google.protobuf import json_format
from google.protobuf.message import Message

from serving import wire
from serving.server import json_tensors
from serving.server.open_inference import TYPES, message_of
from serving.server.status import invalid_argument

# The length of the JSON before the binary values, of requests and answers.
LENGTH_HEADER = "Inference-Header-Content-Length"


def read_infer(body: bytes, json_length: str | None) -> Message:
    """Returns the ModelInferRequest of a body, all but the model's name and version.

    Args:
        body: JSON, and the values that are not in it.
        json_length: the header of the binary extension, if there is one.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    length = len(body) if json_length is None else _length(json_length, len(body))
    given = json_tensors.parse(body[:length])
    request = message_of("ModelInferRequest")
    request.id = _take(given, "id", str, "")
    _fill_parameters(request.parameters, given)
    at = length
    for item in _items(given, "inputs"):
        tensor = request.inputs.add()
        tensor.name, tensor.datatype = _take(item, "name", str), _take(item, "datatype", str)
        tensor.shape.extend(_shape(item, tensor.name))
        _fill_parameters(tensor.parameters, item)
        if "binary_data_size" in tensor.parameters:
            size = tensor.parameters["binary_data_size"].int64_param
            if not 0 <= size <= len(body) - at or "data" in item:
                raise invalid_argument(
                    f"Input {tensor.name} must have its {size} bytes after the JSON, and no data"
                    f" in it. Received: {len(body) - at} bytes"
                )
            request.raw_input_contents.append(body[at : at + size])
            at += size
        else:
            request.raw_input_contents.append(_raw(tensor, item.get("data")))
    if at != len(body):
        raise invalid_argument(
            f"The body must end with the last binary value. Received: {len(body) - at} bytes more"
        )
    for item in _items(given, "outputs", optional=True):
        output = request.outputs.add(name=_take(item, "name", str))
        _fill_parameters(output.parameters, item)
    return request


def write_infer(answer: Any, request: Any) -> tuple[bytes, int | None]:
    """Returns the body of an answer, and the length of its JSON if more follows.

    Raises:
        StatusError: INVALID_ARGUMENT, for bytes that JSON cannot hold.
    """
    as_binary = _flag(request.parameters, "binary_data_output", False)
    asked = {output.name: output.parameters for output in request.outputs}
    outputs, binary = [], []
    for output, raw in zip(answer.outputs, answer.raw_output_contents, strict=True):
        found: dict[str, Any] = {
            "name": output.name,
            "datatype": output.datatype,
            "shape": list(output.shape),
        }
        if _flag(asked.get(output.name, {}), "binary_data", as_binary):
            found["parameters"] = {"binary_data_size": len(raw)}
            binary.append(raw)
        else:
            found["data"] = _data(output, raw)
        outputs.append(found)
    top = {
        "model_name": answer.model_name,
        "model_version": answer.model_version,
        **({"id": answer.id} if answer.id else {}),
        "outputs": outputs,
    }
    text = json_tensors.dump(top)
    return b"".join([text, *binary]), len(text) if binary else None


def write(answer: Message) -> bytes:
    """Returns the JSON of any other answer."""
    fields = json_format.MessageToDict(
        answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    for tensor in itertools.chain(fields.get("inputs", ()), fields.get("outputs", ())):
        tensor["shape"] = [int(size) for size in tensor["shape"]]
    return json.dumps(fields.get("models", fields)).encode()  # the index is a plain list


def _length(text: str, most: int) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > most:
        raise invalid_argument(
            f"{LENGTH_HEADER} must be at most the body's {most} bytes. Received: {text[:40]!r}"
        )
    return int(text)


_MUST = object()


def _take(item: dict[str, Any], key: str, kind: type, default: Any = _MUST) -> Any:
    value = item.get(key, default)
    if not isinstance(value, kind):
        received = "nothing" if value is _MUST else json.dumps(value)[:80]
        raise invalid_argument(f"'{key}' must be a JSON {kind.__name__}. Received: {received}")
    return value


def _items(given: dict[str, Any], key: str, optional: bool = False) -> Iterator[dict[str, Any]]:
    items = _take(given, key, list, [] if optional else _MUST)
    for item in items:
        if not isinstance(item, dict):
            raise invalid_argument(
                f"'{key}' must hold JSON objects. Received: {json.dumps(item)[:80]}"
            )
        yield item


def _shape(item: dict[str, Any], name: str) -> list[int]:
    shape = _take(item, "shape", list)
    if not all(type(size) is int and 0 <= size < 2**63 for size in shape):
        raise invalid_argument(
            f"The shape of {name} must hold sizes from 0. Received: {json.dumps(shape)[:80]}"
        )
    return shape


def _fill_parameters(parameters: Any, item: dict[str, Any]) -> None:
    for key, value in _take(item, "parameters", dict, {}).items():
        if isinstance(value, bool):
            parameters[key].bool_param = value
        elif isinstance(value, int) and -(2**63) <= value < 2**63:
            parameters[key].int64_param = value
        elif isinstance(value, float):
            parameters[key].double_param = value
        elif isinstance(value, str):
            parameters[key].string_param = value
        else:
            raise invalid_argument(
                f"A parameter must be a string, a number or a boolean. Received: {key}:"
                f" {json.dumps(value)[:80]}"
            )


def _flag(parameters: Any, key: str, default: bool) -> bool:
    return parameters[key].bool_param if key in parameters else default


def _raw(tensor: Any, data: Any) -> bytes:
    """Returns the raw form of an input's data: row by row, or nested lists."""
    if tensor.datatype not in TYPES:
        return b""  # refused with the rest of the request
    dtype = wire.numpy_dtype(TYPES[tensor.datatype][0])
    flat: list[Any] = []
    if not isinstance(data, list):
        raise invalid_argument(f"'data' of {tensor.name} must be a JSON list")
    _flatten(data, flat)
    if tensor.datatype == "BYTES":
        if not all(isinstance(item, str) for item in flat):
            raise invalid_argument(f"'data' of {tensor.name} must hold strings for BYTES")
        encoded = [item.encode(errors="surrogatepass") for item in flat]
        return b"".join(len(text).to_bytes(4, "little") + text for text in encoded)
    kinds = {"b": (bool,), "f": (int, float)}.get(dtype.kind, (int,))
    if not all(type(item) in kinds for item in flat):
        raise invalid_argument(f"'data' of {tensor.name} must hold values of {tensor.datatype}")
    try:
        with np.errstate(over="ignore"):  # 1e300 is an infinite float
            return np.array(flat, dtype).tobytes()
    except OverflowError as error:
        raise invalid_argument(
            f"The values of {tensor.name} must fit {tensor.datatype}. Received: {error}"
        ) from error


def _flatten(items: list, flat: list) -> None:
    for item in items:
        if isinstance(item, list):
            _flatten(item, flat)
        else:
            flat.append(item)


def _data(output: Any, raw: bytes) -> list:
    if output.datatype != "BYTES":
        return np.frombuffer(raw, wire.numpy_dtype(TYPES[output.datatype][0])).tolist()
    texts, at = [], 0
    while at < len(raw):
        end = at + 4 + int.from_bytes(raw[at : at + 4], "little")
        texts.append(raw[at + 4 : end])
        at = end
    try:
        return [text.decode() for text in texts]
    except UnicodeDecodeError as error:
        raise invalid_argument(
            f"Output {output.name} holds bytes that are not text; ask for it with the parameter"
            " binary_data: true"
        ) from error
