"""What the server does under load: latency beside a slow model and beside large requests, hot
swaps, stops and kills, crowds and overload. Prints one line for each.

    python tests/benchmarks/serving_load.py [neighbours rows claim swaps stops kills ...]
    python tests/benchmarks/serving_load.py many_swaps

Takes eight minutes, `many_swaps` twenty. A quiet machine gives better figures; what must hold is
that no call fails.
"""

import asyncio
import collections
import concurrent.futures
import contextlib
import datetime
import re
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
from serving import Client, ServingError
from tests.serving import models
from tests.serving.conformance.conftest import free_port
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


def resident(process: int | str = "self") -> float:
    """MB that are resident."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096 / 2**20


def p(values: np.ndarray, q: float) -> str:
    return f"{np.percentile(values, q):.1f}"


def neighbours(root: Path, turns: int = 5) -> None:
    """A model of about 1 s beside a fast one; both cases take turns, as other load varies."""
    models.save(Work(40), root / "fast" / "1")
    models.save(Work(60_000), root / "slow" / "1")
    server = Server(root)
    alone, beside, slow = [], [], []
    with stubs(server.address, 3) as (one, two, three):
        latencies(one, request("fast"), 2)
        for _ in range(turns):
            alone.append(latencies(one, request("fast"), 2))
            begun = time.monotonic()
            two.Predict(request("slow"), timeout=60)
            slow.append(time.monotonic() - begun)
            with callers([two, three], request("slow")):
                time.sleep(0.5)
                beside.append(latencies(one, request("fast"), 2))
    server.stop()
    alone, beside = np.concatenate(alone), np.concatenate(beside)
    times = np.percentile(beside, 99) / np.percentile(alone, 99)
    print(
        f"fast model: p50 {p(alone, 50)} p99 {p(alone, 99)} ms alone; p50 {p(beside, 50)} p99"
        f" {p(beside, 99)} ms beside a model of {np.median(slow):.2f} s: p99 {times:.2f} times",
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


def swaps(
    root: Path, seconds: float = 30, count: int = 20, callers: int = 16, broken: bool = False
) -> None:
    """Hot swaps between versions that answer differently, under callers.

    With `broken`, a version that cannot be loaded stands beside the others half of the time.
    """
    store = {
        factor: models.save(models.Scale(factor), root / "store" / str(factor)) for factor in (2, 3)
    }
    base = root / "models" / "scale"
    base.mkdir(parents=True)
    shutil.copytree(store[2], base / "2")
    server = Server(root / "models", python=sys.executable)
    failures: collections.Counter = collections.Counter()
    wrong, done, stop = [], [0] * callers, threading.Event()
    # Version -> when the last call that it answered was made.
    asked_last: dict[int, float] = {}
    asked = predict_pb2.PredictRequest()
    asked.model_spec.name = "scale"
    asked.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0]))

    def call(at, stub):
        while not stop.is_set():
            begun = time.time()
            try:
                answer = stub.Predict(asked, timeout=30)
            except grpc.RpcError as error:
                failures[error.code().name, error.details()[:60]] += 1
                continue
            value = answer.outputs["y"].float_val[0]
            version = answer.model_spec.version.value
            if value != 2 + version % 2:
                wrong.append((version, value))
            asked_last[version] = max(begun, asked_last.get(version, 0))
            done[at] += 1

    memory = []
    with stubs(server.address, callers) as all_stubs:
        threads = [threading.Thread(target=call, args=item) for item in enumerate(all_stubs)]
        for thread in threads:
            thread.start()
        for at in range(count):
            number = 4 + 3 * at  # even and odd by turns
            time.sleep(seconds / count / 2)
            new = root / "incoming"
            shutil.copytree(store[2 + number % 2], new)
            new.rename(base / str(number))
            for old in base.iterdir():
                if int(old.name) < number - 3 or int(old.name) == number - 2:  # the broken one
                    shutil.rmtree(old)
            time.sleep(seconds / count / 2)
            if broken:
                (base / str(number + 1)).mkdir()
                (base / str(number + 1) / "saved_model.pb").write_bytes(b"broken")
            memory.append(resident(server.process.pid))
        time.sleep(3)
        stop.set()
        for thread in threads:
            thread.join()
    ended, late = 0, []
    for line in server.log().splitlines():
        found = re.search(r"^(\S+) info state .*version=(\d+) state=END", line)
        if found and int(found[2]) in asked_last:
            ended += 1
            end = datetime.datetime.fromisoformat(found[1]).timestamp()
            if asked_last[int(found[2])] > end:
                late.append(line)
    code, *_ = server.stop()
    after_tenth = memory[min(9, count - 1)]
    print(
        f"{count} swaps in {seconds:.0f} s under {callers} callers"
        f"{' beside broken versions' if broken else ''}: {sum(done)} answers,"
        f" {sum(failures.values())} failed {dict(failures)}, {len(wrong)} wrong, {ended} versions"
        f" ended, {len(late)} answered after that, exit {code}; resident {after_tenth:.0f} MB after"
        f" the tenth swap, {memory[-1]:.0f} MB after the last",
        flush=True,
    )


def stops(root: Path, times: int = 10) -> None:
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


def kills(root: Path, times: int = 3) -> None:
    """SIGKILL and restart under 8 of our own clients, whose calls have 30 s."""
    models.save(models.Scale(2), root / "scale" / "1")
    port = free_port()
    server = Server(root, f"--port={port}")
    found: collections.Counter = collections.Counter()
    leave = threading.Event()

    def call(at):
        with Client(server.address, timeout=30) as client:
            while not leave.is_set():
                x = [float(at + found["OK"])]
                try:
                    right = client.predict("scale", {"x": x})["y"].tolist() == [2 * x[0]]
                    found["OK" if right else "WRONG"] += 1
                except ServingError as error:
                    found[type(error).__name__] += 1

    threads = [threading.Thread(target=call, args=[at]) for at in range(8)]
    for thread in threads:
        thread.start()
    away = []
    for _ in range(times):
        time.sleep(2)
        server.process.kill()
        server.process.wait()
        begun = time.monotonic()
        server = Server(root, f"--port={port}")
        away.append(time.monotonic() - begun)
    time.sleep(3)
    leave.set()
    for thread in threads:
        thread.join()
    server.stop()
    print(
        f"{times} SIGKILLs under 8 clients with 30 s, the server {max(away):.1f} s away at most:"
        f" {dict(found)}",
        flush=True,
    )


async def arrivals(address: str, asked, rate: float, seconds: float):
    """Calls that come at a rate, whatever becomes of them: status -> milliseconds of each."""
    found = collections.defaultdict(list)
    method = "/tensorflow.serving.PredictionService/Predict"
    async with contextlib.AsyncExitStack() as stack:
        options = [*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(address, options))
            for _ in range(8)
        ]
        stubs_ = [channel.unary_unary(method) for channel in channels]
        data = asked.SerializeToString()

        async def call(at):
            begun = time.monotonic()
            try:
                await stubs_[at % 8](data, timeout=60)
                status = "OK"
            except grpc.RpcError as error:
                status = error.code().name
            found[status].append((time.monotonic() - begun) * 1e3)

        begun = time.monotonic()
        tasks = []
        for at in range(int(rate * seconds)):
            wait = begun + at / rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(call(at)))
        await asyncio.gather(*tasks)
    return {status: np.array(times) for status, times in found.items()}


def summary(found) -> str:
    return ", ".join(
        f"{status} {len(times)} (p50 {p(times, 50)}, p99 {p(times, 99)} ms)"
        for status, times in found.items()
    )


def crowd(root: Path) -> None:
    """3,000 callers at once."""
    models.save(Work(40), root / "work" / "1")
    server = Server(root)
    found = asyncio.run(arrivals(server.address, request("work"), 3e6, 1e-3))
    server.stop()
    print(f"3,000 callers at once: {summary(found)}", flush=True)


def overload(root: Path, seconds: float = 120) -> None:
    """Twice the load that the server can carry, beside four fifths of it.

    A row takes some 8 ms, so the calls, which this process makes on the same cores, weigh little.
    """
    models.save(Work(2000), root / "work" / "1")
    server = Server(root)
    asked = request("work")
    with stubs(server.address, 16) as all_stubs, callers(all_stubs[1:], asked):
        latencies(all_stubs[0], asked, 2)
        rate = 16e3 / latencies(all_stubs[0], asked, 5).mean()
    within = asyncio.run(arrivals(server.address, asked, 0.8 * rate, seconds / 3))
    above = asyncio.run(arrivals(server.address, asked, 2 * rate, seconds))
    time.sleep(1)
    after = asyncio.run(arrivals(server.address, asked, 0.5 * rate, 3))
    server.stop()
    print(
        f"capacity {rate:.0f} requests/s; at 80 %: {summary(within)}; at 200 %: {summary(above)};"
        f" a second later at 50 %: {summary(after)}",
        flush=True,
    )


def many_swaps(root: Path) -> None:
    """200 hot swaps in 10 minutes under 64 callers, and again beside broken versions."""
    for broken in (False, True):
        swaps(root / str(broken), 600, 200, 64, broken)


SHORT = (neighbours, rows, claim, swaps, stops, kills, crowd, overload)
ALL = {f.__name__: f for f in (*SHORT, many_swaps)}

if __name__ == "__main__":
    for name in sys.argv[1:] or [f.__name__ for f in SHORT]:
        with tempfile.TemporaryDirectory() as folder:
            ALL[name](Path(folder))
