"""What the server does under load: latency beside a slow model and beside large requests, hot
swaps, and stops. Prints one line for each.

    python tests/benchmarks/serving_load.py [neighbours rows claim swaps stops ...]

Takes two minutes. A quiet machine gives better figures; what must hold is that no call fails.
"""

import collections
import concurrent.futures
import contextlib
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.serving import models
from tests.serving.conftest import CHANNEL_OPTIONS, Server


class Work(tf.Module):
    """Takes a time in proportion to `loops` and to its rows."""

    def __init__(self, loops: int):
        super().__init__()
        self.loops = loops
        self.matrix = tf.Variable(tf.eye(256) * 0.5)

    @tf.function(input_signature=[tf.TensorSpec([None, 256], tf.float32, "x")])
    def serving_default(self, x):
        for _ in tf.range(self.loops):
            x = tf.tanh(x @ self.matrix)
        return {"y": x}


def request(model: str, rows: int = 1, signature: str = "serving_default", columns: int = 256):
    asked = predict_pb2.PredictRequest()
    asked.model_spec.name = model
    asked.model_spec.signature_name = signature
    asked.inputs["x"].CopyFrom(tf.make_tensor_proto(np.zeros((rows, columns), np.float32)))
    return asked


@contextlib.contextmanager
def stubs(address: str, count: int):
    """Connections of their own, so that callers do not share one."""
    with contextlib.ExitStack() as stack:
        options = [*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
        channels = [grpc.insecure_channel(address, options) for _ in range(count)]
        for channel in channels:
            stack.enter_context(channel)
        yield [prediction_service_pb2_grpc.PredictionServiceStub(c) for c in channels]


def latencies(stub, asked, seconds: float) -> np.ndarray:
    """Milliseconds of calls one after another."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        stub.Predict(asked, timeout=60)
        found.append((time.monotonic() - begun) * 1e3)
    return np.array(found)


@contextlib.contextmanager
def callers(stubs_, asked):
    """Calls that go on in the background."""
    stop = threading.Event()

    def call(stub):
        while not stop.is_set():
            with contextlib.suppress(grpc.RpcError):
                stub.Predict(asked, timeout=60)

    threads = [threading.Thread(target=call, args=[stub]) for stub in stubs_]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def p(values: np.ndarray, q: float) -> str:
    return f"{np.percentile(values, q):.1f}"


def neighbours(root: Path) -> None:
    """A model of about 1 s beside a fast one."""
    models.save(Work(40), root / "fast" / "1")
    models.save(Work(60_000), root / "slow" / "1")
    server = Server(root)
    with stubs(server.address, 3) as (one, two, three):
        latencies(one, request("fast"), 2)
        alone = latencies(one, request("fast"), 8)
        begun = time.monotonic()
        two.Predict(request("slow"), timeout=60)
        slow = time.monotonic() - begun
        with callers([two, three], request("slow")):
            time.sleep(1)
            beside = latencies(one, request("fast"), 8)
    server.stop()
    print(
        f"fast model: p50 {p(alone, 50)} p99 {p(alone, 99)} ms alone; p50 {p(beside, 50)} p99"
        f" {p(beside, 99)} ms beside a model of {slow:.2f} s",
        flush=True,
    )


def rows(root: Path) -> None:
    """Single rows beside 80 requests of 500 rows."""
    models.save(Work(40), root / "work" / "1")
    server = Server(root)
    with stubs(server.address, 17) as (one, *many):
        latencies(one, request("work"), 1)
        alone = latencies(one, request("work"), 6)
        large = request("work", 500)
        with concurrent.futures.ThreadPoolExecutor(80) as pool:
            waiting = [pool.submit(many[i % 16].Predict, large, timeout=120) for i in range(80)]
            time.sleep(0.2)
            beside = []
            while not all(w.done() for w in waiting):
                beside.extend(latencies(one, request("work"), 0.05))
            for w in waiting:
                w.result()
    server.stop()
    beside = np.array(beside)
    print(
        f"single rows: p50 {p(alone, 50)} p99 {p(alone, 99)} ms alone; p50 {p(beside, 50)} p99"
        f" {p(beside, 99)} ms of {len(beside)} beside 80 x 500 rows",
        flush=True,
    )


def claim(root: Path) -> None:
    """A request that claims 50 million rows and holds one number."""
    models.save(Work(1), root / "work" / "1")
    server = Server(root)
    asked = request("work")
    tensor = asked.inputs["x"]
    tensor.tensor_content = b""
    tensor.float_val.append(1.0)
    tensor.tensor_shape.dim[0].size = 50_000_000
    took = []
    with stubs(server.address, 1) as (stub,):
        stub.Predict(request("work"), timeout=60)
        for _ in range(20):
            begun = time.monotonic()
            try:
                stub.Predict(asked, timeout=60)
            except grpc.RpcError as error:
                took.append((time.monotonic() - begun) * 1e3)
                code = error.code().name
    server.stop()
    print(f"50 million rows claimed: {code} in {max(took):.1f} ms at most of {len(took)}")


def swaps(root: Path, seconds: float = 30, count: int = 20) -> None:
    """Hot swaps between versions that answer differently, under 16 callers."""
    store = {
        factor: models.save(models.Scale(factor), root / "store" / str(factor)) for factor in (2, 3)
    }
    base = root / "models" / "scale"
    base.mkdir(parents=True)
    shutil.copytree(store[2], base / "2")
    server = Server(root / "models", "--access_log")
    failures: collections.Counter = collections.Counter()
    wrong, done, stop = [], [0], threading.Event()
    asked = predict_pb2.PredictRequest()
    asked.model_spec.name = "scale"
    asked.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0]))

    def call(stub):
        while not stop.is_set():
            try:
                answer = stub.Predict(asked, timeout=10)
            except grpc.RpcError as error:
                failures[error.code().name, error.details()[:60]] += 1
                continue
            value = answer.outputs["y"].float_val[0]
            version = answer.model_spec.version.value
            if value != 2 + version % 2:
                wrong.append((version, value))
            done[0] += 1

    with stubs(server.address, 16) as all_stubs:
        threads = [threading.Thread(target=call, args=[stub]) for stub in all_stubs]
        for thread in threads:
            thread.start()
        for number in range(3, 3 + count):
            time.sleep(seconds / count)
            new = root / "incoming"
            shutil.copytree(store[2 + number % 2], new)
            new.rename(base / str(number))
            for old in base.iterdir():
                if int(old.name) < number - 1:
                    shutil.rmtree(old)
        time.sleep(3)
        stop.set()
        for thread in threads:
            thread.join()
    log = server.log()
    ended = log.count("state=END")
    code, *_ = server.stop()
    print(
        f"{count} swaps in {seconds:.0f} s under 16 callers: {done[0]} answers,"
        f" {sum(failures.values())} failed {dict(failures)}, {len(wrong)} wrong,"
        f" {ended} versions ended, exit {code}",
        flush=True,
    )


def stops(root: Path, times: int = 5) -> None:
    """SIGTERM under 64 callers."""
    models.save(Work(40), root / "work" / "1")
    for _ in range(times):
        server = Server(root)
        found: collections.Counter = collections.Counter()
        asked = request("work")
        leave = threading.Event()

        def call(stub, found=found, asked=asked, leave=leave):
            while not leave.is_set():
                try:
                    stub.Predict(asked, timeout=20)
                    found["OK"] += 1
                except grpc.RpcError as error:
                    found[error.code().name] += 1
                    time.sleep(0.02)

        with stubs(server.address, 64) as all_stubs:
            threads = [threading.Thread(target=call, args=[stub]) for stub in all_stubs]
            for thread in threads:
                thread.start()
            time.sleep(1.5)
            code, *_ = server.stop()
            leave.set()
            for thread in threads:
                thread.join()
        print(f"SIGTERM under 64 callers: {dict(found)}, exit {code}", flush=True)


ALL = {f.__name__: f for f in (neighbours, rows, claim, swaps, stops)}

if __name__ == "__main__":
    for name in sys.argv[1:] or ALL:
        with tempfile.TemporaryDirectory() as folder:
            ALL[name](Path(folder))
