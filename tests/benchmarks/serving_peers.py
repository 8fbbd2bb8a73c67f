"""Our server beside its peers, with the same SavedModel, on the same cores, in one run. By hand:

    python tests/benchmarks/serving_peers.py [--version=DIR] [--callers 1 8 20 64] [--seconds=5]

It compares, with one image (a PNG of a seed) a request:

- direct: the SavedModel's session in one process, one row and 32 rows a run: the limit of the model
- echo: a bare gRPC server that answers without a model: the limit of the transport
- ours: `python -m serving`, called by our client
- FastAPI with TensorFlow, BentoML and Ray Serve, called over HTTP by aiohttp

`pip install bentoml fastapi 'uvicorn[standard]' 'ray[serve]'` brings the peers. What is not
installed is skipped, and named. All servers run at once and are asked in turns, because a machine
is never quite quiet. CPU is that of a server's processes, without the callers', for each request.

It prints a Markdown table: the median of the rounds and, in brackets, their least and most.
"""

import argparse
import asyncio
import base64
import contextlib
import dataclasses
import importlib.util
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
PRESET = "dcgan_fashion_mnist"
PEERS = "tests.benchmarks.peers"
# Peer -> the packages that it needs.
NEEDS = {
    "FastAPI": ("fastapi", "uvicorn"),
    "BentoML": ("bentoml",),
    "Ray Serve": ("ray", "starlette"),
}
TICKS = os.sysconf("SC_CLK_TCK")
# Draws one image from a seed; the answer's PNG.
Ask = Callable[[int], Awaitable[bytes]]


@dataclasses.dataclass
class Figures:
    """What one round measured: images a second, and milliseconds."""

    rate: float
    p50: float
    p99: float
    cpu: float


def commands(port: int) -> dict[str, list[str]]:
    """How each peer is started on a port."""
    bento = f"{PEERS}.bento_service:Service"
    uvicorn = f"{PEERS}.fastapi_app:app --log-level error --no-access-log"
    return {
        "FastAPI": f"-m uvicorn {uvicorn} --port {port}".split(),
        "BentoML": f"-m bentoml serve {bento} --host 127.0.0.1 --port {port}".split(),
        "Ray Serve": f"-m {PEERS}.ray_app {port}".split(),
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def process(name: str, arguments: list[str], version: Path) -> Iterator[subprocess.Popen]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "VERSION": str(version),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "BENTOML_DO_NOT_TRACK": "True",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    with tempfile.TemporaryFile("w+") as log:
        started = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield started
        except TimeoutError:
            log.seek(0)
            sys.exit(f"{name} must start. Received: {log.read()[-2000:]}")
        finally:
            started.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)  # and what it has started
            started.wait()


def cpu_seconds(root: int) -> float:
    """The CPU time of a process and of those that it has started, so far."""
    parents, ticks = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            number = int(path.parent.name)
            parents[number] = int(fields[1])
            ticks[number] = sum(map(int, fields[11:15]))  # its own, and of children that ended
    family = {root}
    while more := {n for n, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(ticks.get(number, 0) for number in family) / TICKS


async def load(ask: Ask, pid: int, callers: int, seconds: float) -> Figures:
    """Callers that do not pause."""
    taken: list[float] = []
    used = cpu_seconds(pid)
    begun = time.perf_counter()
    end = begun + seconds

    async def caller(seed: int) -> None:
        start = begun
        while start < end:
            start = time.perf_counter()
            png = await ask(seed)
            taken.append(time.perf_counter() - start)
            if not png.startswith(b"\x89PNG"):
                raise ValueError(f"An answer must be a PNG. Received: {png[:80]!r}")

    await asyncio.gather(*(caller(seed) for seed in range(callers)))
    elapsed = time.perf_counter() - begun
    used = cpu_seconds(pid) - used
    cuts = statistics.quantiles(taken, n=100) if len(taken) > 1 else taken * 99
    return Figures(len(taken) / elapsed, 1000 * cuts[49], 1000 * cuts[98], 1000 * used / len(taken))


async def until_answered(ask: Ask, server: subprocess.Popen, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            await asyncio.wait_for(ask(0), 10)
            return
        except Exception as error:  # whatever a server that is not up yet makes of it
            if time.monotonic() > end or server.poll() is not None:
                raise TimeoutError(str(error)) from error
            await asyncio.sleep(0.5)


def direct(model, rows: int, seconds: float) -> Figures:
    """Runs of the session in this process."""
    seeds = range(rows)
    model.draw(seeds)
    taken = []
    used = time.process_time()
    end = time.perf_counter() + seconds
    while not taken or time.perf_counter() < end:
        start = time.perf_counter()
        model.draw(seeds)
        taken.append(time.perf_counter() - start)
    used = time.process_time() - used
    cuts = statistics.quantiles(taken, n=100) if len(taken) > 1 else taken * 99
    images = rows * len(taken)
    return Figures(images / sum(taken), 1000 * cuts[49], 1000 * cuts[98], 1000 * used / images)


async def measure(
    version: Path, answer: Path, callers: list[int], seconds: float, rounds: int
) -> None:
    import aiohttp

    from serving import AsyncClient

    os.environ["VERSION"] = str(version)
    from tests.benchmarks.peers.model import Model

    session = Model()
    model = version.parent.name
    found: dict[tuple[str, int], list[Figures]] = {}
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )

        async def through(address: str) -> Ask:
            client = await stack.enter_async_context(AsyncClient(address))

            async def ask(seed: int) -> bytes:
                answer = await client.predict(model, {"seed": [seed]}, signature="generate_png")
                return answer["image_bytes"][0]

            return ask

        def post(port: int, name: str) -> Ask:
            url = f"http://127.0.0.1:{port}/draw"

            async def ask(seed: int) -> bytes:
                if name == "BentoML":
                    async with http.post(url, json={"seeds": [seed]}) as answer:
                        return base64.b64decode((await answer.json())[0])
                async with http.post(url, params={"seed": seed}) as answer:
                    return await answer.read()

            return ask

        servers: dict[str, tuple[Ask, int]] = {}

        async def start(name: str, arguments: list[str], ask: Ask) -> None:
            server = stack.enter_context(process(name, arguments, version))
            await until_answered(ask, server)
            servers[name] = (ask, server.pid)
            print(f"{name} answers", file=sys.stderr, flush=True)

        port = free_port()
        ours = ["-m", "serving", f"--model_name={model}", f"--model_base_path={version.parent}"]
        address = f"127.0.0.1:{port}"
        await start("ours", [*ours, f"--port={port}"], await through(address))
        answer.write_bytes(await _answer(address, model))
        port = free_port()
        await start(
            "echo",
            ["-m", f"{PEERS}.echo", f"{port}", str(answer)],
            _plain(stack, f"127.0.0.1:{port}", model),
        )
        for name, packages in NEEDS.items():
            missing = [each for each in packages if importlib.util.find_spec(each) is None]
            if missing:
                print(f"{name} is skipped: {' and '.join(missing)} not installed", flush=True)
                continue
            port = free_port()
            await start(name, commands(port)[name], post(port, name))
        for number in range(rounds):
            for rows in (1, 32):
                key = (f"direct, {rows} a run", 1)
                found.setdefault(key, []).append(direct(session, rows, seconds))
            for many in callers:
                for name, (ask, pid) in servers.items():
                    await load(ask, pid, many, min(1.0, seconds))
                    figures = await load(ask, pid, many, seconds)
                    found.setdefault((name, many), []).append(figures)
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    _report(found, callers)


def _request(model: str, seed: int) -> bytes:
    from serving import wire

    request = wire.message_class("tensorflow.serving.PredictRequest")()
    request.model_spec.name = model
    request.model_spec.signature_name = "generate_png"
    wire.fill_tensor(request.inputs["seed"], [seed])
    return request.SerializeToString()


PREDICT = "/tensorflow.serving.PredictionService/Predict"


async def _answer(address: str, model: str) -> bytes:
    """A whole answer of our server, for the echo."""
    import grpc

    async with grpc.aio.insecure_channel(address) as channel:
        return await channel.unary_unary(PREDICT)(_request(model, 0))


def _plain(stack: contextlib.AsyncExitStack, address: str, model: str) -> Ask:
    """A bare stub: it checks the answer's bytes alone."""
    import grpc

    channel = grpc.aio.insecure_channel(address)
    stack.push_async_callback(channel.close)
    call, request = channel.unary_unary(PREDICT), _request(model, 0)

    async def ask(seed: int) -> bytes:
        answer = await call(request)
        return answer[answer.index(b"\x89PNG") :]

    return ask


def _report(found: dict[tuple[str, int], list[Figures]], callers: list[int]) -> None:
    names = [field.name for field in dataclasses.fields(Figures)]
    median = {
        key: {n: statistics.median(getattr(f, n) for f in figures) for n in names}
        for key, figures in found.items()
    }
    print(
        "| callers | server | images/s | p50 ms | p99 ms | CPU ms a request |\n" + "|---" * 6 + "|"
    )
    for (name, many), figures in sorted(found.items(), key=lambda item: item[0][1]):
        cells = []
        for field in names:
            values = [getattr(each, field) for each in figures]
            cells.append(f"{statistics.median(values):.3g} ({min(values):.3g}-{max(values):.3g})")
        print(f"| {many} | {name} | {' | '.join(cells)} |")
    lone = median["direct, 1 a run", 1]
    if ("ours", 1) in median:
        print(
            f"Lone caller: {median['ours', 1]['p50'] - lone['p50']:.2f} ms above the direct call."
        )
    for many in callers:
        ours, echo = median["ours", many], median["echo", many]
        limit = median["direct, 32 a run", 1]["cpu"] + echo["cpu"]
        peers = {name: median[name, many]["rate"] for name in NEEDS if (name, many) in median}
        best = max(peers, key=lambda name: peers[name], default=None)
        told = f", {ours['rate'] / peers[best]:.2f} times {best}'s images/s" if best else ""
        print(f"{many} callers: {limit / ours['cpu']:.0%} of 1 / (1/direct + 1/echo) by CPU{told}.")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 8, 20, 64], metavar="N")
    parser.add_argument("--seconds", type=float, default=5.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--version", type=Path, metavar="DIR", help="an export's folder, as models/MODEL/1"
    )
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and end the servers first
    with tempfile.TemporaryDirectory() as temporary:
        version = args.version
        if version is None:
            command = [sys.executable, "-m", "export", f"--preset={PRESET}", f"--to={temporary}"]
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            version = Path(temporary) / PRESET / "1"
        answer = Path(temporary) / "answer.binpb"
        asyncio.run(measure(version.resolve(), answer, args.callers, args.seconds, args.rounds))


if __name__ == "__main__":
    main()
