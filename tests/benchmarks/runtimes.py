"""Every format of `python -m export` beside the SavedModel: size, differences, time of a call.

    python tests/benchmarks/runtimes.py [PRESET ...] [--float16] [--seconds=1] [--to=DIR]

Without names, it takes all bundled presets. Each is exported to every format, and the same inputs
run in the SavedModel's session (`serving_default`, as the server runs it) and in each runtime: from
latents, or a picture in the first direction. Calls of the runtimes take turns in rounds, because a
machine is never quite quiet, and each figure is the median of the rounds' medians. Each runtime has
as many threads as it takes by default; `taskset -c 0` before the command gives all of them a core.

It prints a Markdown table. The difference is the largest one from the SavedModel's images, divided
by the largest of their values; the target is 1e-4. SavedModels run images to images row by row.
Most of its time are the exports; with --to=DIR, they are kept, and found again by the next run.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
FORMATS = ("onnx", "openvino", "litert")
BATCHES = (1, 32)
ROUNDS = 5
TARGET = 1e-4
HEAD = ("preset", "runtime", "MB", "float16 MB", "difference", "ms at 1", "ms at 32")


def measure(name: str, float16: bool, seconds: float, to: Path) -> list[tuple[str, ...]]:
    """The table's rows of one preset."""
    import zoo
    from export import portable, saved_model
    from serving.server.servable import Servable

    gan = zoo.load(name)

    def exported(version: Path, export: Callable[..., Path], **arguments: Any) -> Path:
        if not version.is_dir():
            print(f"{version}: writing", file=sys.stderr, flush=True)
            written = export(gan, to, name, source=name, **arguments)
            assert written == version, (written, version)
        return version

    version = exported(to / name / "1", saved_model.export)
    session = Servable(name, version).signatures["serving_default"]
    calls = {"SavedModel": lambda inputs: session.run([inputs[k] for k in session.inputs])[0]}
    sizes = {"SavedModel": (_megabytes(version), "")}
    for format in FORMATS:
        folder = to / name / format
        version = exported(folder / "1", portable.export, format=format)
        runtime = zoo.runtime(version)
        function = runtime.functions[0]
        calls[format] = lambda inputs, r=runtime, f=function: r.run(f, inputs)
        half = ""
        if float16:
            smaller = exported(folder / "2", portable.export, format=format, float16=True)
            half = _megabytes(smaller, function)
        sizes[format] = (_megabytes(version, function), half)
    inputs = {n: _inputs(gan, runtime.manifest, function, n) for n in BATCHES}
    expected = calls["SavedModel"](inputs[BATCHES[-1]])
    times = {n: _times(calls, inputs[n], seconds) for n in BATCHES}
    rows = []
    for key, call in calls.items():
        difference = abs(call(inputs[BATCHES[-1]]) - expected).max() / abs(expected).max()
        flag = "" if difference <= TARGET else " (!)"
        told = "" if key == "SavedModel" else f"{difference:.0e}{flag}"
        ms = [f"{times[n][key]:.3g}" for n in BATCHES]
        rows.append((name, key, *sizes[key], told, *ms))
    return rows


def _megabytes(version: Path, function: str = "") -> str:
    """The size of a version's model; of a format, that of one function's files."""
    files = [
        path
        for path in version.rglob("*")
        if path.is_file() and path.name.startswith(function) and "warmup" not in path.name
    ]
    return f"{sum(path.stat().st_size for path in files) / 1e6:.2f}"


def _inputs(gan: Any, manifest: dict[str, Any], function: str, n: int) -> dict[str, Any]:
    import numpy as np

    random = np.random.default_rng(0)
    inputs = {}
    for name, described in manifest["functions"][function]["inputs"].items():
        if name == "labels":
            inputs[name] = random.integers(0, manifest["condition"]["num_classes"], n, np.int32)
        elif name == "truncation":
            inputs[name] = np.full(n, np.nan, np.float32)
        elif name == "latents":
            seeds = np.arange(n, dtype=np.int64)
            inputs[name] = np.asarray(gan.latents_from_seeds(seeds))
        else:
            shape = [n, *gan.source_shape[:2], *described["shape"][3:]]
            inputs[name] = random.uniform(-1, 1, shape).astype(described["dtype"])
    return inputs


def _times(calls: dict[str, Callable], inputs: dict[str, Any], seconds: float) -> dict[str, float]:
    """The median of each runtime's milliseconds a call."""
    for call in calls.values():
        call(inputs)
    medians: dict[str, list[float]] = {key: [] for key in calls}
    for _ in range(ROUNDS):
        for key, call in calls.items():
            taken = []
            end = time.perf_counter() + seconds / ROUNDS
            while not taken or time.perf_counter() < end:
                start = time.perf_counter()
                call(inputs)
                taken.append(time.perf_counter() - start)
            medians[key].append(statistics.median(taken))
    return {key: 1000 * statistics.median(values) for key, values in medians.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("presets", nargs="*", metavar="PRESET")
    parser.add_argument("--float16", action="store_true", help="also write files of half the size")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="for each runtime and batch (default: 1)"
    )
    parser.add_argument("--to", type=Path, metavar="DIR", help="keep the exports here")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from zoo.core.presets import get_preset, list_presets

    bundled = [name for name in list_presets() if get_preset(name).pretrained]
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        for name in args.presets or bundled:
            to = args.to or Path(temporary)
            for row in measure(name, args.float16, args.seconds, to):
                print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
