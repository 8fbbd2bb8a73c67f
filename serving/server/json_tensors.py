"""TF Serving's JSON: requests to protos, and protos to responses."""

import base64
import binascii
import json
import math
from typing import Any

import numpy as np
from tensorflow_serving.apis import (
    classification_pb2,
    predict_pb2,
    regression_pb2,
)

from serving import wire
from serving.server.servable import DEFAULT_SIGNATURE, Servable
from serving.server.status import invalid_argument


def parse(body: bytes) -> dict[str, Any]:
    """Returns the object of a request's body.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid_argument(f"JSON Parse error: {error}") from error
    if not isinstance(value, dict):
        raise invalid_argument(f"Expected json object at the top. Got: {type(value).__name__}")
    return value


def fill_predict(
    request: predict_pb2.PredictRequest, given: dict[str, Any], servable: Servable
) -> bool:
    """Fills the inputs of a Predict request; returns whether rows were given (`instances`).

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    rows = "instances" in given
    if rows == ("inputs" in given):
        raise invalid_argument(
            "Missing 'inputs' or 'instances' key"
            if not rows
            else "Request must have either 'inputs' or 'instances', not both"
        )
    signature = servable.signatures.get(request.model_spec.signature_name or DEFAULT_SIGNATURE)
    if signature is None:
        return rows  # Predict itself refuses it
    infos = signature.definition.inputs
    columns = _columns(given["instances"], list(infos)) if rows else given["inputs"]
    if not rows and (not isinstance(columns, dict) or _is_base64(columns)):
        if len(infos) != 1:
            raise invalid_argument(
                f"inputs is a plain value/list, but expecting an object as multiple input tensors"
                f" required as per tensorinfo_map: {','.join(sorted(infos))}"
            )
        columns = {next(iter(infos)): columns}
    for name, value in columns.items():
        if name not in infos:
            raise invalid_argument(
                f"Failed to process element: tensor name '{name}' is not in the signature, which"
                f" takes {','.join(sorted(infos))}"
            )
        array = _array(name, value, infos[name].dtype)
        wire.fill_content(request.inputs[name], array)
    return rows


def of_predict(response: predict_pb2.PredictResponse, rows: bool) -> dict[str, Any]:
    """Returns the JSON of a Predict response, in the form in which the inputs were given.

    Raises:
        StatusError: the outputs do not go by rows, and rows were given.
    """
    columns = {
        name: _values(name, wire.to_numpy(proto)) for name, proto in response.outputs.items()
    }
    if not rows:
        return {"outputs": next(iter(columns.values())) if len(columns) == 1 else columns}
    sizes = {
        proto.tensor_shape.dim[0].size if proto.tensor_shape.dim else None
        for proto in response.outputs.values()
    }
    if len(sizes) != 1 or None in sizes:
        raise invalid_argument(
            "Tensor name: outputs have inconsistent batch size; ask with 'inputs' for outputs that"
            " do not go by rows"
        )
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    names = sorted(columns)
    return {
        "predictions": [
            dict(zip(names, row, strict=True))
            for row in zip(*(columns[name] for name in names), strict=True)
        ]
    }


def fill_examples(request: Any, given: dict[str, Any]) -> None:
    """Fills the examples of a Classify or Regress request.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    examples = given.get("examples")
    if not isinstance(examples, list):
        raise invalid_argument("When method is classify or regress, 'examples' must be a list")
    if "context" in given:
        target = request.input.example_list_with_context
        _fill_example(target.context, given["context"])
    else:
        target = request.input.example_list
    for example in examples:
        _fill_example(target.examples.add(), example)


def of_classify(response: classification_pb2.ClassificationResponse) -> dict[str, Any]:
    """Returns the JSON of a Classify response: [label, score] of each class of each example."""
    return {
        "results": [
            [[entry.label, _number(entry.score)] for entry in classification.classes]
            for classification in response.result.classifications
        ]
    }


def of_regress(response: regression_pb2.RegressionResponse) -> dict[str, Any]:
    """Returns the JSON of a Regress response: one number for each example."""
    return {"results": [_number(entry.value) for entry in response.result.regressions]}


def dump(value: Any) -> bytes:
    """Returns JSON; NaN and infinities as TF Serving writes them."""
    return json.dumps(value, indent=1 if _is_small(value) else None).encode()


def _is_small(value: dict[str, Any]) -> bool:
    return all(not isinstance(v, list) or len(v) < 100 for v in value.values())


def _columns(instances: Any, names: list[str]) -> dict[str, Any]:
    """Turns a list of rows into a dict of columns."""
    if not isinstance(instances, list):
        raise invalid_argument(
            f"Expecting 'instances' value to be a list/array. Got: {type(instances).__name__}"
        )
    if not instances:
        raise invalid_argument("no values for 'instances'")
    if isinstance(instances[0], dict) and not _is_base64(instances[0]):
        columns: dict[str, list] = {name: [] for name in instances[0]}
        for index, row in enumerate(instances):
            if not isinstance(row, dict) or row.keys() != columns.keys():
                raise invalid_argument(
                    f"Failed to process element: {index} of 'instances' list. Expected an object"
                    f" with the keys {','.join(sorted(columns))}"
                )
            for name, value in row.items():
                columns[name].append(value)
        return columns
    if len(names) != 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors"
            f" required as per tensorinfo_map: {','.join(sorted(names))}"
        )
    return {names[0]: instances}


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"}


def _array(name: str, value: Any, number: int) -> np.ndarray:
    """Returns the array of nested lists, which must be of the signature's type."""
    try:
        dtype = wire.numpy_dtype(number)
    except ValueError as error:
        raise invalid_argument(f"Tensor name: {name}: {error}") from error
    shape: list[int] = []
    flat: list[Any] = [value]
    while flat and isinstance(flat[0], list):
        size = len(flat[0])
        if not all(isinstance(item, list) and len(item) == size for item in flat):
            raise invalid_argument(
                f"Encountered list at unexpected size/level: {len(shape)} of tensor name: {name};"
                " all rows must have the same shape"
            )
        shape.append(size)
        flat = [item for items in flat for item in items]
    rounds = number == wire.DT_BFLOAT16
    array = np.empty(len(flat), np.float32 if rounds else dtype)
    try:
        with np.errstate(over="ignore"):  # 1e300 is an infinite float
            array[:] = [_item(item, array.dtype) for item in flat]
    except (TypeError, ValueError, OverflowError, binascii.Error) as error:
        raise invalid_argument(
            f"Failed to process element of tensor name: {name}: not of expected type:"
            f" {wire.dtype_name(number)} ({error})"
        ) from error
    return (wire.to_bfloat16(array) if rounds else array).reshape(shape)


def _item(item: Any, dtype: np.dtype) -> Any:
    if dtype.kind == "O":
        if _is_base64(item):
            return base64.b64decode(item["b64"], validate=True)
        if isinstance(item, str):
            return item.encode()
    elif dtype.kind == "b":
        if isinstance(item, bool):
            return item
    elif isinstance(item, bool):
        pass
    elif dtype.kind in "fc":
        if isinstance(item, int | float):
            return item
    elif isinstance(item, int) and np.iinfo(dtype).min <= item <= np.iinfo(dtype).max:
        return item
    raise TypeError(f"JSON Value: {json.dumps(item)[:80]}")


def _values(name: str, array: np.ndarray) -> Any:
    if array.dtype == object:
        as_base64 = name.endswith("_bytes")

        def text(value: bytes) -> Any:
            if as_base64:
                return {"b64": base64.b64encode(value).decode()}
            return value.decode(errors="replace")

        return _nested([text(value) for value in array.ravel()], list(array.shape))
    if array.dtype.kind == "c":
        raise invalid_argument(f"Tensor name: {name}: complex numbers have no JSON")
    return array.tolist()


def _nested(flat: list, shape: list[int]) -> Any:
    if not shape:
        return flat[0]
    if len(shape) == 1:
        return flat
    step = math.prod(shape[1:])
    return [_nested(flat[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]


def _number(value: float) -> float:
    """A float32 of a message, with no more digits than it has."""
    return float(f"{value:.9g}")


def _fill_example(example: Any, given: Any) -> None:
    if not isinstance(given, dict):
        raise invalid_argument(f"Example must be JSON object. Got: {type(given).__name__}")
    for name, value in given.items():
        values = value if isinstance(value, list) else [value]
        feature = example.features.feature[name]
        try:
            if all(isinstance(item, int) and not isinstance(item, bool) for item in values):
                feature.int64_list.value.extend(values)
            elif all(isinstance(item, int | float) for item in values):
                feature.float_list.value.extend(values)
            else:
                feature.bytes_list.value.extend(_item(item, np.dtype(object)) for item in values)
        except (TypeError, ValueError, binascii.Error) as error:
            raise invalid_argument(f"Feature {name} has a value of no type: {error}") from error
