"""What the client costs beside a bare gRPC stub, on a server that answers at once. By hand:

    python tests/benchmarks/client_overhead.py [--rounds=5] [--seconds=1]

Calls a second of both, in turns, for answers of 400 bytes and 50 kB; the time to read an answer of
16 images of 256x256x3 float32; and time and memory of `from serving import Client` in a process of
its own. The server is a process of its own. The stub answers with a message, the client with arrays
of checked names, types and rows.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from serving import Client, wire
from serving.client.specs import read_outputs

SIZES = {"400 bytes": 100, "50 kB": 12_500}
IMPORT = """
import time
begun = time.process_time()
from serving import Client
seconds = time.process_time() - begun
import pathlib, re
# Not `getrusage`'s, which begins with the peak of the process that started this one.
status = pathlib.Path("/proc/self/status").read_text()
megabytes = int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024
print(f"import: {seconds:.2f} s of CPU, {megabytes:.0f} MB")
"""


def serve(columns: int) -> None:
    """Answers until its stdin ends."""
    from tests.serving import fake

    signatures = wire.SignatureDefMap()
    definition = signatures.signature_def["serving_default"]
    definition.inputs["x"].dtype = 1
    definition.inputs["x"].tensor_shape.dim.add(size=-1)
    metadata = wire.GetModelMetadataResponse()
    metadata.model_spec.name = "m"
    metadata.metadata["signature_def"].Pack(signatures)
    answer = wire.PredictResponse()
    answer.model_spec.name = "m"
    wire.fill_tensor(answer.outputs["y"], np.zeros((1, columns), np.float32))
    answers = {"GetModelMetadata": metadata, "Predict": answer}
    with fake.say(**{name: a.SerializeToString() for name, a in answers.items()}) as address:
        print(address, flush=True)
        sys.stdin.read()


def rate(call: Callable[[], object], seconds: float) -> float:
    """Calls a second, one after the other."""
    begun, calls = time.perf_counter(), 0
    while (taken := time.perf_counter() - begun) < seconds:
        call()
        calls += 1
    return calls / taken


def compare(name: str, columns: int, rounds: int, seconds: float) -> None:
    server = subprocess.Popen(
        [sys.executable, __file__, f"--serve={columns}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    address = server.stdout.readline().strip()
    asked = wire.PredictRequest()
    asked.model_spec.name = "m"
    asked.model_spec.signature_name = "serving_default"
    x = np.zeros(1, np.float32)
    wire.fill_tensor(asked.inputs["x"], x)
    with Client(address) as client, grpc.insecure_channel(address) as channel:
        stub = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=wire.PredictResponse.FromString,
        )
        calls = {"stub": lambda: stub(asked), "client": lambda: client.predict("m", {"x": x})}
        rates: dict[str, list[float]] = {key: [] for key in calls}
        for call in calls.values():
            rate(call, 0.5)
        for _ in range(rounds):
            for key, call in calls.items():
                rates[key].append(rate(call, seconds))
    server.communicate()
    median = {key: statistics.median(values) for key, values in rates.items()}
    print(
        f"{name}: stub {median['stub']:.0f} calls/s, client {median['client']:.0f}:"
        f" {median['client'] / median['stub']:.0%}"
    )


def reading() -> None:
    answer = wire.PredictResponse()
    wire.fill_tensor(answer.outputs["images"], np.zeros((16, 256, 256, 3), np.float32))
    taken = []
    for _ in range(50):
        begun = time.perf_counter()
        read_outputs(answer)
        taken.append(time.perf_counter() - begun)
    print(f"16x256x256x3 float32 is read in {statistics.median(taken) * 1e3:.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement")
    parser.add_argument("--serve", type=int, metavar="N", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve)
        return
    for name, columns in SIZES.items():
        compare(name, columns, args.rounds, args.seconds)
    reading()
    subprocess.run([sys.executable, "-c", IMPORT], cwd=Path(__file__).parents[2], check=True)


if __name__ == "__main__":
    main()
