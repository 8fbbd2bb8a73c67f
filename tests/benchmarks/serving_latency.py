"""What the server costs a lone caller, and what batching gives to many. Run by hand:

    python tests/benchmarks/serving_latency.py [--model_dir=DIR] [--rounds=5]

DIR holds <model>/<version>/ with a `generate` signature, as `python -m export --to=DIR` writes;
without it, `dcgan_fashion_mnist` is exported for the purpose. In one run, in rounds that take turns
because a machine is never quite quiet, it measures

- the latency of one caller with one image a request, through gRPC, and of the same signature of
  the same SavedModel called directly in this process;
- the throughput of 64 callers with one image a request each, with batching on and off.

The servers and the callers are processes of their own. Takes about two minutes. The last line is
JSON; expected are "overhead_ms" of at most 2.5 and "ratio" of at least 2.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
CALLERS = 64
LATENCY_CALLS = 100
THROUGHPUT_SECONDS = 4.0


def caller(model: str, on: str, off: str) -> None:
    """The callers' process: answers "latency" or "throughput SERVER" lines with numbers."""
    from serving import AsyncClient, Client

    def call_once(client, seed):
        return client.predict(model, {"seed": [seed]}, signature="generate")

    async def throughput(address: str) -> float:
        done = 0

        async def loop(client, seed):
            nonlocal done
            while time.perf_counter() < end:
                await call_once(client, seed)
                done += 1

        async with AsyncClient(address) as client:
            await call_once(client, 0)
            start = time.perf_counter()
            end = start + THROUGHPUT_SECONDS
            await asyncio.gather(*(loop(client, seed) for seed in range(CALLERS)))
            return done / (time.perf_counter() - start)

    with Client(on) as client:
        for line in sys.stdin:
            if line.strip() == "latency":
                print(_median_ms(lambda: call_once(client, 0)), flush=True)
            else:
                address = {"on": on, "off": off}[line.split()[1]]
                print(asyncio.run(throughput(address)), flush=True)


def measure(model_dir: Path, rounds: int) -> dict[str, float | int | str]:
    """Returns the figures of one run over the first model of `model_dir`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    model = sorted(path.name for path in model_dir.iterdir() if path.is_dir())[0]
    version = max((path for path in (model_dir / model).iterdir() if path.name.isdecimal()), key=_n)
    loaded = tf.saved_model.load(str(version))
    generate = loaded.signatures["generate"]
    seed = tf.constant([0], tf.int64)
    figures = {"direct": [], "grpc": [], "on": [], "off": []}
    with _server(model_dir) as on, _server(model_dir, "--noenable_batching") as off:
        command = [sys.executable, __file__, "--caller", model, on, off]
        with _process(command, stdin=subprocess.PIPE) as callers:

            def ask(line: str) -> float:
                callers.stdin.write(line + "\n")
                callers.stdin.flush()
                return float(callers.stdout.readline())

            for number in range(1, rounds + 1):
                figures["direct"].append(_median_ms(lambda: generate(seed=seed)["images"].numpy()))
                figures["grpc"].append(ask("latency"))
                figures["on"].append(ask("throughput on"))
                figures["off"].append(ask("throughput off"))
                print(
                    f"round {number}/{rounds}: direct {figures['direct'][-1]:.2f} ms,"
                    f" gRPC {figures['grpc'][-1]:.2f} ms; {CALLERS} callers: batched"
                    f" {figures['on'][-1]:.0f}, unbatched {figures['off'][-1]:.0f} images/s",
                    flush=True,
                )
            callers.stdin.close()
    overheads = [grpc - own for grpc, own in zip(figures["grpc"], figures["direct"], strict=True)]
    ratios = [a / b for a, b in zip(figures["on"], figures["off"], strict=True)]
    median = {key: statistics.median(values) for key, values in figures.items()}
    return {
        "model": model,
        "rounds": rounds,
        "callers": CALLERS,
        "direct_ms": round(median["direct"], 3),
        "grpc_ms": round(median["grpc"], 3),
        "overhead_ms": round(statistics.median(overheads), 3),
        "batched_images_per_s": round(median["on"], 1),
        "unbatched_images_per_s": round(median["off"], 1),
        "ratio": round(statistics.median(ratios), 3),
    }


def _n(path: Path) -> int:
    return int(path.name)


def _median_ms(call: Callable[[], object]) -> float:
    for _ in range(10):
        call()
    times = []
    for _ in range(LATENCY_CALLS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


@contextlib.contextmanager
def _process(command: list[str], **kwargs) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, **kwargs)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


@contextlib.contextmanager
def _server(model_dir: Path, *flags: str) -> Iterator[str]:
    command = [sys.executable, "-m", "serving", f"--models={model_dir}", "--port=0", *flags]
    with _process(command) as process:
        for line in process.stdout:
            if line.startswith("Serving "):
                yield line.split()[-1]
                return
        sys.exit(f"The server must start. Received: exit code {process.wait()}")


def main() -> None:
    if sys.argv[1:2] == ["--caller"]:
        caller(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model_dir", type=Path, help="folder of <model>/<version>/")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if args.model_dir is None:
            command = [sys.executable, "-m", "export", "--preset=dcgan_fashion_mnist"]
            subprocess.run([*command, f"--to={temporary}"], cwd=ROOT, check=True)
        print(json.dumps(measure((args.model_dir or Path(temporary)).resolve(), args.rounds)))


if __name__ == "__main__":
    main()
