"""The whole workflow in a few minutes: python -m trainers.demo

Trains a DCGAN briefly on real images that ship with the project, exports it and the pretrained
one, serves both, requests images through the client, and writes one picture. Each step is a public
command, shown before it runs.
"""

import pathlib
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from zoo.core.commands import Parser, at_least, quiet_tensorflow, run

PRESET = "dcgan_fashion_mnist"
IMAGES = 48
COLUMNS = 6
SERVER_PATIENCE = 120  # seconds


def _parser() -> Parser:
    parser = Parser("python -m trainers.demo", __doc__)
    parser.add_argument("--workdir", default="demo", help="where everything goes")
    parser.add_argument(
        "--steps", type=at_least(1), default=2000, metavar="N", help="training steps"
    )
    return parser


def _demo(workdir: pathlib.Path, steps: int) -> None:
    workdir.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()

    print("[1/4] Train: a generator and a discriminator, from scratch, on 10,000 images of clothes")
    _command(
        "trainers",
        f"--preset={PRESET}",
        "--dataset=sample:fashion_mnist",
        "--batch_size=16",  # many small steps make more progress in a minute
        f"--steps={steps}",
        f"--workdir={workdir / 'run'}",
    )
    print("[2/4] Export: yours, and the pretrained one for comparison, as SavedModels")
    models = workdir / "models"
    _command("export", f"--run={workdir / 'run'}", "--name=mine", f"--to={models}")
    _command("export", f"--preset={PRESET}", "--name=pretrained", f"--to={models}")

    print("[3/4] Serve both over gRPC, and ask for images through the client")
    server, address = _start_server(models)
    try:
        for model in ("mine", "pretrained"):
            _command(
                "serving.client",
                "generate",
                model,
                f"--server={address}",
                f"--n={IMAGES}",
                "--seed=0",
                f"--out={workdir / model}",
            )
    except BaseException:
        _end(server)  # ignore how it ends: it received the Ctrl-C too
        raise
    _stop(server)

    print("[4/4] Put what came back side by side")
    picture = workdir / "demo.png"
    _write_picture(workdir, picture)
    print(
        f"\nDone in {time.monotonic() - begun:.0f} s. Look at {picture}\n"
        f"  left:  your network after {steps} steps\n"
        "  right: the same network after its whole recipe, the pretrained preset\n"
        f"How the training went: open {workdir / 'run' / 'report.html'} in a browser\n"
        f"Next: python -m zoo sample {PRESET}, or train on with more --steps"
    )


def _command(module: str, *arguments: str) -> None:
    """Shows and runs `python -m module ...`; if it fails, the demo ends after its message."""
    print(f"$ python -m {shlex.join([module, *arguments])}", flush=True)
    command = subprocess.Popen([sys.executable, "-m", module, *arguments])
    try:
        command.wait()
    except KeyboardInterrupt:
        command.wait()  # it received the Ctrl-C too, and saves its state
        raise
    if command.returncode:
        raise ValueError(f"The demo stopped at: python -m {module}. Its error message is above.")


def _start_server(models: pathlib.Path) -> tuple[subprocess.Popen[str], str]:
    """Starts the server on a free port of this machine; returns it and its address."""
    arguments = ["serving", f"--models={models}", "--port=0"]
    print(f"$ python -m {shlex.join(arguments)} &", flush=True)
    server = subprocess.Popen(
        [sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    patience = threading.Timer(SERVER_PATIENCE, server.kill)
    patience.start()
    try:
        for line in server.stdout:
            print(line, end="", flush=True)
            if line.startswith("Serving "):
                return server, line.split()[-1]
    except BaseException:
        _end(server)
        raise
    finally:
        patience.cancel()
    raise ValueError("The demo stopped: the server did not start. Its error message is above.")


def _end(server: subprocess.Popen[str]) -> None:
    server.terminate()
    print(server.communicate(timeout=SERVER_PATIENCE)[0], end="", flush=True)


def _stop(server: subprocess.Popen[str]) -> None:
    _end(server)
    if server.returncode:
        raise ValueError(f"The server must end cleanly. Received: exit code {server.returncode}.")


def _write_picture(workdir: pathlib.Path, picture: pathlib.Path) -> None:
    quiet_tensorflow()
    import numpy as np
    import tensorflow as tf

    from zoo.pictures import marks
    from zoo.pictures.images import grid, write_png

    halves, versions = [], []
    for model in ("mine", "pretrained"):
        files = sorted((workdir / model).glob("*.png"))[:IMAGES]
        versions.append(marks.read(files[0]).version)
        images = np.stack([tf.io.decode_png(file.read_bytes()).numpy() for file in files])
        images = images.repeat(2, axis=1).repeat(2, axis=2)  # 28 px is small on a screen
        halves.append(grid(images, COLUMNS))
    gap = np.full((halves[0].shape[0], 24, halves[0].shape[2]), 255, np.uint8)
    mark = marks.Mark("mine and pretrained", " and ".join(versions))
    write_png(picture, np.concatenate([halves[0], gap, halves[1]], axis=1), mark)


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry point; `argv` is the command line's by default."""
    args = _parser().parse_args(argv)
    run(lambda: _demo(pathlib.Path(args.workdir), args.steps))


if __name__ == "__main__":
    main()
