"""Classify, Regress and MultiInference.

Rows of the contract: "The other calls", Classify / Regress and MultiInference.
"""

import grpc
import pytest
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

from tests.serving.conformance.calls import INVALID, NOT_FOUND, TIMEOUT, refused

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"


def _fill(given, count=2, context=False):
    target = given.example_list_with_context if context else given.example_list
    for index in range(count):
        values = target.examples.add().features.feature["x"].int64_list.value
        values.extend([1] * (index + 1))
    if context:
        target.context.features.feature["c"].float_list.value.append(0.5)


def _classification(signature="classify", name="judge", count=2, context=False):
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    _fill(request.input, count, context)
    return request


def _regression(signature="regress", name="judge", count=2, context=False):
    request = regression_pb2.RegressionRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    _fill(request.input, count, context)
    return request


def _multi(*tasks, count=2):
    request = inference_pb2.MultiInferenceRequest()
    for name, signature, method in tasks:
        task = request.tasks.add(method_name=method)
        task.model_spec.name = name
        task.model_spec.signature_name = signature
    _fill(request.input, count)
    return request


def test_classify(stub):
    answer = stub.Classify(_classification(), timeout=TIMEOUT)
    found = [
        [(entry.label, entry.score) for entry in classification.classes]
        for classification in answer.result.classifications
    ]
    assert found == [[("cat", 0.25), ("dog", 0.75)]] * 2
    assert answer.model_spec.name == "judge"
    assert answer.model_spec.version.value == 1
    assert answer.model_spec.signature_name == "classify"


@pytest.mark.parametrize("context", [False, True])
def test_regress(stub, context):
    """The model answers with the bytes of each example; the context is merged into it."""
    request = _regression(context=context)
    answer = stub.Regress(request, timeout=TIMEOUT)
    given = request.input.example_list_with_context if context else request.input.example_list
    extra = given.context.ByteSize() if context else 0
    sizes = [example.ByteSize() + extra for example in given.examples]
    assert [result.value for result in answer.result.regressions] == sizes
    assert answer.model_spec.signature_name == "regress"


def test_multi_inference(stub):
    request = _multi(("judge", "classify", CLASSIFY), ("judge", "regress", REGRESS))
    answer = stub.MultiInference(request, timeout=TIMEOUT)
    assert [r.WhichOneof("result") for r in answer.results] == [
        "classification_result",
        "regression_result",
    ]
    assert [r.model_spec.signature_name for r in answer.results] == ["classify", "regress"]
    assert len(answer.results[0].classification_result.classifications) == 2
    assert len(answer.results[1].regression_result.regressions) == 2


_NO_SPEC = classification_pb2.ClassificationRequest()
REFUSALS = {
    "no model_spec": ("Classify", _NO_SPEC, INVALID, "Missing ModelSpec"),
    "model": (
        "Classify",
        _classification(name="nope"),
        NOT_FOUND,
        "Servable not found for request: Latest(nope)",
    ),
    "signature": (
        "Classify",
        _classification("x"),
        INVALID,
        "No signature was found with the name: x",
    ),
    "regress signature": (
        "Regress",
        _regression("x"),
        INVALID,
        "No signature was found with the name: x",
    ),
    "no example": ("Classify", _classification(count=0), INVALID, "Input is empty."),
    "regress no example": ("Regress", _regression(count=0), INVALID, "Input is empty."),
    "two inputs": (
        "Classify",
        _classification("two_strings"),
        INVALID,
        "Expected one input Tensor.",
    ),
    "regress two inputs": (
        "Regress",
        _regression("two_strings"),
        INVALID,
        "Expected one input Tensor.",
    ),
    "three outputs": (
        "Classify",
        _classification("three_outputs"),
        INVALID,
        "Expected one or two output Tensors, found 3",
    ),
    "regress two outputs": (
        "Regress",
        _regression("classify"),
        INVALID,
        "Expected one output Tensor.",
    ),
    "number classes": (
        "Classify",
        _classification("number_classes"),
        INVALID,
        "Expected classes Tensor of DT_STRING. Got: DT_FLOAT",
    ),
    "multi name": (
        "MultiInference",
        _multi(("judge", "classify", CLASSIFY), ("", "regress", REGRESS)),
        INVALID,
        "Found ModelSpec with an empty model name.",
    ),
    "multi names": (
        "MultiInference",
        _multi(("judge", "classify", CLASSIFY), ("toy", "regress", REGRESS)),
        INVALID,
        "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
    ),
    "multi twice": (
        "MultiInference",
        _multi(("judge", "classify", CLASSIFY), ("judge", "classify", CLASSIFY)),
        INVALID,
        "Duplicate evaluation of signature: classify",
    ),
    "multi signature": (
        "MultiInference",
        _multi(("judge", "x", CLASSIFY)),
        INVALID,
        "Requested signature not found in model graph: x",
    ),
    "multi method": (
        "MultiInference",
        _multi(("judge", "classify", "tensorflow/serving/predict")),
        grpc.StatusCode.UNIMPLEMENTED,
        "Unsupported signature method_name: tensorflow/serving/predict",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(stub, case):
    method, request, code, message = REFUSALS[case]
    assert refused(getattr(stub, method), request) == (code, message)


def test_a_shape_that_is_no_list_of_numbers(stub):
    code, message = refused(stub.Regress, _regression("square"))
    assert code == INVALID
    assert message.startswith(
        "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got"
    )
