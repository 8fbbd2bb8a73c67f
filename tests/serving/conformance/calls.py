"""What the tests of the contract share: requests and refusals."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
TIMEOUT = 60


def predict_request(name="toy", signature="", *, version=None, outputs=(), **inputs):
    """Returns a PredictRequest."""
    request = predict_pb2.PredictRequest(output_filter=outputs)
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    for alias, value in inputs.items():
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    return request


def ask(stub, *args, **kwargs) -> dict[str, np.ndarray]:
    """Returns the outputs of a Predict call."""
    response = stub.Predict(predict_request(*args, **kwargs), timeout=TIMEOUT)
    return {alias: tf.make_ndarray(proto) for alias, proto in response.outputs.items()}


def refused(call, request) -> tuple[grpc.StatusCode, str]:
    """Returns the status and the message of a call that must fail."""
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=TIMEOUT)
    return caught.value.code(), caught.value.details()
