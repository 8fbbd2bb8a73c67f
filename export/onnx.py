"""ONNX files, through tf2onnx; run by ONNX Runtime."""

import importlib.metadata
import logging
import pathlib
from typing import Any

import numpy as np
import onnx
import tf2onnx
from onnx import numpy_helper

from export.signatures import Signature

RUNTIME = "onnxruntime"
OPSET = 18
# Smaller constants stay in float32: shapes, scales, and what costs nothing.
FLOAT16_FROM = 256


def runtime_version() -> str:
    """Of ONNX Runtime."""
    return importlib.metadata.version(RUNTIME)


def write(function: Signature, path: pathlib.Path, float16: bool) -> str:
    """Writes a function, with dynamic batch and, where it has one, dynamic size.

    Returns:
        The file's name, `path` with `.onnx`.
    """
    file = path.with_suffix(".onnx")
    file.write_bytes(converted(function, float16).SerializeToString())
    return file.name


def converted(function: Signature, float16: bool = False) -> onnx.ModelProto:
    """A function as an ONNX model."""
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    model, _ = tf2onnx.convert.from_function(
        function,
        input_signature=function.input_signature,
        opset=OPSET,
        custom_op_handlers={"SelectV2": (_where, [])},
    )
    _name_axes(model, function)
    if float16:
        _store_as_float16(model)
    onnx.checker.check_model(model)
    return model


def _where(context: Any, node: Any, name: str, args: list[Any]) -> None:
    """TensorFlow's `where` as ONNX's, which broadcasts alike.

    tf2onnx multiplies both branches by the condition, and NaN times 0 is NaN.
    """
    node.type = "Where"


def _name_axes(model: onnx.ModelProto, function: Signature) -> None:
    """Axes and outputs by name: N, H and W for tf2onnx's numbers."""
    names = list(function.get_concrete_function().structured_outputs)
    for value, name in zip(model.graph.output, names, strict=True):
        for node in model.graph.node:
            node.output[:] = [name if output == value.name else output for output in node.output]
            node.input[:] = [name if input == value.name else input for input in node.input]
        value.name = name
    for value in (*model.graph.input, *model.graph.output):
        for axis, dim in zip("NHWC", value.type.tensor_type.shape.dim, strict=False):
            if not dim.HasField("dim_value"):
                prefix = "out_" if value in model.graph.output and axis in "HW" else ""
                dim.dim_param = prefix + axis


def _store_as_float16(model: onnx.ModelProto) -> None:
    """Large weights in float16, each cast to float32 where it is used."""
    graph = model.graph
    for tensor in list(graph.initializer):
        weights = numpy_helper.to_array(tensor)
        if weights.dtype != np.float32 or weights.size < FLOAT16_FROM:
            continue
        name = tensor.name
        half = numpy_helper.from_array(weights.astype(np.float16), f"{name}_float16")
        graph.initializer.remove(tensor)
        graph.initializer.append(half)
        cast = onnx.helper.make_node("Cast", [half.name], [name], to=onnx.TensorProto.FLOAT)
        graph.node.insert(0, cast)
