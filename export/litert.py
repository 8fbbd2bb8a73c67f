"""LiteRT (TensorFlow Lite) files that need LiteRT's own operations alone."""

import importlib.metadata
import pathlib

import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError

from export.signatures import Signature

RUNTIME = "ai-edge-litert"


def runtime_version() -> str:
    """Of LiteRT."""
    return importlib.metadata.version(RUNTIME)


def write(function: Signature, path: pathlib.Path, float16: bool) -> str:
    """Writes a function, with dynamic batch and, where it has one, dynamic size.

    Returns:
        The file's name, `path` with `.tflite`.
    """
    concrete = function.get_concrete_function()
    module = tf.Module()
    module.variables_reached = list(concrete.graph.variables)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    # Without Flex, which a LiteRT runtime does not have by default.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if float16:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    file = path.with_suffix(".tflite")
    try:
        file.write_bytes(converter.convert())
    except ConverterError as error:
        raise ValueError(str(error)) from error
    return file.name
