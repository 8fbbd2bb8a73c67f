"""A running server whose folder changes: new, broken and unsafe versions, new models, roll back."""

import time

import numpy as np
import pytest
import tensorflow as tf

import serving
from serving import Client
from tests.serving import models
from tests.serving.conftest import Server


class Reads(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([], tf.string, "path")])
    def serving_default(self, path):
        return {"content": tf.io.read_file(path)}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("life")
    models.save(models.Scale(2), root / "models" / "scale" / "1")
    (root / "models" / "broken" / "1").mkdir(parents=True)
    models.save(Reads(), root / "models" / "unsafe" / "1")
    for factor in (3, 5):
        models.save(models.Scale(factor), root / "store" / str(factor))
    return root


@pytest.fixture(scope="module")
def running(root):
    server = Server(
        root / "models",
        "--access_log",
        f"--grpc_socket_path={root}/socket",
        "--load_retry_interval_micros=100000",
        "--max_num_load_retries=1",
    )
    yield server
    assert server.stop()[0] == 0


@pytest.fixture
def client(running):
    with Client(running.address) as client:
        yield client


def _y(client, **kwargs):
    return client.predict("scale", {"x": [1.0]}, timeout=20, **kwargs)["y"].tolist()


def _until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def _states(client, model="scale"):
    return {status.version: status.state for status in client.status(model)}


def test_broken_and_unsafe_models_cost_only_themselves(client, running):
    assert _y(client) == [2]
    assert running.lines[-1].startswith("Serving 3 model(s) at ")
    _until(lambda: _states(client, "broken") == {1: "END"})
    with pytest.raises(
        serving.ModelNotFound,
        match=r"version 1 is END: \S+/broken/1 must be a SavedModel that TensorFlow",
    ):
        client.generate("broken")
    (unsafe,) = client.status("unsafe")
    assert "Received: ReadFile; start the server with --allow_unsafe_ops=ReadFile" in unsafe.error
    assert running.log().count("load_failed model=broken version=1 attempt=") == 2


def test_swaps_a_broken_version_and_a_roll_back(client, root):
    base = root / "models" / "scale"
    (base / "2").mkdir()  # broken: nothing in it
    _until(lambda: _states(client).get(2) == "END")
    assert _y(client) == [2]
    (base / "2").rmdir()
    (root / "store" / "3").rename(base / "3")
    _until(lambda: _states(client) == {3: "AVAILABLE", 2: "END", 1: "END"})
    assert _y(client) == [3]
    (root / "store" / "5").rename(base / "5")
    _until(lambda: _states(client).get(5) == "AVAILABLE")
    _until(lambda: _y(client) == [5])
    (base / "5").rename(root / "store" / "5")
    _until(lambda: _states(client).get(5) == "END")
    assert _y(client) == [3]


def test_a_new_model_is_found(client, root):
    models.save(models.Scale(7), root / "incoming" / "1")
    (root / "incoming").rename(root / "models" / "seven")
    client.wait_until_available("seven", timeout=30)
    assert client.predict("seven", {"x": np.ones(2, np.float32)})["y"].tolist() == [7, 7]


def test_a_unix_socket_and_the_access_log(root, running):
    with Client(f"unix:{root}/socket") as client:
        assert client.predict("scale", {"x": [1.0]})["y"].shape == (1,)
    line = running.log().splitlines()[-1]
    assert " info call api=Predict entrypoint=GRPC peer=unix:" in line
    assert "model=scale status=OK seconds=" in line
