"""50,000 images need no more memory than 5,000: the peaks of two processes that do the same work.

Ten minutes of processor time.
"""

import json
import pathlib
import subprocess
import sys

import pytest

# To take minutes and not hours, the network sees 32 pixels, its least, and 256 of its features are
# used. Held in memory, these would be 51 MB a side.
SCRIPT = """
import dataclasses, json, sys, threading, time
import numpy as np
from trainers import data
from trainers.metrics import fakes
from trainers.metrics.comparison import Evaluator
from trainers.metrics.extractor import Features

class Narrow(Features):
    dimension = 256

    def stream(self, batches):
        for seen in super().stream(batches):
            yield seen._replace(features=seen.features[:, :256])

class Noise:
    image_shape = (28, 28, 1)

    def generate(self, n, *, seed):
        return np.random.default_rng(seed).integers(0, 256, (n, 28, 28, 1), np.uint8)

peak = 0

def watch():  # not what is mapped from files, which the system takes back at need
    global peak
    while True:
        with open("/proc/self/status") as status:
            (line,) = (line for line in status if line.startswith("RssAnon"))
        peak = max(peak, int(line.split()[1]) / 1024)
        time.sleep(0.05)

threading.Thread(target=watch, daemon=True).start()
count, cache = int(sys.argv[1]), sys.argv[2]
sample = data.load("sample:fashion_mnist", resolution=28, channels=1)
real = dataclasses.replace(sample, images=sample.images.repeat().take(count), count=count)
metrics = ["fid", "kid", "precision", "recall", "density", "coverage"]
evaluator = Evaluator(real, metrics, num_images=count, features=Narrow(32), cache_folder=cache)
record = evaluator.record(fakes.from_gan(Noise(), count, 0))
print(json.dumps({"peak": peak, "num_real": record["num_real"], "num_fake": record["num_fake"]}))
"""
ROOT = pathlib.Path(__file__).parents[3]


def peak_mb(count: int, cache: pathlib.Path) -> float:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(count), str(cache)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["num_real"], result["num_fake"]) == (count, count)
    return result["peak"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_images(tmp_path):
    few, many = (peak_mb(count, tmp_path) for count in (5_000, 50_000))  # both fill the blocks
    print(f"peak {few:.0f} MB for 5,000 images, {many:.0f} MB for 50,000")
    assert many < few + 45  # one side's features more, and it would be above
