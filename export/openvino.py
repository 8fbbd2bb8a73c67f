"""OpenVINO's IR, a pair of .xml and .bin, through ONNX."""

import importlib.metadata
import pathlib

import openvino

from export import onnx
from export.signatures import Signature

RUNTIME = "openvino"


def runtime_version() -> str:
    """Of OpenVINO."""
    return importlib.metadata.version(RUNTIME)


def write(function: Signature, path: pathlib.Path, float16: bool) -> str:
    """Writes a function, with dynamic batch and, where it has one, dynamic size.

    OpenVINO's own reader of TensorFlow refuses functions of this library (ReverseV2 over two axes).

    Returns:
        The .xml file's name; its .bin has the same.
    """
    passing = path.with_suffix(".onnx")
    passing.write_bytes(onnx.converted(function).SerializeToString())
    try:
        model = openvino.convert_model(passing)
    finally:
        passing.unlink()
    file = path.with_suffix(".xml")
    openvino.save_model(model, file, compress_to_fp16=float16)
    return file.name
