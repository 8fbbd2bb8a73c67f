"""Damaged requests to the server, and damaged answers to the client.

    python tests/benchmarks/fuzz_serving.py [--requests=100000] [--answers=20000] [--seed=0]

Six of ten are damaged field by field, the others in their bytes. The server is asked over gRPC (all
methods of TF Serving and of the Open Inference Protocol) and over REST (both). The command fails
where a request has no answer within 30 s, or one with a status outside the contract, where the log
has more lines than there were refusals, where memory grows by more than a tenth after the first
tenth of the requests, or where a sound request has another answer than before. The client must
return or raise ServingError within its timeout, whatever the answer.
"""

import argparse
import asyncio
import collections
import concurrent.futures
import json
import random
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import grpc
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from serving import Client, ServingError, wire
from tests.benchmarks import mutations
from tests.benchmarks.serving_load import resident
from tests.serving import models
from tests.serving.conformance.conftest import free_port
from tests.serving.conftest import CHANNEL_OPTIONS, Server

CALLERS = 16
PREDICTION = "/tensorflow.serving.PredictionService/"
OPEN = "/inference.GRPCInferenceService/"
NO_MESSAGE = "Exception deserializing request!"
STATUSES = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNIMPLEMENTED"}
REST_STATUSES = {200, 400, 404, 405, 412, 501}


def message(kind: str, **fields):
    return wire.message_class(kind)(**fields)


def predict(rng: random.Random):
    asked = message("tensorflow.serving.PredictRequest")
    name, signature, inputs = rng.choice(
        (
            ("scale", "", {"x": np.arange(3, dtype=np.float32)}),
            ("toy", "two_inputs", {"a": np.ones((2, 2), np.float32), "b": np.ones(2, np.float32)}),
            ("toy", "generate", {"seed": np.arange(2)}),
        )
    )
    asked.model_spec.name = name
    asked.model_spec.signature_name = rng.choice((signature, signature, "types", "decode", "fixed"))
    for alias, value in inputs.items():
        wire.fill_tensor(asked.inputs[alias], value)
    return asked


def _examples(asked) -> None:
    for _ in range(2):
        feature = asked.input.example_list.examples.add().features.feature
        feature["x"].float_list.value.extend([1.0, 2.0])
        feature["words"].bytes_list.value.append(b"a")


def judge(kind: str, signature: str):
    def make(rng: random.Random):
        asked = message(f"tensorflow.serving.{kind}Request")
        asked.model_spec.name, asked.model_spec.signature_name = "judge", signature
        _examples(asked)
        return asked

    return make


def multi_inference(rng: random.Random):
    asked = message("tensorflow.serving.MultiInferenceRequest")
    for way in ("classify", "regress"):
        task = asked.tasks.add(method_name=f"tensorflow/serving/{way}")
        task.model_spec.name, task.model_spec.signature_name = "judge", way
    _examples(asked)
    return asked


def metadata(rng: random.Random):
    asked = message("tensorflow.serving.GetModelMetadataRequest", metadata_field=["signature_def"])
    asked.model_spec.name = rng.choice(("scale", "toy"))
    return asked


def status(rng: random.Random):
    asked = message("tensorflow.serving.GetModelStatusRequest")
    asked.model_spec.name = rng.choice(("scale", "toy"))
    return asked


def infer(rng: random.Random):
    asked = message("inference.ModelInferRequest", model_name="scale")
    tensor = asked.inputs.add(name="x", datatype="FP32", shape=[3])
    if rng.random() < 0.5:
        asked.raw_input_contents.append(np.arange(3, dtype=np.float32).tobytes())
    else:
        tensor.contents.fp32_contents.extend([1, 2, 3])
    return asked


# Method -> its request. The first is half of all.
METHODS = {
    PREDICTION + "Predict": predict,
    PREDICTION + "Classify": judge("Classification", "classify"),
    PREDICTION + "Regress": judge("Regression", "regress"),
    PREDICTION + "MultiInference": multi_inference,
    PREDICTION + "GetModelMetadata": metadata,
    "/tensorflow.serving.ModelService/GetModelStatus": status,
    OPEN + "ModelInfer": infer,
    OPEN + "ModelMetadata": lambda rng: message("inference.ModelMetadataRequest", name="scale"),
    OPEN + "ModelReady": lambda rng: message("inference.ModelReadyRequest", name="scale"),
    OPEN + "RepositoryIndex": lambda rng: message("inference.RepositoryIndexRequest"),
}
FLOATS = {"name": "x", "shape": [2], "datatype": "FP32", "data": [1.0, 2.0]}
# Path -> bodies.
BODIES = {
    "/v1/models/scale:predict": [{"instances": [1.0, 2.0]}, {"inputs": {"x": [1, 2]}}],
    "/v1/models/toy:predict": [
        {"signature_name": "two_inputs", "instances": [{"a": [1, 2], "b": 3}]},
        {"signature_name": "decode", "instances": [{"b64": "AAAA"}]},
    ],
    "/v1/models/judge:classify": [{"signature_name": "classify", "examples": [{"x": 1.0}]}],
    "/v1/models/judge:regress": [{"signature_name": "regress", "examples": [{"x": [1, 2]}]}],
    "/v2/models/scale/infer": [
        {"id": "1", "inputs": [FLOATS], "outputs": [{"name": "y"}]},
        {"inputs": [FLOATS], "outputs": [{"name": "y", "parameters": {"binary_data": True}}]},
        {"inputs": [{**FLOATS, "data": [], "parameters": {"binary_data_size": 8}}]},
    ],
}


class UnderTest:
    """The server under test, and what it has answered."""

    def __init__(self, server: Server, rest: str, rng: random.Random):
        self.server, self.rest, self.rng = server, rest, rng
        self.found: collections.Counter = collections.Counter()
        # What must not have been, and how often.
        self.faults: collections.Counter = collections.Counter()
        self.by_field = 0
        self.slowest = 0.0

    async def call(self, channel: grpc.aio.Channel) -> None:
        methods = list(METHODS)
        method = methods[0] if self.rng.random() < 0.5 else self.rng.choice(methods)
        asked = METHODS[method](self.rng)
        if self._damage_fields():
            for _ in range(self.rng.choice((1, 2, 3))):
                mutations.damage(asked, self.rng)
            data = asked.SerializeToString()
        else:
            data = mutations.damaged_bytes(asked.SerializeToString(), self.rng)
        try:
            await channel.unary_unary(method)(data, timeout=30)
            code, details = "OK", ""
        except grpc.RpcError as error:
            code, details = error.code().name, error.details()
        self.found[code] += 1
        if code not in STATUSES and (code, details) != ("INTERNAL", NO_MESSAGE):
            self.faults[f"{method}: {code} {details[:150]}"] += 1

    async def post(self, session: aiohttp.ClientSession) -> None:
        path = self.rng.choice(list(BODIES))
        body = self.rng.choice(BODIES[path])
        headers = {}
        if self._damage_fields():
            for _ in range(self.rng.choice((1, 2, 3))):
                body = mutations.damaged_json(body, self.rng)
            data = json.dumps(body).encode()
        else:
            data = mutations.damaged_bytes(json.dumps(body).encode(), self.rng)
        if path.startswith("/v2") and self.rng.random() < 0.5:
            length = self.rng.choice((len(data), len(data), len(data) // 2, -1, 10**9, "x"))
            headers["Inference-Header-Content-Length"] = str(length)
            data += self.rng.randbytes(self.rng.choice((0, 4, 8, 9)))
        async with session.post(f"http://{self.rest}{path}", data=data, headers=headers) as answer:
            text = await answer.read()
        self.found[answer.status] += 1
        if answer.status not in REST_STATUSES:
            self.faults[f"{path}: {answer.status} {text[:150]!r}"] += 1

    def _damage_fields(self) -> bool:
        fields = self.rng.random() < 0.6
        self.by_field += fields
        return fields

    async def worker(self, count: int) -> None:
        timeout = aiohttp.ClientTimeout(total=30)
        options = [*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
        async with (
            grpc.aio.insecure_channel(self.server.address, options) as channel,
            aiohttp.ClientSession(timeout=timeout) as session,
        ):
            for _ in range(count):
                begun = time.monotonic()
                try:
                    await (self.call(channel) if self.rng.random() < 0.6 else self.post(session))
                except (aiohttp.ClientError, TimeoutError) as error:
                    self.faults[f"REST: {type(error).__name__} {error}"] += 1
                self.slowest = max(self.slowest, time.monotonic() - begun)

    async def run(self, requests: int) -> None:
        await asyncio.gather(*(self.worker(requests // CALLERS) for _ in range(CALLERS)))


def against_server(requests: int, seed: int) -> bool:
    """Returns whether it held."""
    with tempfile.TemporaryDirectory() as folder:
        root = models.build_for_conformance(Path(folder))
        rest = free_port()
        flags = [f"--model_config_file={root}/models.config", f"--rest_api_port={rest}"]
        server = Server(None, *flags, python=sys.executable)
        at_start = len(server.log().splitlines())
        test = UnderTest(server, f"127.0.0.1:{rest}", random.Random(seed))
        with Client(server.address) as client:
            before = client.generate("toy", n=4, seed=7)
            begun = time.monotonic()
            asyncio.run(test.run(requests // 10))
            first = resident(server.process.pid)
            asyncio.run(test.run(requests - requests // 10))
            seconds = time.monotonic() - begun
            last = resident(server.process.pid)
            if not np.array_equal(before, client.generate("toy", n=4, seed=7)):
                test.faults["a sound request has another answer than before"] += 1
        if server.process.poll() is not None:
            test.faults["the server has ended"] += 1
        lines = server.log().splitlines()[at_start:]
        server.stop()
    refused = sum(n for code, n in test.found.items() if code not in ("OK", 200))
    others = [line for line in lines if " refused " not in line]
    if len(lines) - len(others) > refused:
        test.faults[f"{len(lines)} lines of log for {refused} refusals"] += 1
    for line in others:
        test.faults[f"in the log: {line[:300]}"] += 1
    if last > 1.1 * first:
        test.faults[f"memory grew from {first:.0f} to {last:.0f} MB"] += 1
    print(
        f"server: {test.found.total()} requests in {seconds:.0f} s, {test.by_field} by field:"
        f" {dict(test.found.most_common())}; {len(lines)} lines of log;"
        f" slowest {test.slowest:.2f} s; resident {first:.0f} MB after a tenth,"
        f" {last:.0f} MB at the end"
    )
    return report(test.faults)


class Hostile(grpc.GenericRpcHandler):
    """Answers every call with a damaged answer, of another type, or without an end."""

    def __init__(self, rng: random.Random):
        self.rng = rng

    def service(self, details):
        if self.rng.random() < 0.01:
            return grpc.unary_stream_rpc_method_handler(self._endless)
        return grpc.unary_unary_rpc_method_handler(
            lambda asked, context: self._answer(details.method.rpartition("/")[2])
        )

    def _endless(self, asked, context):
        while context.is_active():
            yield self._answer("Predict")

    def _answer(self, method: str) -> bytes:
        answer = ANSWERS.get(method, ANSWERS["Predict"])(self.rng)
        if self.rng.random() < 0.6:
            for _ in range(self.rng.choice((0, 1, 2, 3))):
                mutations.damage(answer, self.rng)
            return answer.SerializeToString()
        return mutations.damaged_bytes(answer.SerializeToString(), self.rng)


def predicted(rng: random.Random):
    answer = message("tensorflow.serving.PredictResponse")
    answer.model_spec.name = "m"
    answer.model_spec.version.value = 1
    output = answer.outputs[rng.choice(("images", "image_bytes", "y"))]
    value = rng.choice((np.zeros((2, 4, 4, 1), np.float32), np.array([b"\x89PNG\r\n\x1a\n"] * 2)))
    wire.fill_tensor(output, value)
    return answer


def described(rng: random.Random):
    signatures = message("tensorflow.serving.SignatureDefMap")
    for key, alias, dtype in (("serving_default", "x", 1), ("generate", "seed", 9)):
        definition = signatures.signature_def[key]
        definition.inputs[alias].dtype = dtype
        definition.inputs[alias].tensor_shape.dim.add(size=-1)
        definition.outputs["images"].dtype = 1
    if rng.random() < 0.5:
        mutations.damage(signatures, rng)
    answer = message("tensorflow.serving.GetModelMetadataResponse")
    answer.model_spec.name = "m"
    answer.model_spec.version.value = 1
    answer.metadata["signature_def"].Pack(signatures)
    return answer


def stated(rng: random.Random):
    answer = message("tensorflow.serving.GetModelStatusResponse")
    answer.model_version_status.add(version=1, state=30).status.error_message = "fine"
    return answer


def listed(rng: random.Random):
    answer = message("inference.RepositoryIndexResponse")
    answer.models.add(name="m", version="1", state="READY", reason="")
    return answer


ANSWERS = {
    "Predict": predicted,
    "GetModelMetadata": described,
    "GetModelStatus": stated,
    "RepositoryIndex": listed,
}


ASKS = (
    lambda client: client.generate("m", n=2, seed=1),
    lambda client: client.generate_png("m", n=2, seed=1),
    lambda client: client.predict("m", {"x": np.zeros(2, np.float32)}),
    lambda client: client.metadata("m"),
    lambda client: client.status("m"),
    lambda client: client.models(),
)


def against_client(answers: int, seed: int) -> bool:
    """Returns whether it held."""
    rng = random.Random(seed)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([Hostile(rng)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    address = f"127.0.0.1:{port}"
    client = Client(address, timeout=2)
    found, faults = collections.Counter(), collections.Counter()
    slowest = first = 0.0
    for at in range(answers):
        if at == answers // 10:
            first = resident()
        if at % 50 == 0:  # a new one knows nothing of the model
            client.close()
            client = Client(address, timeout=2)
        ask = rng.choice(ASKS)
        begun = time.monotonic()
        try:
            ask(client)
            found["returned"] += 1
        except ServingError as error:
            found[type(error).__name__] += 1
        except Exception as error:
            faults[f"{type(error).__name__}: {str(error)[:150]}"] += 1
        slowest = max(slowest, time.monotonic() - begun)
    client.close()
    server.stop(None).wait()
    last = resident()
    if slowest > 4:
        faults[f"a call with a timeout of 2 s took {slowest:.1f} s"] += 1
    if last > 1.1 * first:
        faults[f"memory grew from {first:.0f} to {last:.0f} MB"] += 1
    print(
        f"client: {answers} calls: {dict(found.most_common())}; slowest {slowest:.2f} s;"
        f" resident {first:.0f} MB after a tenth, {last:.0f} MB at the end"
    )
    return report(faults)


def report(faults: collections.Counter) -> bool:
    for fault, times in faults.most_common():
        print(f"  FAULT, {times} times: {fault}")
    return not faults


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=100_000, help="to the server")
    parser.add_argument("--answers", type=int, default=20_000, help="to the client")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    held = [against_server(args.requests, args.seed), against_client(args.answers, args.seed)]
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
