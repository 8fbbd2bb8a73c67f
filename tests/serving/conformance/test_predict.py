"""Predict, asked through TF Serving's own generated stubs.

Rows of the contract: "Predict: checks in this order", and the lines below that table.
"""

import concurrent.futures
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tests.serving.conformance.calls import (
    INVALID,
    NOT_FOUND,
    PRECONDITION,
    TIMEOUT,
    ask,
    predict_request,
    refused,
)


def _latents(*shape, dtype=np.float32):
    return np.linspace(-1, 1, int(np.prod(shape)), dtype=dtype).reshape(shape)


def test_predict_answers(stub):
    latents = _latents(5, 6)
    response = stub.Predict(predict_request(latents=latents), timeout=TIMEOUT)
    images = tf.make_ndarray(response.outputs["images"])
    np.testing.assert_allclose(images, np.tanh(latents).reshape(5, 2, 3, 1), atol=1e-6)
    assert not response.outputs["images"].tensor_content  # typed values, as TF Serving sends
    assert len(response.outputs["images"].float_val) == 30
    assert response.model_spec.name == "toy"
    assert response.model_spec.signature_name == "serving_default"
    assert response.model_spec.version.value == 3
    assert not response.model_spec.version_label


def test_latest_version_is_served_and_names_are_numbers(stub):
    assert ask(stub, "scale", x=[1.5])["y"].tolist() == [15]  # 00000010, not 2, not tmp-11
    response = stub.Predict(predict_request("scale", x=[1.0], version=10), timeout=TIMEOUT)
    assert response.model_spec.version.value == 10


def test_warmup_requests_were_replayed(stub):
    assert ask(stub, "counter", x=[0.0])["runs"][0] > 3


def test_version_0_is_version_0(stub):
    request = predict_request("counter", x=[1.0], version=0)
    assert stub.Predict(request, timeout=TIMEOUT).model_spec.version.value == 0
    assert refused(stub.Predict, predict_request(latents=_latents(1, 6), version=0)) == (
        NOT_FOUND,
        "Servable not found for request: Specific(toy, 0)",
    )


def _no_spec():
    return predict_pb2.PredictRequest()


def _label():
    request = predict_request(latents=_latents(1, 6))
    request.model_spec.version_label = "canary"
    return request


def _unparsable(alias="latents"):
    request = predict_request(**{alias: [1.0]})
    request.inputs[alias].tensor_content = b"123"
    return request


A_B = {"a": np.ones((2, 2), np.float32), "b": np.ones(2, np.float32)}
REFUSALS = {
    "no model_spec": (_no_spec(), INVALID, "Missing ModelSpec"),
    "empty name": (predict_request(""), INVALID, "ModelSpec has no name specified."),
    "label": (_label(), INVALID, "Unrecognized servable version label: canary"),
    "model": (predict_request("nope"), NOT_FOUND, "Servable not found for request: Latest(nope)"),
    "version": (
        predict_request(version=7, latents=_latents(1, 6)),
        NOT_FOUND,
        "Servable not found for request: Specific(toy, 7)",
    ),
    "signature": (
        predict_request(signature="x"),
        PRECONDITION,
        'Serving signature key "x" not found.',
    ),
    "init signature": (
        predict_request(signature="__saved_model_init_op"),
        PRECONDITION,
        'Serving signature key "__saved_model_init_op" not found.',
    ),
    "too many inputs": (
        predict_request(b=[1.0], a=[1.0]),
        INVALID,
        "input size does not match signature: 2!=1 len({a,b}) != len({latents})."
        " Sent extra: {a,b}. Missing but required: {latents}.",
    ),
    "no input": (
        predict_request(),
        INVALID,
        "input size does not match signature: 0!=1 len({}) != len({latents})."
        " Sent extra: {}. Missing but required: {latents}.",
    ),
    "input name": (
        predict_request(z=[1.0]),
        INVALID,
        "Signature input alias: latents(feed name: serving_default_latents:0) not found in request"
        " and no default value provided. Inputs expected to be in the request {z}, or default"
        " input alias set: ",
    ),
    "unparsable": (_unparsable(), INVALID, "tensor parsing error: latents"),
    "output name": (
        predict_request(latents=_latents(1, 6), outputs=["logits"]),
        INVALID,
        "output tensor alias not found in signature: logits Outputs expected to be in the set"
        " {images}.",
    ),
    "output twice": (
        predict_request(latents=_latents(1, 6), outputs=["images", "images"]),
        INVALID,
        "duplicate output tensor alias: images",
    ),
    "dtype": (
        predict_request(latents=np.ones((1, 6), np.int32)),
        INVALID,
        "Expects arg[0] to be float but int32 is provided",
    ),
    "dtype of the second": (
        predict_request(signature="two_inputs", **A_B | {"b": np.ones(2)}),
        INVALID,
        "Expects arg[1] to be float but double is provided",
    ),
    # The checks come in TF Serving's order.
    "name before label": (
        predict_pb2.PredictRequest(model_spec={"version_label": "x"}),
        INVALID,
        "ModelSpec has no name specified.",
    ),
    "signature before inputs": (
        predict_request(signature="x", b=[1.0], outputs=["y"]),
        PRECONDITION,
        'Serving signature key "x" not found.',
    ),
    "output before dtype": (
        predict_request(latents=[1], outputs=["y"]),
        INVALID,
        "output tensor alias not found in signature: y Outputs expected to be in the set {images}.",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(stub, case):
    request, code, message = REFUSALS[case]
    assert refused(stub.Predict, request) == (code, message)


def test_the_runtime_speaks_for_itself(stub):
    request = predict_request(signature="decode", image_bytes=[b"no PNG"])
    code, message = refused(stub.Predict, request)
    assert code == INVALID
    assert "DecodePng" in message


def test_long_messages_are_truncated(stub):
    _, message = refused(stub.Predict, predict_request(signature="x" * 3000))
    assert message == 'Serving signature key "' + "x" * (1024 - 23) + "...TRUNCATED"


def test_output_filter(stub):
    assert sorted(ask(stub, "toy", "two_inputs", **A_B)) == ["difference", "sum"]
    only = ask(stub, "toy", "two_inputs", outputs=["difference"], **A_B)
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
    outputs = ask(stub, "toy", "types", **arrays)
    assert len(outputs) == len(arrays)
    for name, array in arrays.items():
        output = outputs[f"{'bool' if name == 'boolean' else name}_out"]
        np.testing.assert_array_equal(output, array)
        assert output.dtype == array.dtype


@pytest.mark.parametrize("typed", [False, True])
def test_bfloat16(stub, typed):
    x = np.array([0.5, -3, 3.140625]).astype(tf.bfloat16.as_numpy_dtype)
    request = predict_request(signature="brain", x=x)
    assert request.inputs["x"].tensor_content == x.tobytes()
    if typed:
        request.inputs["x"].ClearField("tensor_content")
        request.inputs["x"].half_val.extend(x.view(np.uint16).tolist())
    y = tf.make_ndarray(stub.Predict(request, timeout=TIMEOUT).outputs["y"])
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, 2 * x)


@pytest.mark.parametrize("rows", [0, 1, 3, 32, 33, 100])
def test_any_number_of_rows(stub, rows):
    latents = np.random.default_rng(rows).normal(size=(rows, 6)).astype(np.float32)
    images = ask(stub, latents=latents)["images"]
    np.testing.assert_allclose(images, np.tanh(latents).reshape(rows, 2, 3, 1), atol=1e-6)


def test_signatures_that_cannot_be_batched_run_alone(stub):
    assert ask(stub, "toy", "scalar", x=np.float32(3))["y"] == 6
    np.testing.assert_array_equal(
        ask(stub, "toy", "fixed", x=_latents(2, 3))["y"], 2 * _latents(2, 3)
    )


def test_a_shape_is_what_the_graph_makes_of_it(stub):
    """Wrong shape: whatever the graph says."""
    # Six numbers in any shape can be reshaped to one image.
    images = ask(stub, latents=_latents(6))["images"]
    np.testing.assert_allclose(images, np.tanh(_latents(6)).reshape(1, 2, 3, 1), atol=1e-6)
    code, message = refused(stub.Predict, predict_request(latents=_latents(1, 5)))
    assert code == INVALID
    assert "Input to reshape is a tensor with 5 values" in message
    code, message = refused(stub.Predict, predict_request(signature="mismatch", x=_latents(1, 3)))
    assert code == INVALID
    assert message.startswith("Matrix size-incompatible: In[0]: [1,3], In[1]: [4,2]")
    answer = ask(stub, "toy", "fixed", x=_latents(3, 2))["y"]
    np.testing.assert_allclose(answer, 2 * _latents(3, 2))
    # One row of b is broadcast to all rows of a.
    answer = ask(stub, "toy", "two_inputs", **A_B | {"b": np.ones(1, np.float32)})["sum"]
    assert answer.tolist() == [3, 3]


def test_outputs_need_not_go_by_rows(stub):
    assert ask(stub, "toy", "not_by_row", x=[1.0, 11.0])["large"].tolist() == [11]


def test_a_claim_of_50_million_rows_is_refused_at_once(stub):
    """A tensor that cannot be parsed: the shape implies more than the message holds."""
    request = predict_request(latents=_latents(1, 6))
    for size, dim in zip([50_000_000, 6], request.inputs["latents"].tensor_shape.dim, strict=True):
        dim.size = size
    del request.inputs["latents"].float_val[1:]
    request.inputs["latents"].tensor_content = b""
    request.inputs["latents"].float_val.append(1.0)
    seconds = []
    for _ in range(5):
        begun = time.monotonic()
        assert refused(stub.Predict, request) == (INVALID, "tensor parsing error: latents")
        seconds.append(time.monotonic() - begun)
    assert min(seconds) < 1  # 2 ms on a quiet machine


def test_bytes_that_are_no_request(channel):
    """Bytes that are no request: INTERNAL."""
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    code, _ = refused(call, b"\xff\xff no request")
    assert code == grpc.StatusCode.INTERNAL


def test_a_message_of_more_than_4_mib_passes_both_ways(stub):
    pictures = np.ones((1, 700, 700, 3), np.float32)
    assert pictures.nbytes > 4 * 2**20
    assert ask(stub, "toy", "any_size", pictures=pictures)["mean"] == [1]
    shape = (300_000, 6)
    answer = ask(stub, "toy", "identity", x=np.ones(shape, np.float32))["y"]
    assert answer.shape == shape
    assert answer.nbytes > 4 * 2**20


def test_eight_seeds_at_once_are_eight_requests(stub):
    seeds = np.arange(7, 15, dtype=np.int64)
    at_once = ask(stub, "toy", "generate", seed=seeds)["images"]
    one_by_one = [ask(stub, "toy", "generate", seed=seeds[i : i + 1])["images"] for i in range(8)]
    np.testing.assert_array_equal(at_once, np.concatenate(one_by_one))
    assert len(np.unique(at_once[:, 0, 0, 0])) == 8


def test_63_good_callers_beside_one_with_a_wrong_shape(stub):
    def call(number):
        columns = 5 if number == 20 else 6
        latents = np.full((1, columns), number / 64, np.float32)
        try:
            return ask(stub, latents=latents)["images"]
        except grpc.RpcError as error:
            return error.code(), error.details()

    for _ in range(5):
        with concurrent.futures.ThreadPoolExecutor(64) as pool:
            answers = list(pool.map(call, range(64)))
        code, message = answers.pop(20)
        assert code == INVALID
        assert "Input to reshape is a tensor with 5 values" in message
        numbers = [n for n in range(64) if n != 20]
        for number, images in zip(numbers, answers, strict=True):
            np.testing.assert_allclose(images, np.full((1, 2, 3, 1), np.tanh(number / 64)), 1e-5)


def test_two_image_sizes_side_by_side(stub):
    def call(number):
        size = 4 + number % 3
        pictures = np.full((1, size, size, 3), number, np.float32)
        return ask(stub, "toy", "any_size", pictures=pictures)["mean"].tolist()

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert list(pool.map(call, range(64))) == [[number] for number in range(64)]


def test_one_bad_value_does_not_fail_its_neighbours(stub):
    png = tf.io.encode_png(np.zeros((9, 4, 1), np.uint8)).numpy()

    def call(number):
        try:
            data = b"no PNG" if number == 11 else png
            return ask(stub, "toy", "decode", image_bytes=[data])["height"].tolist()
        except grpc.RpcError as error:
            return error.code()

    for _ in range(3):
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(call, range(32)))
        assert answers.pop(11) == INVALID
        assert answers == [[9]] * 31


def test_deadline(stub):
    request = predict_request(signature="slow", steps=np.array([20_000], np.int32))
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request, timeout=0.05)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    # The server is none the worse.
    assert ask(stub, latents=_latents(1, 6))["images"].shape == (1, 2, 3, 1)
