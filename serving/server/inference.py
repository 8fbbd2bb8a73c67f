"""What a request asks a loaded model for: checks in TF Serving's order and words, and answers.

Each function takes a `Servable` and a request and returns a `Job`: what to run, and how to make
the response of what comes out. gRPC, REST and warm-up share them.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    input_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

from serving import wire
from serving.server.servable import DEFAULT_SIGNATURE, Servable, Signature
from serving.server.status import (
    failed_precondition,
    invalid_argument,
    unimplemented,
)

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"
# As the runtime takes it.
_BFLOAT16 = tf.bfloat16.as_numpy_dtype


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a signature: one array per input, in the signature's order."""

    signature: Signature
    inputs: list[np.ndarray]


@dataclasses.dataclass(frozen=True)
class Job:
    """Runs to make, and what makes the response of their outputs."""

    runs: list[Run]
    answer: Callable[[list[Sequence[np.ndarray]]], object]


@dataclasses.dataclass(frozen=True)
class Answering:
    """How responses are written.

    Attributes:
        as_content: tensors go to `tensor_content`, in place of the typed fields.
        check_method: Classify and Regress ask for the method name of their signature.
    """

    as_content: bool = False
    check_method: bool = False


def predict(
    servable: Servable, version: int, request: predict_pb2.PredictRequest, how: Answering
) -> Job:
    """Predict, on any signature.

    Raises:
        StatusError: FAILED_PRECONDITION or INVALID_ARGUMENT.
    """
    key = request.model_spec.signature_name or DEFAULT_SIGNATURE
    if key not in servable.signatures:
        raise failed_precondition(f'Serving signature key "{key}" not found.')
    signature = servable.signatures[key]
    _check_count(signature, request.inputs)
    protos = [_input_proto(signature, request.inputs, alias) for alias in signature.inputs]
    wanted = _check_outputs(signature, request.output_filter)
    arrays = []
    for index, (alias, (proto, array)) in enumerate(zip(signature.inputs, protos, strict=True)):
        declared = signature.definition.inputs[alias].dtype
        if proto.dtype != declared:
            raise invalid_argument(
                f"Expects arg[{index}] to be {wire.dtype_name(declared)} but"
                f" {wire.dtype_name(proto.dtype)} is provided"
            )
        arrays.append(array.astype(_BFLOAT16) if declared == wire.DT_BFLOAT16 else array)

    def answer(outputs: list[Sequence[np.ndarray]]) -> predict_pb2.PredictResponse:
        response = predict_pb2.PredictResponse()
        _fill_spec(response.model_spec, servable, version, key)
        write = wire.fill_content if how.as_content else wire.fill_tensor
        for alias, array in zip(signature.outputs, outputs[0], strict=True):
            if alias in wanted:
                write(response.outputs[alias], array)
        return response

    return Job([Run(signature, arrays)], answer)


def classify(
    servable: Servable,
    version: int,
    request: classification_pb2.ClassificationRequest,
    how: Answering,
) -> Job:
    """Classify: classes and their scores for each example.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    signature = _signature_of(servable, request.model_spec)
    _check_classifier(signature, how)
    examples = _serialized(request.input)

    def answer(outputs):
        response = classification_pb2.ClassificationResponse()
        _fill_spec(response.model_spec, servable, version, signature.key)
        _fill_classes(response.result, signature, outputs[0], len(examples))
        return response

    return Job([Run(signature, [examples])], answer)


def regress(
    servable: Servable, version: int, request: regression_pb2.RegressionRequest, how: Answering
) -> Job:
    """Regress: one number for each example.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    signature = _signature_of(servable, request.model_spec)
    _check_regressor(signature, how)
    examples = _serialized(request.input)

    def answer(outputs):
        response = regression_pb2.RegressionResponse()
        _fill_spec(response.model_spec, servable, version, signature.key)
        _fill_values(response.result, signature, outputs[0], len(examples))
        return response

    return Job([Run(signature, [examples])], answer)


def multi_inference(
    servable: Servable, version: int, request: inference_pb2.MultiInferenceRequest, how: Answering
) -> Job:
    """MultiInference: several Classify and Regress of one model on the same examples.

    Raises:
        StatusError: INVALID_ARGUMENT, or UNIMPLEMENTED for another method.
    """
    name = request.tasks[0].model_spec.name if request.tasks else ""
    signatures: list[Signature] = []
    for task in request.tasks:
        if not task.model_spec.name:
            raise invalid_argument("Found ModelSpec with an empty model name.")
        if task.model_spec.name != name:
            raise invalid_argument(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            )
        key = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if key in [signature.key for signature in signatures]:
            raise invalid_argument(f"Duplicate evaluation of signature: {key}")
        if key not in servable.signatures:
            raise invalid_argument(f"Requested signature not found in model graph: {key}")
        signature = servable.signatures[key]
        if task.method_name == CLASSIFY:
            _check_classifier(signature, how)
        elif task.method_name == REGRESS:
            _check_regressor(signature, how)
        else:
            raise unimplemented(f"Unsupported signature method_name: {task.method_name}")
        signatures.append(signature)
    examples = _serialized(request.input)

    def answer(outputs):
        response = inference_pb2.MultiInferenceResponse()
        for task, signature, values in zip(request.tasks, signatures, outputs, strict=True):
            result = response.results.add()
            _fill_spec(result.model_spec, servable, version, signature.key)
            if task.method_name == CLASSIFY:
                _fill_classes(result.classification_result, signature, values, len(examples))
            else:
                _fill_values(result.regression_result, signature, values, len(examples))
        return response

    return Job([Run(signature, [examples]) for signature in signatures], answer)


def check_metadata_request(request: get_model_metadata_pb2.GetModelMetadataRequest) -> None:
    """Raises `StatusError` for what GetModelMetadata refuses before it looks for the model."""
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    if not request.metadata_field:
        raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != "signature_def":
            raise invalid_argument(f"Metadata field {field} is not supported")


def metadata(servable: Servable, version: int) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """Returns the answer to GetModelMetadata."""
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.name = servable.name
    response.model_spec.version.value = version
    signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=servable.signature_defs)
    response.metadata["signature_def"].Pack(signatures)
    return response


def _check_count(signature: Signature, inputs: Mapping) -> None:
    sent, wanted = len(inputs), len(signature.inputs)
    if sent > wanted or (sent < wanted and not signature.definition.defaults):
        raise invalid_argument(
            f"input size does not match signature: {sent}!={wanted}"
            f" len({{{_join(inputs)}}}) != len({{{_join(signature.inputs)}}})."
            f" Sent extra: {{{_join(set(inputs) - set(signature.inputs))}}}."
            f" Missing but required: {{{_join(set(signature.inputs) - set(inputs))}}}."
        )


def _input_proto(signature: Signature, inputs: Mapping, alias: str):
    defaults = signature.definition.defaults
    source = inputs if alias in inputs else defaults
    if alias not in source:
        raise invalid_argument(
            f"Signature input alias: {alias}(feed name:"
            f" {signature.definition.inputs[alias].name}) not found in request and no default"
            f" value provided. Inputs expected to be in the request"
            f" {{{_join(inputs)}}}, or default input alias set: {_join(defaults)}"
        )
    try:
        return source[alias], wire.to_numpy(source[alias])
    except ValueError as error:
        raise invalid_argument(f"tensor parsing error: {alias}") from error


def _check_outputs(signature: Signature, output_filter: Sequence[str]) -> Sequence[str]:
    for index, alias in enumerate(output_filter):
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} Outputs expected to be"
                f" in the set {{{_join(signature.outputs)}}}."
            )
        if alias in output_filter[:index]:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
    return list(output_filter) or signature.outputs


def _signature_of(servable: Servable, spec: model_pb2.ModelSpec) -> Signature:
    key = spec.signature_name or DEFAULT_SIGNATURE
    if key not in servable.signatures:
        raise invalid_argument(f"No signature was found with the name: {key}")
    return servable.signatures[key]


def _check_classifier(signature: Signature, how: Answering) -> None:
    _check_method(signature, CLASSIFY, "classification", how)
    count = len(signature.outputs)
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if count not in (1, 2):
        raise invalid_argument(f"Expected one or two output Tensors, found {count}")
    if not {"classes", "scores"} & set(signature.outputs):
        raise invalid_argument(
            'Expected classification signature outputs to contain at least one of "classes" or'
            f' "scores". Signature was: {{{_join(signature.outputs)}}}'
        )


def _check_regressor(signature: Signature, how: Answering) -> None:
    _check_method(signature, REGRESS, "regression", how)
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")


def _check_method(signature: Signature, method: str, kind: str, how: Answering) -> None:
    received = signature.definition.method_name
    if how.check_method and received != method:
        raise invalid_argument(
            f"Expected {kind} signature method_name to be {method}. Was: {received}"
        )


def _serialized(given: input_pb2.Input) -> np.ndarray:
    """Returns the examples of an Input, serialized: object [N]."""
    kind = given.WhichOneof("kind")
    if kind == "example_list_with_context":
        # Messages that follow one another are merged: an example's own features win.
        context = given.example_list_with_context.context.SerializeToString()
        examples = given.example_list_with_context.examples
    else:
        context, examples = b"", given.example_list.examples
    if not examples:
        raise invalid_argument("Input is empty.")
    array = np.empty(len(examples), object)
    array[:] = [context + example.SerializeToString() for example in examples]
    return array


def _fill_classes(result, signature: Signature, outputs: Sequence, examples: int) -> None:
    found = dict(zip(signature.outputs, outputs, strict=True))
    classes, scores = found.get("classes"), found.get("scores")
    for name, array, type_name in (
        ("classes", classes, "DT_STRING"),
        ("scores", scores, "DT_FLOAT"),
    ):
        if array is None:
            continue
        declared = wire.dtype_name(signature.definition.outputs[name].dtype)
        if declared != type_name.removeprefix("DT_").lower():
            raise invalid_argument(
                f"Expected {name} Tensor of {type_name}. Got: DT_{declared.upper()}"
            )
        if array.ndim != 2:
            raise invalid_argument(
                f"Expected Tensor shape: [batch_size num_{name}] but got {list(array.shape)}"
            )
        if len(array) != examples:
            raise invalid_argument(
                f"Expected {name} output batch size of {examples}. Got: {len(array)}"
            )
    if classes is not None and scores is not None and classes.shape != scores.shape:
        raise invalid_argument(
            f"Tensors class and score should match in num_classes. Got: {classes.shape[1]} vs."
            f" {scores.shape[1]}"
        )
    rows, columns = next(array.shape for array in (classes, scores) if array is not None)
    for row in range(rows):
        classification = result.classifications.add()
        for column in range(columns):
            entry = classification.classes.add()
            if classes is not None:
                entry.label = classes[row, column].decode(errors="replace")
            if scores is not None:
                entry.score = scores[row, column]


def _fill_values(result, signature: Signature, outputs: Sequence, examples: int) -> None:
    (array,) = outputs
    declared = wire.dtype_name(signature.definition.outputs[signature.outputs[0]].dtype)
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] != 1):
        raise invalid_argument(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got"
            f" {list(array.shape)}"
        )
    if len(array) != examples:
        raise invalid_argument(
            f"Input batch size did not match output batch size: {examples} vs. {len(array)}"
        )
    if declared != "float":
        raise invalid_argument(f"Expected output Tensor of DT_FLOAT. Got: DT_{declared.upper()}")
    for value in array.ravel().tolist():
        result.regressions.add(value=value)


def _fill_spec(spec, servable: Servable, version: int, key: str) -> None:
    spec.name = servable.name
    spec.version.value = version
    spec.signature_name = key


def _join(aliases) -> str:
    return ",".join(sorted(aliases))
