"""`python -m serving`: what it loads, how it refuses to start, how it stops."""

import asyncio
import collections
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.__main__ import _parser, main
from serving.server import services
from serving.server.base_path import check_models, models_below, versions_at
from serving.server.servable import Servable
from serving.server.status import StartError, StatusError
from tests import warm
from tests.serving import models
from tests.serving.conftest import CHANNEL_OPTIONS, ROOT, Server


def _run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "serving", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_versions_are_the_folders_with_a_decimal_name(tmp_path):
    """A child whose name is a decimal number is a version (`00000123` is 123)."""
    for name in ("a/1", "a/9", "a/10", "a/x12", "a/-13", "a/²", "b/007", "c/new", ".git/objects"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "a" / "99").write_text("a file")
    (tmp_path / "a" / str(2**63)).mkdir()
    assert models_below(tmp_path) == {"a": tmp_path / "a", "b": tmp_path / "b"}
    assert versions_at(tmp_path / "b") == {7: tmp_path / "b/007"}
    assert sorted(versions_at(tmp_path / "a")) == [1, 9, 10]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda path: None,
            r"must be a folder of <model>/<version>/. Received: \S+/m, which does not exist$",
        ),
        (lambda path: path.write_text(""), "must be a folder"),
        (lambda path: path.mkdir(), r"at least one <model>/<version>/ .* Received: \S+/m, which"),
        (lambda path: (path / "a" / "new").mkdir(parents=True), "at least one <model>/<version>/"),
    ],
    ids=["missing", "a file", "empty", "no version"],
)
def test_a_folder_without_models_is_refused(tmp_path, make, message):
    make(tmp_path / "m")
    with pytest.raises(StartError, match=message):
        check_models(str(tmp_path / "m"))


def _break(folder, how):
    if how == "no saved_model.pb":
        (folder / "saved_model.pb").unlink()
    elif how == "cut off":
        data = (folder / "saved_model.pb").read_bytes()
        (folder / "saved_model.pb").write_bytes(data[: len(data) // 2])
    elif how == "no variables":
        shutil.rmtree(folder / "variables")
    elif how == "variables cut off":
        (file,) = (folder / "variables").glob("variables.data*")
        file.write_bytes(b"")


@pytest.mark.parametrize(
    "how", ["no saved_model.pb", "cut off", "no variables", "variables cut off"]
)
def test_a_broken_saved_model_is_named(tmp_path, how):
    folder = models.save(models.Scale(1), tmp_path / "scale" / "4")
    _break(folder, how)
    with pytest.raises(StatusError) as caught:
        Servable("scale", folder)
    message = caught.value.message
    assert message.startswith(f"{folder} must be a SavedModel that TensorFlow {tf.__version__} can")
    assert "\n" not in message


def test_start_errors_end_in_one_line(tmp_path):
    result = _run(f"--models={tmp_path / 'nowhere'}")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == (
        f"serving: --models must be a folder of <model>/<version>/. Received: {tmp_path}/nowhere,"
        " which does not exist\n"
    )


def test_a_port_in_use(models_dir):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = _run(f"--models={models_dir}", f"--port={port}")
    assert result.returncode == 1
    assert f"Received: 127.0.0.1:{port}, which is in use" in result.stderr.splitlines()[-1]
    assert "choose another --port" in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""  # told before any model is loaded


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["--models=m", "--modls=x"], "unknown flag --modls. Did you mean '--models'", 2),
        ([], "Give --models=DIR, a folder of <model>/<version>/ (`python -m export`", 1),
        (["--port=70000"], "--port must be a whole number, from 0 to 65535. Received: '70000'", 2),
        (["--max_batch_size=0"], "must be a whole number, at least 1. Received: '0'", 2),
        (["--enable_batching=maybe"], "must be true or false. Received: 'maybe'", 2),
        (["--load_retry_interval_micros=x"], "micros must be a whole number. Received: 'x'", 2),
        (["--models=m", "extra"], "unexpected arguments. Received: extra", 2),
    ],
)
def test_wrong_flags(arguments, message, code, capsys, keep_signals):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    output, errors = capsys.readouterr()
    assert (end.value.code, output) == (code, "")
    assert errors.startswith("serving: ")
    assert message in errors
    assert errors.count("\n") == 1


@pytest.fixture
def keep_signals():
    """The command sets the handler of SIGTERM; puts it back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("flag", "enabled"),
    [
        (None, True),
        ("--enable_batching", True),
        ("--enable_batching=true", True),
        ("--enable_batching=false", False),
        ("--noenable_batching", False),
    ],
)
def test_batching_is_switched_as_in_tf_serving(flag, enabled):
    assert _parser().parse_args([flag] if flag else []).enable_batching is enabled


@pytest.mark.parametrize("missing", ["tensorflow", "grpc_health"])
def test_a_missing_extra_is_named(models_dir, missing):
    code = f"""
import runpy, sys
sys.modules[{missing!r}] = None
sys.argv = ["serving", "--models={models_dir}"]
runpy.run_module("serving", run_name="__main__")
"""
    result = subprocess.run(
        [warm.python(), "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 1
    assert result.stderr.startswith("serving: The server needs")
    assert "pip install '.[serve]'" in result.stderr
    assert result.stderr.count("\n") == 1


def test_help_is_enough(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    output = capsys.readouterr().out
    for text in (
        "python -m serving --models=DIR --port=8500",
        "--models DIR",
        "--noenable_batching",
        "--max_batch_size",
        "--host",
        "--port N",
        "8500)",
    ):
        assert text in output


def test_sigterm_finishes_what_is_in_flight(models_dir):
    server = Server(models_dir)
    with grpc.insecure_channel(server.address, CHANNEL_OPTIONS) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

        def ask(steps):
            request = predict_pb2.PredictRequest()
            request.model_spec.name = "toy"
            request.model_spec.signature_name = "slow"
            request.inputs["steps"].CopyFrom(tf.make_tensor_proto([steps], tf.int32))
            return stub.Predict.future(request, timeout=60)

        ask(1).result()
        start = time.monotonic()
        ask(2000).result()
        steps = int(2000 * 1.5 / (time.monotonic() - start))
        calls = [ask(steps) for _ in range(3)]
        # Calls of one channel arrive in order: once a later one is answered, these are there.
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = "toy"
        model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=60)
        in_flight = [call for call in calls if not call.done()]
        server.process.terminate()
        answers = [tf.make_ndarray(call.result().outputs["steps"]).tolist() for call in calls]
        assert answers == [[steps]] * 3
        assert in_flight
        code, output, errors = server.stop()
        assert code == 0
        assert output.splitlines() == [
            "Stopping: finishing the requests in flight, 30 s at most",
            "Stopped",
        ]
        assert " error " not in errors
        assert "Traceback" not in errors
        with pytest.raises(grpc.RpcError) as caught:
            ask(1).result()
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_a_stop_cancels_no_call_of_callers_that_do_not_pause():
    found, leave = collections.Counter(), threading.Event()

    async def serve_and_stop():
        server, last_calls = grpc.aio.server(), services.LastCalls()

        async def echo(data, context):
            await last_calls.wait(context.time_remaining())
            return data

        handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()

        def call(at):
            # Half of the callers share a connection.
            own = [("grpc.use_local_subchannel_pool", at % 2)]
            with grpc.insecure_channel(f"127.0.0.1:{port}", [*CHANNEL_OPTIONS, *own]) as channel:
                while not leave.is_set():
                    try:
                        channel.unary_unary("/test/Echo")(b"", timeout=20)
                        found["OK"] += 1
                    except grpc.RpcError as error:
                        found[error.code().name] += 1
                        time.sleep(0.05)

        threads = [threading.Thread(target=call, args=[at]) for at in range(16)]
        for thread in threads:
            thread.start()
        await asyncio.sleep(0.2)
        await last_calls.stop(server, 30)
        leave.set()
        for thread in threads:
            await asyncio.to_thread(thread.join)

    asyncio.run(serve_and_stop())
    assert found["OK"] > 16
    assert set(found) <= {"OK", "UNAVAILABLE"}


def test_a_signal_before_it_serves_ends_it(models_dir):
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "serving", f"--models={models_dir}", "--port=0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # This import comes last before the signal handler.
    for line in process.stderr:
        if re.search(r"\| +serving\.server\.port$", line):
            break
    time.sleep(0.5)
    process.terminate()
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.splitlines()[-1] == "serving: Stopped before it served"
    assert "Serving " not in output


def test_the_port_opens_when_the_models_are_loaded(models_dir):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = probe.getsockname()
    process = subprocess.Popen(
        [warm.python(), "-m", "serving", f"--models={models_dir}", f"--port={address[1]}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    os.set_blocking(process.stdout.fileno(), False)
    end = time.monotonic() + 300
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(ConnectionError), socket.create_connection(address, timeout=5):
            break
        time.sleep(0.005)
    printed = process.stdout.read() or b""
    process.send_signal(signal.SIGINT)  # Ctrl-C stops it as SIGTERM does
    os.set_blocking(process.stdout.fileno(), True)
    rest, errors = process.communicate(timeout=60)
    assert printed.count(b"Loaded ") == 4
    assert process.returncode == 0
    assert b" error " not in errors
    assert rest.endswith(b"Stopped\n")


def test_a_refused_request_is_one_line_of_log(server, channel):
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    before = len(server.log().splitlines())
    with pytest.raises(grpc.RpcError):
        call(b"\xff\xff no request", timeout=60)
    (line,) = server.log().splitlines()[before:]
    assert " warning refused api=Predict entrypoint=GRPC peer=" in line
    assert line.endswith('message="Exception deserializing request!"')
    assert "status=INTERNAL" in line


def test_states_are_logged_with_their_times(server):
    lines = [line for line in server.log().splitlines() if "model=scale version=10" in line]
    assert [re.search(r"state=(\w+)", line)[1] for line in lines] == [
        "START",
        "LOADING",
        "AVAILABLE",
    ]
    assert re.search(r"seconds=[0-9.]+ signatures=serving_default$", lines[-1])
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.\d{3}Z info state", lines[0])


def test_it_lists_what_it_loaded(server):
    assert server.lines == [
        "Loaded counter, version 0: serving_default",
        "Loaded labelled, version 1: discriminate, generate, generate_png",
        "Loaded scale, version 10: serving_default",
        f"Loaded toy, version 3: {', '.join(sorted(models.TOY_SIGNATURES))}",
        f"Serving 4 model(s) at {server.address}",
    ]
