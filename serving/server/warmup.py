"""Replays the requests that a SavedModel brings along, before its first caller comes."""

import itertools
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.server import inference
from serving.server.servable import Servable
from serving.server.status import StatusError, failed_precondition, unimplemented

_FILE = "assets.extra/tf_serving_warmup_requests"
_LIMIT = 1000
_JOBS: dict[str, Callable] = {
    "predict_log": inference.predict,
    "classify_log": inference.classify,
    "regress_log": inference.regress,
    "multi_inference_log": inference.multi_inference,
}


def replay(servable: Servable, *, iterations: int = 1) -> int:
    """Runs each recorded request `iterations` times; returns how many requests there were.

    Raises:
        StatusError: a request fails, or the file is damaged.
    """
    file = servable.path / _FILE
    if not file.exists():
        return 0
    count = 0
    try:
        for record in itertools.islice(_records(file), _LIMIT):
            log = prediction_log_pb2.PredictionLog.FromString(record)
            kind = log.WhichOneof("log_type")
            if kind not in _JOBS:
                raise unimplemented(f"Unsupported log_type for warmup: {kind}")
            job = _JOBS[kind](servable, 0, getattr(log, kind).request, inference.Answering())
            for _ in range(iterations):
                job.answer([run.signature.run(run.inputs) for run in job.runs])
            count += 1
    except StatusError as error:
        raise StatusError(
            error.code, f"{servable.path}: a warm-up request failed: {error.message}"
        ) from error
    except (tf.errors.OpError, ValueError) as error:
        raise failed_precondition(
            f"{file} must be a TFRecord of PredictionLog. Received: {type(error).__name__}"
        ) from error
    return count


def _records(file: Path):
    return tf.compat.v1.io.tf_record_iterator(str(file))
