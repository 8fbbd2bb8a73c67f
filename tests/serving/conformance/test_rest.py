"""The REST API and the metrics.

Rows of the contract: "Batching, warm-up, limits, REST, metrics".
"""

import base64
import json
import urllib.error
import urllib.request

import pytest

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _call(url, body=None):
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with _OPENER.open(urllib.request.Request(url, data), timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def _predict(rest, model, body):
    return _call(f"{rest}/v1/models/{model}:predict", body)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("scale", [15, 20]),
        ("scale/versions/2", [3, 4]),
        ("scale/labels/stable", [3, 4]),
        ("scale/labels/canary", [15, 20]),
    ],
)
def test_instances_give_predictions(rest, path, expected):
    assert _predict(rest, path, {"instances": [1.5, 2]}) == (200, {"predictions": expected})


@pytest.mark.parametrize("inputs", [[1.5, 2], {"x": [1.5, 2]}])
def test_inputs_give_outputs(rest, inputs):
    assert _predict(rest, "scale", {"inputs": inputs}) == (200, {"outputs": [15, 20]})


def test_several_inputs_and_outputs(rest):
    rows = [{"a": [1, 2], "b": 3}, {"a": [4, 5], "b": 6}]
    asked = {"signature_name": "two_inputs", "instances": rows}
    expected = [{"sum": 6, "difference": 0}, {"sum": 15, "difference": 3}]
    assert _predict(rest, "toy", asked) == (200, {"predictions": expected})
    columns = {"signature_name": "two_inputs", "inputs": {"a": [[1, 2], [4, 5]], "b": [3, 6]}}
    assert _predict(rest, "toy", columns) == (
        200,
        {"outputs": {"sum": [6, 15], "difference": [0, 3]}},
    )


def test_bfloat16(rest):
    asked = {"signature_name": "brain", "instances": [0.5, 1 + 2**-8]}
    assert _predict(rest, "toy", asked) == (200, {"predictions": [1, 2]})


def test_bytes(rest):
    """Bytes as `{"b64": ...}` for names ending in `_bytes`."""
    asked = {"signature_name": "generate_png", "instances": [1]}
    code, answer = _predict(rest, "toy", asked)
    assert code == 200
    png = answer["predictions"][0]
    assert base64.b64decode(png["b64"]).startswith(b"\x89PNG")
    asked = {"signature_name": "decode", "instances": [png, {"image_bytes": png}][:1]}
    assert _predict(rest, "toy", asked) == (200, {"predictions": [2]})
    asked["instances"] = [{"image_bytes": png}] * 2
    assert _predict(rest, "toy", asked) == (200, {"predictions": [2, 2]})


@pytest.mark.parametrize(
    ("path", "body", "code", "text"),
    [
        ("scale", b"no json", 400, "JSON Parse error"),
        ("scale", {}, 400, "Missing 'inputs' or 'instances' key"),
        ("scale", {"instances": ["a"]}, 400, "not of expected type: float"),
        ("scale", {"instances": [[1], [1, 2]]}, 400, "Encountered list at unexpected size"),
        ("scale", {"instances": [True]}, 400, "not of expected type: float"),
        ("toy", {"signature_name": "slow", "instances": [1.5]}, 400, "not of expected type: int32"),
        (
            "scale",
            {"signature_name": "x", "instances": [1]},
            400,
            'Serving signature key \\"x\\" not found.',
        ),
        ("nope", {"instances": [1]}, 404, "Servable not found for request: Latest(nope)"),
        ("scale/versions/7", {"instances": [1]}, 404, "Specific(scale, 7)"),
        ("scale/labels/x", {"instances": [1]}, 400, "Unrecognized servable version label: x"),
    ],
)
def test_refusals(rest, path, body, code, text):
    """Errors are `{"error": ...}`; INVALID_ARGUMENT and FAILED_PRECONDITION 400, NOT_FOUND 404."""
    received, answer = _predict(rest, path, body)
    assert received == code
    assert answer.keys() == {"error"}
    assert text in json.dumps(answer["error"])


def test_classify_and_regress(rest):
    examples = {"signature_name": "classify", "examples": [{"x": 1}, {"x": [2.5], "s": "a"}]}
    assert _call(f"{rest}/v1/models/judge:classify", examples) == (
        200,
        {"results": [[["cat", 0.25], ["dog", 0.75]]] * 2},
    )
    examples["signature_name"] = "regress"
    code, answer = _call(f"{rest}/v1/models/judge/versions/1:regress", examples)
    assert code == 200
    assert len(answer["results"]) == 2


def test_status(rest):
    """REST status has `error_code: "OK"`, and int64 as strings."""
    code, answer = _call(f"{rest}/v1/models/scale")
    assert code == 200
    assert answer["model_version_status"][0] == {
        "version": "10",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    code, answer = _call(f"{rest}/v1/models/scale/versions/2")
    assert [v["version"] for v in answer["model_version_status"]] == ["2"]
    assert _call(f"{rest}/v1/models/nope") == (
        404,
        {"error": "Could not find any versions of model nope"},
    )


def test_metadata(rest):
    """REST metadata has `"defaults": {}`, `"signature_name": ""` and int64 as strings."""
    code, answer = _call(f"{rest}/v1/models/scale/versions/10/metadata")
    assert code == 200
    assert answer["model_spec"] == {"name": "scale", "signature_name": "", "version": "10"}
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["defaults"] == {}
    assert signature["inputs"]["x"]["dtype"] == "DT_FLOAT"
    assert signature["inputs"]["x"]["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}]


def test_a_malformed_path(rest):
    assert _call(f"{rest}/v1/nothing") == (400, {"error": "Malformed request: GET /v1/nothing"})


def test_metrics(rest):
    """Prometheus at `/monitoring/prometheus/metrics`, under TF Serving's names."""
    for _ in range(2):
        _predict(rest, "scale", {"instances": [1]})
    url = f"{rest}/monitoring/prometheus/metrics"
    with _OPENER.open(url, timeout=60) as answer:
        text = answer.read().decode()
    (line,) = (
        line
        for line in text.splitlines()
        if line.startswith(':tensorflow:serving:request_count{model_name="scale",status="OK"}')
    )
    assert float(line.split()[-1]) >= 2
    for name in ("request_latency", "runtime_latency", "batching_session:queuing_latency"):
        assert f":tensorflow:serving:{name}_bucket{{" in text
    latency = ":tensorflow:serving:request_latency_bucket"
    labels = f'{{API="Predict",entrypoint="REST",le="{10 * 1.8}"'
    assert latency + labels in text
