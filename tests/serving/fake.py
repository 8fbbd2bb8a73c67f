"""A server that misbehaves on purpose, on TF Serving's own servicers, in this process."""

import concurrent.futures
import contextlib
import threading
import time
from collections.abc import Iterator

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)


class Fake(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """Serves one model `m`, whose signatures return what they take.

    The default one takes `x` and gives `y`, both float [N, columns].

    Attributes:
        failures: (status, message) of the next Predict calls, before they succeed.
        predicts: the Predict requests that came.
        metadata_calls: how many GetModelMetadata calls came.
        statuses: version -> state, or None for NOT_FOUND.
        delay: seconds that a Predict call takes.
        metadata_seen: the metadata of the Predict calls.
        batch_rows: the most rows that a request may have, or None.
        most_at_once: how many Predict calls have run at the same time.
    """

    def __init__(self):
        self.columns = 2
        self.version = 1
        self.failures = []
        self.predicts = []
        self.metadata_calls = 0
        self.statuses = None
        self.output = "y"
        self.delay = 0.0
        self.metadata_seen = []
        self.batch_rows = None
        self.most_at_once = 0
        self._running = 0
        self._lock = threading.Lock()

    def Predict(self, request, context):
        self.predicts.append(request)
        self.metadata_seen.extend(map(tuple, context.invocation_metadata()))
        with self._lock:
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
        time.sleep(self.delay)
        with self._lock:
            self._running -= 1
        if self.failures:
            context.abort(*self.failures.pop(0))
        response = predict_pb2.PredictResponse()
        response.model_spec.name = "m"
        response.model_spec.version.value = self.version
        (value,) = request.inputs.values()
        rows = value.tensor_shape.dim[0].size
        if self.batch_rows is not None and rows > self.batch_rows:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Task size {rows} is larger than maximum input batch size {self.batch_rows}",
            )
        if self.output == "images":
            images = np.float32(tf.make_ndarray(value)).reshape(rows, 1, 1, 1)
            value = tf.make_tensor_proto(images)
        response.outputs[self.output].CopyFrom(value)
        return response

    def GetModelMetadata(self, request, context):
        self.metadata_calls += 1
        if request.model_spec.name != "m":
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found for request")
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for key, alias, dtype, shape in [
            ("serving_default", "x", tf.float32, [-1, self.columns]),
            ("generate", "seed", tf.int64, [-1]),
            ("discriminate", "images", tf.float32, [-1, 1, 1, 1]),
            ("a_to_b", "images", tf.float32, [-1, 1, 1, 1]),
            ("a_to_b_png", "image_bytes", tf.string, [-1]),
        ]:
            definition = signatures.signature_def[key]
            definition.inputs[alias].dtype = dtype.as_datatype_enum
            definition.outputs["y"].dtype = dtype.as_datatype_enum
            for size in shape:
                definition.inputs[alias].tensor_shape.dim.add(size=size)
                definition.outputs["y"].tensor_shape.dim.add(size=size)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = "m"
        response.model_spec.version.value = self.version
        response.metadata["signature_def"].Pack(signatures)
        return response

    def GetModelStatus(self, request, context):
        if self.statuses is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "Could not find any versions of model")
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, (state, code, message) in self.statuses.items():
            status = response.model_version_status.add(version=version, state=state)
            status.status.error_code = code
            status.status.error_message = message
        return response


class Says(grpc.GenericRpcHandler):
    """Answers each method with the same bytes, whatever is asked.

    Args:
        answers: name of a method -> the answer.
    """

    def __init__(self, answers: dict[str, bytes]):
        self.answers = answers

    def service(self, details):
        answer = self.answers.get(details.method.rpartition("/")[2])
        if answer is None:
            return None
        return grpc.unary_unary_rpc_method_handler(lambda request, context: answer)


@contextlib.contextmanager
def say(**answers: bytes) -> Iterator[str]:
    """Runs a server that `Says`; yields its address."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers([Says(answers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@contextlib.contextmanager
def serve(fake: Fake, port: int = 0) -> Iterator[str]:
    """Runs it on a free port, or on `port`; yields the address."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(fake, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(fake, server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
