"""Warm-up: recorded requests of every kind are replayed; a failing one fails the load."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.server import inference
from serving.server.servable import Servable
from serving.server.status import StatusError
from serving.server.warmup import replay
from tests.serving import models


def _log(kind):
    log = prediction_log_pb2.PredictionLog()
    request = getattr(log, kind).request
    if kind == "multi_inference_log":
        for name in ("classify", "regress"):
            task = request.tasks.add(method_name=f"tensorflow/serving/{name}")
            task.model_spec.name = "judge"
            task.model_spec.signature_name = name
    elif kind == "predict_log":
        request.model_spec.signature_name = "count"
        request.inputs["x"].CopyFrom(tf.make_tensor_proto(0.0))
        return log
    else:
        request.model_spec.signature_name = kind.removesuffix("_log")
    request.input.example_list.examples.add()
    return log


def _write(folder, *logs):
    file = folder / "assets.extra" / "tf_serving_warmup_requests"
    file.parent.mkdir()
    with tf.io.TFRecordWriter(str(file)) as writer:
        for log in logs:
            writer.write(log.SerializeToString())
    return file


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judge") / "1"
    return models.save(models.Judge(), folder, "classify", "regress", "count")


def test_every_kind_of_log_is_replayed(judge, tmp_path):
    _write(
        judge,
        *map(_log, ["predict_log", "classify_log", "regress_log", "multi_inference_log"]),
    )
    servable = Servable("judge", judge)
    assert replay(servable, iterations=3) == 4
    (runs,) = servable.signatures["count"].run([np.array(0, np.float32)])
    servable.close()
    assert runs == 3 * 4


@pytest.fixture
def scale(tmp_path):
    return models.save(models.Scale(1), tmp_path / "scale" / "4")


def _failure(folder):
    servable = Servable("scale", folder)
    with pytest.raises(StatusError) as caught:
        replay(servable)
    servable.close()
    return caught.value.message


def test_a_failing_request_fails_the_load(scale):
    models.write_warmup(scale, count=1, x=[1])
    assert _failure(scale) == (
        f"{scale}: a warm-up request failed: Expects arg[0] to be float but int32 is provided"
    )


def test_a_log_of_another_kind(scale):
    log = prediction_log_pb2.PredictionLog()
    log.session_run_log.request.model_spec.name = "scale"
    _write(scale, log)
    assert "Unsupported log_type for warmup: session_run_log" in _failure(scale)


def test_a_damaged_file(scale):
    models.write_warmup(scale, count=1, x=[1.0])
    file = scale / "assets.extra" / "tf_serving_warmup_requests"
    file.write_bytes(file.read_bytes()[:-7])
    assert _failure(scale).endswith("must be a TFRecord of PredictionLog. Received: DataLossError")


def test_at_most_a_thousand_requests(tmp_path):
    """A TFRecord of PredictionLog, at most 1,000."""
    folder = models.save(models.Counter(), tmp_path / "counter" / "1")
    models.write_warmup(folder, count=1005, x=[1.0])
    servable = Servable("counter", folder)
    assert replay(servable) == 1000
    servable.close()


def test_answers_are_made_as_for_callers(judge):
    servable = Servable("judge", judge)
    request = _log("multi_inference_log").multi_inference_log.request
    job = inference.multi_inference(servable, 1, request, inference.Answering())
    answer = job.answer([run.signature.run(run.inputs) for run in job.runs])
    servable.close()
    classes = answer.results[0].classification_result.classifications[0].classes
    assert [(entry.label, entry.score) for entry in classes] == [("cat", 0.25), ("dog", 0.75)]
    assert [r.value for r in answer.results[1].regression_result.regressions] == [0]
