"""The server against TF Serving's contract, asked through TF Serving's own generated stubs."""

import concurrent.futures

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    regression_pb2,
    session_service_pb2,
)

from tests.serving.models import TOY_SIGNATURES

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
TIMEOUT = 60


def _request(name="toy", signature="", *, version=None, outputs=(), **inputs):
    request = predict_pb2.PredictRequest(output_filter=outputs)
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    for alias, value in inputs.items():
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    return request


def _latents(*shape, dtype=np.float32):
    return np.linspace(-1, 1, int(np.prod(shape)), dtype=dtype).reshape(shape)


def _ask(stub, *args, **kwargs) -> dict[str, np.ndarray]:
    response = stub.Predict(_request(*args, **kwargs), timeout=TIMEOUT)
    return {alias: tf.make_ndarray(proto) for alias, proto in response.outputs.items()}


def _refused(call, request) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=TIMEOUT)
    return caught.value.code(), caught.value.details()


def test_predict_answers(stub):
    latents = _latents(5, 6)
    response = stub.Predict(_request(latents=latents), timeout=TIMEOUT)
    images = tf.make_ndarray(response.outputs["images"])
    np.testing.assert_allclose(images, np.tanh(latents).reshape(5, 2, 3, 1), atol=1e-6)
    assert not response.outputs["images"].tensor_content  # typed values, as TF Serving sends
    assert len(response.outputs["images"].float_val) == 30
    assert response.model_spec.name == "toy"
    assert response.model_spec.signature_name == "serving_default"
    assert response.model_spec.version.value == 3
    assert not response.model_spec.version_label


def test_latest_version_is_served_and_names_are_numbers(stub, server):
    assert _ask(stub, "scale", x=[1.5])["y"].tolist() == [15]  # 00000010, not 2, not tmp-11
    response = stub.Predict(_request("scale", x=[1.0], version=10), timeout=TIMEOUT)
    assert response.model_spec.version.value == 10
    assert server.lines == [
        "Loaded counter, version 0: serving_default",
        "Loaded labelled, version 1: discriminate, generate, generate_png",
        "Loaded scale, version 10: serving_default",
        f"Loaded toy, version 3: {', '.join(sorted(TOY_SIGNATURES))}",
        f"Serving 4 model(s) at {server.address}",
    ]


def test_warmup_requests_were_replayed(stub):
    assert _ask(stub, "counter", x=[0.0])["runs"][0] > 3


def test_version_0_is_version_0(stub):
    request = _request("counter", x=[1.0], version=0)
    assert stub.Predict(request, timeout=TIMEOUT).model_spec.version.value == 0
    assert _refused(stub.Predict, _request(latents=_latents(1, 6), version=0)) == (
        NOT_FOUND,
        "Servable not found for request: Specific(toy, 0)",
    )


def _no_spec():
    return predict_pb2.PredictRequest()


def _label():
    request = _request(latents=_latents(1, 6))
    request.model_spec.version_label = "canary"
    return request


def _unparsable(alias="latents"):
    request = _request(**{alias: [1.0]})
    request.inputs[alias].tensor_content = b"123"
    return request


A_B = {"a": np.ones((2, 2), np.float32), "b": np.ones(2, np.float32)}
REFUSALS = {
    "no model_spec": (_no_spec(), INVALID, "Missing ModelSpec"),
    "empty name": (_request(""), INVALID, "ModelSpec has no name specified."),
    "label": (_label(), INVALID, "Unrecognized servable version label: canary"),
    "model": (_request("nope"), NOT_FOUND, "Servable not found for request: Latest(nope)"),
    "version": (
        _request(version=7, latents=_latents(1, 6)),
        NOT_FOUND,
        "Servable not found for request: Specific(toy, 7)",
    ),
    "signature": (_request(signature="x"), PRECONDITION, 'Serving signature key "x" not found.'),
    "init signature": (
        _request(signature="__saved_model_init_op"),
        PRECONDITION,
        'Serving signature key "__saved_model_init_op" not found.',
    ),
    "too many inputs": (
        _request(b=[1.0], a=[1.0]),
        INVALID,
        "input size does not match signature: 2!=1 len({a,b}) != len({latents})."
        " Sent extra: {a,b}. Missing but required: {latents}.",
    ),
    "no input": (
        _request(),
        INVALID,
        "input size does not match signature: 0!=1 len({}) != len({latents})."
        " Sent extra: {}. Missing but required: {latents}.",
    ),
    "input name": (
        _request(z=[1.0]),
        INVALID,
        "Signature input alias: latents(feed name: serving_default_latents:0) not found in request"
        " and no default value provided. Inputs expected to be in the request {z}, or default"
        " input alias set: ",
    ),
    "unparsable": (_unparsable(), INVALID, "tensor parsing error: latents"),
    "output name": (
        _request(latents=_latents(1, 6), outputs=["logits"]),
        INVALID,
        "output tensor alias not found in signature: logits Outputs expected to be in the set"
        " {images}.",
    ),
    "output twice": (
        _request(latents=_latents(1, 6), outputs=["images", "images"]),
        INVALID,
        "duplicate output tensor alias: images",
    ),
    "dtype": (
        _request(latents=np.ones((1, 6), np.int32)),
        INVALID,
        "Expects arg[0] to be float but int32 is provided",
    ),
    "dtype of the second": (
        _request(signature="two_inputs", **A_B | {"b": np.ones(2)}),
        INVALID,
        "Expects arg[1] to be float but double is provided",
    ),
    "row shape": (
        _request(latents=_latents(1, 3)),
        INVALID,
        "Expects arg[0] (latents) to have shape [?,6]. Received: [1,3]",
    ),
    "rank": (
        _request(latents=_latents(6)),
        INVALID,
        "Expects arg[0] (latents) to have shape [?,6]. Received: [6]",
    ),
    "fixed shape": (
        _request(signature="fixed", x=_latents(3, 2)),
        INVALID,
        "Expects arg[0] (x) to have shape [2,3]. Received: [3,2]",
    ),
    "rows differ": (
        _request(signature="two_inputs", **A_B | {"b": np.ones(3, np.float32)}),
        INVALID,
        "Batching Run() input tensors must have equal 0th-dimension size. Received: a [2,2], b [3]",
    ),
    # The checks come in TF Serving's order.
    "name before label": (
        predict_pb2.PredictRequest(model_spec={"version_label": "x"}),
        INVALID,
        "ModelSpec has no name specified.",
    ),
    "signature before inputs": (
        _request(signature="x", b=[1.0], outputs=["y"]),
        PRECONDITION,
        'Serving signature key "x" not found.',
    ),
    "output before dtype": (
        _request(latents=[1], outputs=["y"]),
        INVALID,
        "output tensor alias not found in signature: y Outputs expected to be in the set {images}.",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(stub, case):
    request, code, message = REFUSALS[case]
    assert _refused(stub.Predict, request) == (code, message)


def test_the_runtime_speaks_for_itself(stub):
    request = _request(signature="decode", image_bytes=[b"no PNG"])
    code, message = _refused(stub.Predict, request)
    assert code == INVALID
    assert "DecodePng" in message


def test_long_messages_are_truncated(stub):
    _, message = _refused(stub.Predict, _request(signature="x" * 3000))
    assert message == 'Serving signature key "' + "x" * (1024 - 23) + "...TRUNCATED"


def test_output_filter(stub):
    assert sorted(_ask(stub, "toy", "two_inputs", **A_B)) == ["difference", "sum"]
    only = _ask(stub, "toy", "two_inputs", outputs=["difference"], **A_B)
    assert {name: value.tolist() for name, value in only.items()} == {"difference": [1, 1]}


def test_all_types_come_back(stub):
    arrays = {
        "float64": np.array([0.1, -2]),
        "float16": np.array([0.5, 9], np.float16),
        "int8": np.array([-128, 127], np.int8),
        "uint8": np.array([0, 255], np.uint8),
        "int64": np.array([-(2**63), 2**63 - 1]),
        "uint64": np.array([0, 2**64 - 1], np.uint64),
        "boolean": np.array([True, False]),
        "complex64": np.array([1 + 2j, -3j], np.complex64),
        "string": np.array([b"\x00\xff", b""], object),
    }
    outputs = _ask(stub, "toy", "types", **arrays)
    assert len(outputs) == len(arrays)
    for name, array in arrays.items():
        output = outputs[f"{'bool' if name == 'boolean' else name}_out"]
        np.testing.assert_array_equal(output, array)
        assert output.dtype == array.dtype


@pytest.mark.parametrize("rows", [0, 1, 3, 32, 33, 100])
def test_any_number_of_rows(stub, rows):
    latents = np.random.default_rng(rows).normal(size=(rows, 6)).astype(np.float32)
    images = _ask(stub, latents=latents)["images"]
    np.testing.assert_allclose(images, np.tanh(latents).reshape(rows, 2, 3, 1), atol=1e-6)


def test_signatures_that_cannot_be_batched_run_alone(stub):
    assert _ask(stub, "toy", "scalar", x=np.float32(3))["y"] == 6
    np.testing.assert_array_equal(
        _ask(stub, "toy", "fixed", x=_latents(2, 3))["y"], 2 * _latents(2, 3)
    )


def test_outputs_that_do_not_go_by_rows_are_refused(stub):
    code, message = _refused(stub.Predict, _request(signature="not_by_row", x=[1.0, 11.0]))
    assert code == PRECONDITION
    assert message.startswith("Batched output tensor's 0th dimension does not equal")
    assert "Received: outputs of shapes [[1]] for 2 rows" in message


def test_a_message_of_more_than_4_mib_passes_both_ways(stub):
    pictures = np.ones((1, 700, 700, 3), np.float32)
    assert pictures.nbytes > 4 * 2**20
    assert _ask(stub, "toy", "any_size", pictures=pictures)["mean"] == [1]
    shape = (300_000, 6)
    answer = _ask(stub, "toy", "identity", x=np.ones(shape, np.float32))["y"]
    assert answer.shape == shape
    assert answer.nbytes > 4 * 2**20


def test_eight_seeds_at_once_are_eight_requests(stub):
    seeds = np.arange(7, 15, dtype=np.int64)
    at_once = _ask(stub, "toy", "generate", seed=seeds)["images"]
    one_by_one = [_ask(stub, "toy", "generate", seed=seeds[i : i + 1])["images"] for i in range(8)]
    np.testing.assert_array_equal(at_once, np.concatenate(one_by_one))
    assert len(np.unique(at_once[:, 0, 0, 0])) == 8


def test_63_good_callers_beside_one_with_a_wrong_shape(stub):
    def call(number):
        columns = 5 if number == 20 else 6
        latents = np.full((1, columns), number / 64, np.float32)
        try:
            return _ask(stub, latents=latents)["images"]
        except grpc.RpcError as error:
            return error.code(), error.details()

    for _ in range(5):
        with concurrent.futures.ThreadPoolExecutor(64) as pool:
            answers = list(pool.map(call, range(64)))
        wrong = answers.pop(20)
        assert wrong == (
            INVALID,
            "Expects arg[0] (latents) to have shape [?,6]. Received: [1,5]",
        )
        numbers = [n for n in range(64) if n != 20]
        for number, images in zip(numbers, answers, strict=True):
            np.testing.assert_allclose(images, np.full((1, 2, 3, 1), np.tanh(number / 64)), 1e-5)


def test_two_image_sizes_side_by_side(stub):
    def call(number):
        size = 4 + number % 3
        pictures = np.full((1, size, size, 3), number, np.float32)
        return _ask(stub, "toy", "any_size", pictures=pictures)["mean"].tolist()

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert list(pool.map(call, range(64))) == [[number] for number in range(64)]


def test_one_bad_value_does_not_fail_its_neighbours(stub):
    png = tf.io.encode_png(np.zeros((9, 4, 1), np.uint8)).numpy()

    def call(number):
        try:
            data = b"no PNG" if number == 11 else png
            return _ask(stub, "toy", "decode", image_bytes=[data])["height"].tolist()
        except grpc.RpcError as error:
            return error.code()

    for _ in range(3):
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(call, range(32)))
        assert answers.pop(11) == INVALID
        assert answers == [[9]] * 31


def test_deadline(stub):
    request = _request(signature="slow", steps=np.array([20_000], np.int32))
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request, timeout=0.05)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    # The server is none the worse.
    assert _ask(stub, latents=_latents(1, 6))["images"].shape == (1, 2, 3, 1)


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
    assert _refused(stub.GetModelMetadata, request) == (code, message)


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
    (status,) = stub.GetModelStatus(request_, timeout=TIMEOUT).model_version_status
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
        (_status_request("scale", 2), "Could not find version 2 of model scale"),
        (_status_request("scale", 0), "Could not find version 0 of model scale"),
    ],
)
def test_status_refusals(channel, request_, message):
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    assert _refused(stub.GetModelStatus, request_) == (NOT_FOUND, message)


@pytest.mark.parametrize("name", ["", "ModelService", "PredictionService"])
def test_health(channel, name):
    stub = health_pb2_grpc.HealthStub(channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=TIMEOUT)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_health_of_an_unknown_service(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    code, _ = _refused(stub.Check, health_pb2.HealthCheckRequest(service="x"))
    assert code == NOT_FOUND


@pytest.mark.parametrize(
    ("service", "method", "request_"),
    [
        ("PredictionService", "Classify", classification_pb2.ClassificationRequest()),
        ("PredictionService", "Regress", regression_pb2.RegressionRequest()),
        ("PredictionService", "MultiInference", inference_pb2.MultiInferenceRequest()),
        ("ModelService", "HandleReloadConfigRequest", model_management_pb2.ReloadConfigRequest()),
        ("SessionService", "SessionRun", session_service_pb2.SessionRunRequest()),
    ],
)
def test_other_methods_are_unimplemented(channel, service, method, request_):
    call = channel.unary_unary(
        f"/tensorflow.serving.{service}/{method}",
        request_serializer=type(request_).SerializeToString,
        response_deserializer=bytes,
    )
    code, _ = _refused(call, request_)
    assert code == grpc.StatusCode.UNIMPLEMENTED
