"""The Open Inference Protocol, on gRPC and REST. TF Serving does not speak it."""

import json
import urllib.error
import urllib.request

import grpc
import numpy as np
import pytest

from serving import wire

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
LENGTH = "Inference-Header-Content-Length"


@pytest.fixture(scope="module")
def call(channel, request):
    """Calls a method with a message's fields."""

    def call(method, **fields):
        message = wire.message_class(f"inference.{method}Request")(**fields)
        answer = wire.message_class(f"inference.{method}Response")
        stub = channel.unary_unary(
            f"/inference.GRPCInferenceService/{method}",
            lambda message: message.SerializeToString(),
            answer.FromString,
        )
        return stub(message, timeout=60)

    try:
        call("ServerLive")
    except grpc.RpcError as error:
        # TF Serving has none; our own server must have it.
        target = request.config.getoption("--target", None)
        if target and error.code() == grpc.StatusCode.UNIMPLEMENTED:
            pytest.skip(f"{target} does not speak the Open Inference Protocol")
        raise
    return call


def _http(url, body=None, **headers):
    request = urllib.request.Request(url, body, headers)
    try:
        with _OPENER.open(request, timeout=60) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def _json(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    status, answer, _ = _http(url, data)
    return status, json.loads(answer)


def _input(name, datatype, shape, **contents):
    return {"name": name, "datatype": datatype, "shape": shape, "contents": contents}


def test_liveness_readiness_and_metadata(call):
    assert call("ServerLive").live
    assert call("ServerReady").ready
    assert call("ModelReady", name="scale").ready
    assert call("ModelReady", name="scale", version="2").ready
    assert not call("ModelReady", name="scale", version="3").ready
    assert not call("ModelReady", name="nope").ready
    server = call("ServerMetadata")
    assert server.name == "gan-zoo"
    assert server.version
    assert "binary_tensor_data" in server.extensions
    model = call("ModelMetadata", name="scale")
    assert (model.name, model.platform) == ("scale", "tensorflow_savedmodel")
    assert list(model.versions) == ["2", "10"]
    (given,), (made,) = model.inputs, model.outputs
    assert (given.name, given.datatype, list(given.shape)) == ("x", "FP32", [-1])
    assert (made.name, made.datatype, list(made.shape)) == ("y", "FP32", [-1])
    index = {(m.name, m.version): m.state for m in call("RepositoryIndex").models}
    assert index["scale", "10"] == index["scale", "2"] == index["toy", "3"] == "READY"


def test_typed_contents_are_answered_with_typed_contents(call):
    tensor = _input("x", "FP32", [2], fp32_contents=[1.5, 2])
    answer = call("ModelInfer", model_name="scale", model_version="2", id="one", inputs=[tensor])
    assert (answer.model_name, answer.model_version, answer.id) == ("scale", "2", "one")
    (output,) = answer.outputs
    assert (output.name, output.datatype, list(output.shape)) == ("y", "FP32", [2])
    assert list(output.contents.fp32_contents) == [3, 4]
    assert not answer.raw_output_contents


def _every_type():
    rng = np.random.default_rng(0)
    return {
        "float64": ("FP64", rng.normal(size=3)),
        "float16": ("FP16", rng.normal(size=3).astype(np.float16)),
        "int8": ("INT8", np.array([-128, 0, 127], np.int8)),
        "uint8": ("UINT8", np.array([0, 1, 255], np.uint8)),
        "int64": ("INT64", np.array([-(2**63), 0, 2**63 - 1])),
        "uint64": ("UINT64", np.array([0, 1, 2**64 - 1], np.uint64)),
        "boolean": ("BOOL", np.array([True, False, True])),
        "string": ("BYTES", [b"", b"\xff\0", "ü".encode()]),
    }


def _raw(datatype, values):
    if datatype == "BYTES":
        return b"".join(len(v).to_bytes(4, "little") + v for v in values)
    return values.tobytes()


def test_raw_contents_of_every_type(call):
    """A request of all types is read: what is refused is the type that the protocol lacks."""
    every = _every_type()
    inputs = [{"name": n, "datatype": t, "shape": [3]} for n, (t, _) in every.items()]
    with pytest.raises(grpc.RpcError) as caught:
        call(
            "ModelInfer",
            model_name="toy",
            inputs=inputs,
            raw_input_contents=[_raw(datatype, values) for datatype, values in every.values()],
            parameters={"signature_name": {"string_param": "types"}},
        )
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "Sent extra: {}. Missing but required: {complex64}." in caught.value.details()


def test_strings_and_integers_raw_and_typed(call):
    seeds = np.array([7, 8])
    raw = call(
        "ModelInfer",
        model_name="toy",
        inputs=[{"name": "seed", "datatype": "INT64", "shape": [2]}],
        raw_input_contents=[seeds.tobytes()],
        parameters={"signature_name": {"string_param": "generate_png"}},
    )
    typed = call(
        "ModelInfer",
        model_name="toy",
        inputs=[_input("seed", "INT64", [2], int64_contents=seeds)],
        parameters={"signature_name": {"string_param": "generate_png"}},
    )
    pngs = list(typed.outputs[0].contents.bytes_contents)
    assert typed.outputs[0].datatype == raw.outputs[0].datatype == "BYTES"
    assert [png[:4] for png in pngs] == [b"\x89PNG"] * 2
    assert raw.raw_output_contents == [_raw("BYTES", pngs)]
    heights = call(
        "ModelInfer",
        model_name="toy",
        inputs=[{"name": "image_bytes", "datatype": "BYTES", "shape": [2]}],
        raw_input_contents=[_raw("BYTES", pngs)],
        parameters={"signature_name": {"string_param": "decode"}},
    )
    assert np.frombuffer(heights.raw_output_contents[0], np.int32).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"model_name": "nope"}, "NOT_FOUND", "Servable not found for request: Latest(nope)"),
        ({"model_version": "7"}, "NOT_FOUND", "Servable not found for request: Specific(scale, 7)"),
        ({"model_version": "x"}, "INVALID_ARGUMENT", "must be a number. Received: 'x'"),
        ({"inputs": []}, "INVALID_ARGUMENT", "input size does not match signature: 0!=1"),
        ({"raw_input_contents": [b"1", b"2"]}, "INVALID_ARGUMENT", "for each of 1 inputs"),
        ({"raw_input_contents": [b"123"]}, "INVALID_ARGUMENT", "Received: both for x"),
        ({"outputs": [{"name": "z"}]}, "INVALID_ARGUMENT", "alias not found in signature: z"),
        (
            {"inputs": [_input("x", "INT32", [1], int_contents=[1])]},
            "INVALID_ARGUMENT",
            "Expects arg[0] to be float but int32 is provided",
        ),
        (
            {"inputs": [_input("x", "FP99", [1])]},
            "INVALID_ARGUMENT",
            "The datatype of x must be one of BOOL, ",
        ),
        (
            {"inputs": [_input("x", "INT8", [1], int_contents=[300])]},
            "INVALID_ARGUMENT",
            "must fit INT8. Received: 300 to 300",
        ),
        (
            {"inputs": [_input("x", "FP32", [50_000_000], fp32_contents=[1])]},
            "INVALID_ARGUMENT",
            "must hold 50000000 values for shape [50000000]. Received: 1",
        ),
        ({"inputs": [_input("x", "FP32", [-1])]}, "INVALID_ARGUMENT", "must hold sizes from 0"),
        ({"inputs": [_input("x", "FP16", [1])]}, "INVALID_ARGUMENT", "has no field in contents"),
        (
            {"inputs": [{"name": "x", "datatype": "BYTES", "shape": [2]}],
             "raw_input_contents": [b"\5\0\0\0ab"]},
            "INVALID_ARGUMENT",
            "must be 2 strings, each after its length",
        ),
    ],
)  # fmt: skip
def test_refusals(call, fields, code, message):
    asked = {"model_name": "scale", "inputs": [_input("x", "FP32", [1], fp32_contents=[1])]}
    with pytest.raises(grpc.RpcError) as caught:
        call("ModelInfer", **{**asked, **fields})
    assert caught.value.code().name == code
    assert message in caught.value.details()


def test_rest_health_and_metadata(call, rest):
    assert _json(f"{rest}/v2/health/live") == (200, {"live": True})
    assert _json(f"{rest}/v2/health/ready") == (200, {"ready": True})
    assert _json(f"{rest}/v2")[1]["name"] == "gan-zoo"
    assert _json(f"{rest}/v2/models/scale") == _json(f"{rest}/v2/models/scale/versions/10")
    assert _json(f"{rest}/v2/models/scale/versions/2")[1] == {
        "name": "scale",
        "versions": ["2", "10"],
        "platform": "tensorflow_savedmodel",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}],
    }
    assert _json(f"{rest}/v2/models/scale/ready")[0] == 200
    assert _json(f"{rest}/v2/models/nope/ready")[0] == 404
    index = _json(f"{rest}/v2/repository/index", {})[1]
    assert {"name": "scale", "version": "2", "state": "READY", "reason": ""} in index
    status, answer = _json(f"{rest}/v2/nope")
    assert (status, answer) == (404, {"error": "Malformed request: GET /v2/nope"})


def test_rest_json(call, rest):
    tensor = {"name": "x", "shape": [2], "datatype": "FP32", "data": [1.5, 2]}
    status, answer = _json(f"{rest}/v2/models/scale/infer", {"id": "7", "inputs": [tensor]})
    assert status == 200
    assert answer == {
        "model_name": "scale",
        "model_version": "10",
        "id": "7",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [15, 20]}],
    }
    rows = {"name": "a", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2], [3, 4]]}
    more = {"name": "b", "shape": [2], "datatype": "FP32", "data": [1, 2]}
    asked = {
        "inputs": [rows, more],
        "parameters": {"signature_name": "two_inputs"},
        "outputs": [{"name": "sum"}],
    }
    _, answer = _json(f"{rest}/v2/models/toy/versions/3/infer", asked)
    assert [(o["name"], o["data"]) for o in answer["outputs"]] == [("sum", [4, 9])]


def test_rest_binary(call, rest):
    values = np.array([1.5, 2], np.float32).tobytes()
    tensor = {
        "name": "x",
        "shape": [2],
        "datatype": "FP32",
        "parameters": {"binary_data_size": len(values)},
    }
    asked = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
    head = json.dumps(asked).encode()
    url = f"{rest}/v2/models/scale/infer"
    status, body, headers = _http(url, head + values, **{LENGTH: str(len(head))})
    assert status == 200
    assert headers["Content-Type"] == "application/octet-stream"
    length = int(headers[LENGTH])
    (output,) = json.loads(body[:length])["outputs"]
    assert output["parameters"] == {"binary_data_size": 8}
    assert np.frombuffer(body[length:], np.float32).tolist() == [15, 20]
    status, body, _ = _http(url, head + values[:5], **{LENGTH: str(len(head))})
    assert status == 400
    assert b"must have its 8 bytes after the JSON" in body
    status, body, _ = _http(url, head + values, **{LENGTH: "9999"})
    assert (status, b"must be at most the body's" in body) == (400, True)


def test_rest_pictures_come_as_bytes(call, rest):
    tensor = {"name": "seed", "shape": [1], "datatype": "INT64", "data": [7]}
    asked = {"inputs": [tensor], "parameters": {"signature_name": "generate_png"}}
    url = f"{rest}/v2/models/toy/infer"
    status, answer = _json(url, asked)
    assert status == 400
    assert "Output image_bytes holds bytes that are not text" in answer["error"]
    asked["outputs"] = [{"name": "image_bytes", "parameters": {"binary_data": True}}]
    _, body, headers = _http(url, json.dumps(asked).encode())
    raw = body[int(headers[LENGTH]) :]
    assert len(raw) == 4 + int.from_bytes(raw[:4], "little")
    assert raw[4:12] == b"\x89PNG\r\n\x1a\n"


def _x(**fields):
    return {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", **fields}]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "JSON Parse error"),
        ({}, "'inputs' must be a JSON list. Received: nothing"),
        ({"inputs": [3]}, "'inputs' must hold JSON objects. Received: 3"),
        ({"inputs": [{"name": "x"}]}, "'datatype' must be a JSON str. Received: nothing"),
        (_x(data=["a"]), "must hold values of FP32"),
        (_x(data=[True]), "must hold values of FP32"),
        (_x(data=3), "'data' of x must be a JSON list"),
        (_x(data=[1, 2]), "must have 4 bytes for FP32 [1]. Received: 8 bytes"),
        (_x(data=[300], datatype="UINT8"), "must fit UINT8"),
        (_x(data=[1], shape=[-1]), "must hold sizes from 0. Received: [-1]"),
        ({"inputs": [], "parameters": {"a": []}}, "A parameter must be a string, a number or"),
    ],
)
def test_rest_refusals(call, rest, body, message):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, answer, _ = _http(f"{rest}/v2/models/scale/infer", data)
    assert status == 400
    assert message in json.loads(answer)["error"]
