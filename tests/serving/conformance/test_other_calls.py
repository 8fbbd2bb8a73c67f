"""GetModelMetadata, GetModelStatus, health, reflection, and what is not served.

Rows of the contract: "The other calls".
"""

import grpc
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    session_service_pb2,
)

from tests.serving.conformance.calls import INVALID, NOT_FOUND, TIMEOUT, refused
from tests.serving.models import TOY_SIGNATURES


def _metadata_request(name="toy", *fields):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = name
    return request


def test_metadata(stub):
    response = stub.GetModelMetadata(_metadata_request("toy", "signature_def"), timeout=TIMEOUT)
    assert response.model_spec.name == "toy"
    assert response.model_spec.version.value == 3
    assert list(response.metadata) == ["signature_def"]
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert set(TOY_SIGNATURES) <= set(signatures.signature_def)
    latents = signatures.signature_def["serving_default"].inputs["latents"]
    assert latents.name == "serving_default_latents:0"
    assert latents.dtype == tf.float32.as_datatype_enum
    assert [dim.size for dim in latents.tensor_shape.dim] == [-1, 6]


METADATA_REFUSALS = {
    "no model_spec": (
        get_model_metadata_pb2.GetModelMetadataRequest(),
        INVALID,
        "Missing ModelSpec",
    ),
    "no field": (
        _metadata_request("nope"),
        INVALID,
        "GetModelMetadataRequest must specify at least one metadata_field",
    ),
    "field": (
        _metadata_request("nope", "signature_def", "x"),
        INVALID,
        "Metadata field x is not supported",
    ),
    "model": (
        _metadata_request("nope", "signature_def"),
        NOT_FOUND,
        "Servable not found for request: Latest(nope)",
    ),
}


@pytest.mark.parametrize("case", METADATA_REFUSALS)
def test_metadata_refusals(stub, case):
    request, code, message = METADATA_REFUSALS[case]
    assert refused(stub.GetModelMetadata, request) == (code, message)


def _status_request(name, version=None, label=""):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    if version is not None:
        request.model_spec.version.value = version
    if label:
        request.model_spec.version_label = label
    return request


@pytest.mark.parametrize("request_", [_status_request("scale", 10), _status_request("scale")])
def test_status(channel, request_):
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    status, *_ = stub.GetModelStatus(request_, timeout=TIMEOUT).model_version_status
    assert (status.version, status.state) == (10, 30)
    assert (status.status.error_code, status.status.error_message) == (0, "")


def test_status_ignores_labels(channel):
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    request = _status_request("scale", label="x")
    assert stub.GetModelStatus(request, timeout=TIMEOUT).model_version_status[0].version == 10


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (_status_request("nope"), "Could not find any versions of model nope"),
        (_status_request(""), "Could not find any versions of model "),
        (_status_request("scale", 7), "Could not find version 7 of model scale"),
        (_status_request("scale", 0), "Could not find version 0 of model scale"),
    ],
)
def test_status_refusals(channel, request_, message):
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    assert refused(stub.GetModelStatus, request_) == (NOT_FOUND, message)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ModelService",
        "PredictionService",
        "tensorflow.serving.ModelService",
        "tensorflow.serving.PredictionService",
        "toy",
    ],
)
def test_health(channel, name):
    stub = health_pb2_grpc.HealthStub(channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=TIMEOUT)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_health_of_an_unknown_service(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    code, _ = refused(stub.Check, health_pb2.HealthCheckRequest(service="x"))
    assert code == NOT_FOUND


@pytest.mark.parametrize(
    ("service", "method", "request_"),
    [
        ("SessionService", "SessionRun", session_service_pb2.SessionRunRequest()),
    ],
)
def test_other_methods_are_unimplemented(channel, service, method, request_):
    call = channel.unary_unary(
        f"/tensorflow.serving.{service}/{method}",
        request_serializer=type(request_).SerializeToString,
        response_deserializer=bytes,
    )
    code, _ = refused(call, request_)
    assert code == grpc.StatusCode.UNIMPLEMENTED


def test_status_without_a_model_spec(channel):
    """GetModelStatus without a model_spec: INVALID_ARGUMENT `Missing ModelSpec`."""
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    request = get_model_status_pb2.GetModelStatusRequest()
    assert refused(stub.GetModelStatus, request) == (INVALID, "Missing ModelSpec")


def test_reflection(channel):
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        *(
            reflection_pb2.ServerReflectionRequest(
                file_containing_symbol=f"tensorflow.serving.PredictionService{method}"
            )
            for method in ("", ".Predict", ".Nothing")
        ),
    ]
    services, file, of_method, unknown = stub.ServerReflectionInfo(iter(asked), timeout=TIMEOUT)
    names = {service.name for service in services.list_services_response.service}
    assert {
        "tensorflow.serving.PredictionService",
        "tensorflow.serving.ModelService",
        "grpc.health.v1.Health",
    } <= names
    assert file.file_descriptor_response.file_descriptor_proto
    # `grpcurl describe` asks for methods too.
    assert of_method.file_descriptor_response == file.file_descriptor_response
    assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
