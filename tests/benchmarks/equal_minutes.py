"""Runs of the training command for equal minutes, at once, and their scores."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import PIL.Image

SAMPLE = pathlib.Path("trainers/data/samples/fashion_mnist.npz")


def scored(runs: dict[str, list[str]], minutes: float, num_images: int) -> None:
    """Trains each of `runs` on part of the bundled Fashion-MNIST, and prints its scores.

    They run at the same time, each on a core of its own, so that what else the machine does slows
    them alike.

    Args:
        runs: Flags of `python -m trainers` by the run's name.
        minutes: How long they train. Then a SIGTERM lets each finish its step and save.
        num_images: Train on so many images. They are scored against 5,000 that follow them.
    """
    images = np.load(SAMPLE)["images"][..., 0]
    with tempfile.TemporaryDirectory() as scratch:
        folders = {}
        parts = {"train": images[:num_images], "others": images[num_images : num_images + 5000]}
        for name, part in parts.items():
            folders[name] = pathlib.Path(scratch) / name
            folders[name].mkdir()
            for i, image in enumerate(part):
                PIL.Image.fromarray(image).save(folders[name] / f"{i}.png")
        train = [sys.executable, "-m", "trainers", f"--dataset={folders['train']}"]
        train += ["--steps=10000000"]
        started = {
            name: subprocess.Popen(
                [*train, *flags, f"--workdir={scratch}/{name}"], stdout=subprocess.DEVNULL
            )
            for name, flags in runs.items()
        }
        cores = sorted(os.sched_getaffinity(0))
        for core, run in zip(cores, started.values(), strict=False):
            os.sched_setaffinity(run.pid, {core})
        time.sleep(60 * minutes)
        for run in started.values():
            run.send_signal(signal.SIGTERM)
        for name, run in started.items():
            run.wait()
            print(f"{name}, {minutes:g} minutes:", flush=True)
            command = [sys.executable, "-m", "trainers.evaluate", f"--run={scratch}/{name}"]
            command += [f"--dataset={folders['others']}", "--num_images=5000"]
            command += ["--network=mobilenet_v2", "--metrics=kid,recall,coverage"]
            subprocess.run(command, check=True)
