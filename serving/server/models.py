"""SavedModels on TensorFlow's runtime: loaded, warmed up, run.

A model runs in a `tf.compat.v1.Session`, which is what TF Serving runs: no Keras, no Python
function, the same errors from the same operations.
"""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving import wire
from serving.server.status import StartError, StatusError, from_code_number, invalid_argument

_WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
_WARMUP_LIMIT = 1000
# The prefix that TensorFlow's Python adds to an error of the runtime; TF Serving has no Python.
_PYTHONS_WORDS = "Graph execution error:\n\n"


@dataclasses.dataclass(frozen=True)
class Request:
    """A Predict request that passed all checks.

    Attributes:
        signature: what to run.
        inputs: one array per input of the signature, in its order.
        outputs: the aliases to return; all of the signature's if the request names none.
    """

    signature: "Signature"
    inputs: list[np.ndarray]
    outputs: list[str]


class Signature:
    """One signature of a loaded model.

    Attributes:
        batchable: all inputs and outputs are declared with an unknown leading dimension, so that
            rows of several requests can run together.
        padded: batches are padded to 1, 2, 4 ... rows, so that the runtime plans for few shapes.
            Not for rows of an open size or of bytes, which need a plan each anyway.
    """

    def __init__(self, key: str, definition, run: Callable[..., Sequence[np.ndarray]]):
        self.key = key
        self._definition = definition
        self.inputs = sorted(definition.inputs)  # aliases, in the order in which run takes them
        self.outputs = sorted(definition.outputs)
        self._run = run
        tensors = [*definition.inputs.values(), *definition.outputs.values()]
        shapes = [tensor.tensor_shape for tensor in tensors]
        self.batchable = bool(self.inputs) and all(
            not shape.unknown_rank and shape.dim and shape.dim[0].size < 0 for shape in shapes
        )
        self.padded = self.batchable and not any(
            tensor.dtype == tf.string.as_datatype_enum
            or any(dim.size < 0 for dim in tensor.tensor_shape.dim[1:])
            for tensor in definition.inputs.values()
        )

    def run(self, inputs: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Runs the graph: one array per input -> one array per output, in sorted alias order.

        Raises:
            StatusError: the runtime's own error.
        """
        try:
            return self._run(*inputs)
        except tf.errors.OpError as error:
            message = error.message.removeprefix(_PYTHONS_WORDS)
            raise from_code_number(error.error_code, message) from error
        except (TypeError, ValueError) as error:
            raise invalid_argument(str(error)) from error

    def check(self, request: predict_pb2.PredictRequest) -> Request:
        """Checks names, types and shapes of a request, in TF Serving's order.

        Raises:
            StatusError: INVALID_ARGUMENT, in TF Serving's words.
        """
        self._check_count(request)
        protos = [self._input_proto(request, alias) for alias in self.inputs]
        outputs = self._check_outputs(request.output_filter)
        arrays = []
        for index, (alias, (proto, array)) in enumerate(zip(self.inputs, protos, strict=True)):
            self._check_type_and_shape(index, alias, proto, array)
            arrays.append(array)
        rows = {array.shape[0] for array in arrays} if self.batchable else ()
        if len(rows) > 1:
            raise invalid_argument(
                "Batching Run() input tensors must have equal 0th-dimension size. Received: "
                + ", ".join(
                    f"{alias} {_shape_text(array.shape)}"
                    for alias, array in zip(self.inputs, arrays, strict=True)
                )
            )
        return Request(self, arrays, outputs)

    def _check_count(self, request):
        sent, wanted = len(request.inputs), len(self.inputs)
        if sent > wanted or (sent < wanted and not self._definition.defaults):
            raise invalid_argument(
                f"input size does not match signature: {sent}!={wanted}"
                f" len({{{_join(request.inputs)}}}) != len({{{_join(self.inputs)}}})."
                f" Sent extra: {{{_join(set(request.inputs) - set(self.inputs))}}}."
                f" Missing but required: {{{_join(set(self.inputs) - set(request.inputs))}}}."
            )

    def _input_proto(self, request, alias):
        defaults = self._definition.defaults
        source = request.inputs if alias in request.inputs else defaults
        if alias not in source:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name:"
                f" {self._definition.inputs[alias].name}) not found in request and no default"
                f" value provided. Inputs expected to be in the request"
                f" {{{_join(request.inputs)}}}, or default input alias set: {_join(defaults)}"
            )
        try:
            return source[alias], wire.to_numpy(source[alias])
        except ValueError as error:
            raise invalid_argument(f"tensor parsing error: {alias}") from error

    def _check_outputs(self, output_filter):
        for index, alias in enumerate(output_filter):
            if alias not in self.outputs:
                raise invalid_argument(
                    f"output tensor alias not found in signature: {alias} Outputs expected to be"
                    f" in the set {{{_join(self.outputs)}}}."
                )
            if alias in output_filter[:index]:
                raise invalid_argument(f"duplicate output tensor alias: {alias}")
        return list(output_filter) or self.outputs

    def _check_type_and_shape(self, index, alias, proto, array):
        info = self._definition.inputs[alias]
        if proto.dtype != info.dtype:
            raise invalid_argument(
                f"Expects arg[{index}] to be {wire.dtype_name(info.dtype)} but"
                f" {wire.dtype_name(proto.dtype)} is provided"
            )
        if info.tensor_shape.unknown_rank:
            return
        wanted = [dim.size for dim in info.tensor_shape.dim]
        fits = len(wanted) == array.ndim and all(
            size in (-1, got) for size, got in zip(wanted, array.shape, strict=True)
        )
        if not fits:
            raise invalid_argument(
                f"Expects arg[{index}] ({alias}) to have shape {_shape_text(wanted)}."
                f" Received: {_shape_text(array.shape)}"
            )


class Model:
    """One loaded version of a model.

    Args:
        name: what clients call it.
        path: its version folder, whose name is the version number.

    Raises:
        StartError: the SavedModel cannot be loaded, or one of its warm-up requests fails.
    """

    def __init__(self, name: str, path: Path):
        self.name, self.path, self.version = name, path, int(path.name)
        self._session = tf.compat.v1.Session(
            graph=tf.Graph(), config=tf.compat.v1.ConfigProto(allow_soft_placement=True)
        )
        try:
            with self._session.graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(
                    self._session, [tf.saved_model.SERVING], str(path)
                )
            self.signature_defs = dict(meta_graph.signature_def)
            self.signatures = {
                key: self._signature(key, definition)
                for key, definition in sorted(self.signature_defs.items())
                if key != "__saved_model_init_op"
            }
            self._warm_up()
        except StatusError as error:
            self.close()
            raise StartError(f"{path}: a warm-up request failed: {error.message}") from error
        except (OSError, RuntimeError, ValueError, KeyError, tf.errors.OpError) as error:
            self.close()
            reason = getattr(error, "message", str(error)).splitlines()[0]
            raise StartError(
                f"{path} must be a SavedModel that TensorFlow {tf.__version__} can load."
                f" Received: {type(error).__name__}: {reason}"
            ) from error

    def close(self) -> None:
        """Releases the model's memory."""
        self._session.close()

    def _signature(self, key, definition):
        run = self._session.make_callable(
            [definition.outputs[alias].name for alias in sorted(definition.outputs)],
            [definition.inputs[alias].name for alias in sorted(definition.inputs)],
        )
        return Signature(key, definition, run)

    def _warm_up(self):
        """Replays the recorded requests, so that the first caller does not wait for the runtime."""
        file = self.path / _WARMUP_FILE
        if not file.exists():
            return
        with contextlib.closing(_records(file)) as records:
            for record in itertools.islice(records, _WARMUP_LIMIT):
                log = prediction_log_pb2.PredictionLog.FromString(record)
                if log.WhichOneof("log_type") != "predict_log":
                    raise invalid_argument(
                        f"only predict_log can be replayed. Received: {log.WhichOneof('log_type')}"
                    )
                request = log.predict_log.request
                signature = self.signature(request.model_spec.signature_name)
                signature.run(signature.check(request).inputs)

    def signature(self, name: str) -> Signature:
        """Returns a signature by name; the empty name means `serving_default`.

        Raises:
            StatusError: FAILED_PRECONDITION, there is no signature of that name.
        """
        key = name or tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
        if key not in self.signatures:
            raise StatusError(
                grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{key}" not found.'
            )
        return self.signatures[key]


def _records(file: Path):
    return (record.numpy() for record in tf.data.TFRecordDataset(str(file)))


def _join(aliases) -> str:
    return ",".join(sorted(aliases))


def _shape_text(shape: Sequence[int]) -> str:
    return "[" + ",".join("?" if size < 0 else str(size) for size in shape) + "]"
