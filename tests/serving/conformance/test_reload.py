"""Versions, labels and HandleReloadConfigRequest.

Rows of the contract: "Versions", and HandleReloadConfigRequest of "The other calls".
"""

import contextlib
import time

import grpc
import pytest
from google.protobuf import text_format
from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2

from tests.serving import models
from tests.serving.conformance.calls import (
    INVALID,
    NOT_FOUND,
    PRECONDITION,
    TIMEOUT,
    ask,
    predict_request,
    refused,
)


def _reload(text: str) -> model_management_pb2.ReloadConfigRequest:
    request = model_management_pb2.ReloadConfigRequest()
    text_format.Parse(text, request.config)
    return request


@pytest.fixture
def reload(model_stub, folder):
    """Applies a change of the configuration; puts it back afterwards."""
    config = models.CONFIG.format(root=folder)

    def apply(*changes: tuple[str, str]):
        text = config
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return model_stub.HandleReloadConfigRequest(_reload(text), timeout=TIMEOUT)

    yield apply
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:  # until the labels' versions are there
        with contextlib.suppress(grpc.RpcError):
            apply()
            break
        time.sleep(0.1)
    _until(model_stub, "scale", {2: "AVAILABLE", 10: "AVAILABLE"})


def _states(model_stub, name):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    found = model_stub.GetModelStatus(request, timeout=TIMEOUT).model_version_status
    assert [v.version for v in found] == sorted((v.version for v in found), reverse=True)
    names = get_model_status_pb2.ModelVersionStatus.State.Name
    return {v.version: names(v.state) for v in found}


def _until(model_stub, name, wanted):
    end = time.monotonic() + TIMEOUT
    seen = None
    while time.monotonic() < end:
        with contextlib.suppress(grpc.RpcError):
            seen = _states(model_stub, name)
            if seen == wanted:
                return
        time.sleep(0.05)
    raise AssertionError(f"{name} must be {wanted}. Received: {seen}")


def _labelled(label):
    request = predict_request("scale", x=[1.0])
    request.model_spec.version_label = label
    return request


def test_labels(stub):
    """The response echoes the version and never the label."""
    for label, version in (("stable", 2), ("canary", 10)):
        answer = stub.Predict(_labelled(label), timeout=TIMEOUT)
        assert answer.model_spec.version.value == version
        assert not answer.model_spec.version_label
    assert refused(stub.Predict, _labelled("x")) == (
        INVALID,
        "Unrecognized servable version label: x",
    )


def test_labels_move(stub, reload):
    reload(("value: 2", "value: 10"))
    answer = stub.Predict(_labelled("stable"), timeout=TIMEOUT)
    assert answer.model_spec.version.value == 10


def test_a_label_of_a_version_that_is_not_there(model_stub, folder):
    text = models.CONFIG.format(root=folder).replace("value: 2", "value: 7")
    assert refused(model_stub.HandleReloadConfigRequest, _reload(text)) == (
        PRECONDITION,
        "Request to assign label to version 7 of model scale, which is not currently available"
        " for inference",
    )


def test_a_policy_changes(stub, model_stub, reload):
    """Policies: latest N, all, specific. Ended versions stay listed, in descending order."""
    reload(
        ("all {}", "specific { versions: 2 }"),
        ('version_labels { key: "canary" value: 10 }', ""),
    )
    _until(model_stub, "scale", {2: "AVAILABLE", 10: "END"})
    assert ask(stub, "scale", x=[1.5])["y"].tolist() == [3]
    assert refused(stub.Predict, predict_request("scale", version=10, x=[1.0])) == (
        NOT_FOUND,
        "Servable not found for request: Specific(scale, 10)",
    )


def test_the_new_list_replaces_the_old(stub, model_stub, reload, folder):
    """Blocks for newly named models only."""
    toy = f'config {{ name: "toy" base_path: "{folder}/toy" model_platform: "tensorflow" }}'
    again = toy.replace('"toy" ', '"again" ')
    reload((toy, again))
    assert ask(stub, "again", "two_inputs", a=[[1.0, 2.0]], b=[1.0])["sum"].tolist() == [4]
    assert refused(stub.Predict, predict_request("toy")) == (
        NOT_FOUND,
        "Servable not found for request: Latest(toy)",
    )


REFUSALS = {
    "custom": (
        "custom_model_config {}",
        "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList"
        " is currently supported",
    ),
    "twice": (
        """model_config_list {
          config { name: "m" base_path: "/m" model_platform: "tensorflow" }
          config { name: "m" base_path: "/n" model_platform: "tensorflow" } }""",
        "Illegal to list model m multiple times in config list",
    ),
    "relative": (
        'model_config_list { config { name: "m" base_path: "m" model_platform: "tensorflow" } }',
        "Expected model m to have an absolute path or URI; got base_path()=m",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(model_stub, case):
    text, message = REFUSALS[case]
    assert refused(model_stub.HandleReloadConfigRequest, _reload(text)) == (INVALID, message)


def test_the_platform_of_a_model_stays(model_stub, folder):
    text = models.CONFIG.format(root=folder).replace('"tensorflow"', '"x"', 1)
    assert refused(model_stub.HandleReloadConfigRequest, _reload(text)) == (
        INVALID,
        "Illegal to change a model's platform. For model toy platform was tensorflow and new"
        " platform requested is x",
    )
