"""TF Serving's PredictionService and ModelService, for grpc.aio."""

import asyncio
import functools
import logging
from collections.abc import Mapping

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving import wire
from serving.server.batching import Batcher
from serving.server.models import Model
from serving.server.status import StatusError, invalid_argument, not_found


def _answers(method):
    """Turns a `StatusError` into the call's status, and a bug into INTERNAL with a log entry."""

    @functools.wraps(method)
    async def call(self, request, context):
        try:
            return await method(self, request, context)
        except StatusError as error:
            failure = error
        except Exception as error:
            logging.getLogger("serving").exception("%s failed", method.__name__)
            failure = StatusError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
        await context.abort(failure.code, failure.message)

    return call


def _unimplemented(name: str):
    async def call(self, request, context):
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{name} is not served here")

    return call


def find(models: Mapping[str, Model], request) -> Model:
    """Returns the model that a request's `model_spec` names.

    Raises:
        StatusError: INVALID_ARGUMENT or NOT_FOUND, in TF Serving's order and words.
    """
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    spec = request.model_spec
    if not spec.name:
        raise invalid_argument("ModelSpec has no name specified.")
    if spec.WhichOneof("version_choice") == "version_label":
        raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
    # A version that is present with value 0 is version 0, not the latest.
    wanted = spec.version.value if spec.HasField("version") else None
    model = models.get(spec.name)
    if model is None or wanted not in (None, model.version):
        which = f"Latest({spec.name})" if wanted is None else f"Specific({spec.name}, {wanted})"
        raise not_found(f"Servable not found for request: {which}")
    return model


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata."""

    def __init__(self, models: Mapping[str, Model], batcher: Batcher):
        self._models = models
        self._batcher = batcher

    @_answers
    async def Predict(self, request, context) -> predict_pb2.PredictResponse:
        model = find(self._models, request)
        checked = model.signature(request.model_spec.signature_name).check(request)
        signature = checked.signature
        remaining = context.time_remaining()
        deadline = None if remaining is None else asyncio.get_running_loop().time() + remaining
        outputs = await self._batcher.run(signature, checked.inputs, deadline)
        response = predict_pb2.PredictResponse()
        response.model_spec.name = model.name
        response.model_spec.version.value = model.version
        response.model_spec.signature_name = signature.key
        for alias, array in zip(signature.outputs, outputs, strict=True):
            if alias in checked.outputs:
                wire.fill_tensor(response.outputs[alias], array)
        return response

    @_answers
    async def GetModelMetadata(self, request, context):
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid_argument(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for field in request.metadata_field:
            if field != "signature_def":
                raise invalid_argument(f"Metadata field {field} is not supported")
        model = find(self._models, request)
        signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=model.signature_defs)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = model.name
        response.model_spec.version.value = model.version
        response.metadata["signature_def"].Pack(signatures)
        return response

    Classify = _unimplemented("Classify")
    Regress = _unimplemented("Regress")
    MultiInference = _unimplemented("MultiInference")


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus."""

    def __init__(self, models: Mapping[str, Model]):
        self._models = models

    @_answers
    async def GetModelStatus(self, request, context):
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        spec = request.model_spec
        model = self._models.get(spec.name)
        if spec.HasField("version") and (model is None or model.version != spec.version.value):
            raise not_found(f"Could not find version {spec.version.value} of model {spec.name}")
        if model is None:
            raise not_found(f"Could not find any versions of model {spec.name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        status = response.model_version_status.add(version=model.version)
        # The port opens only when every model is loaded.
        status.state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        status.status.SetInParent()
        return response

    HandleReloadConfigRequest = _unimplemented("HandleReloadConfigRequest")
