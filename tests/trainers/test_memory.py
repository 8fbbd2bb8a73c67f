"""A long run needs no more memory at its end than at its beginning."""

import subprocess
import sys

import pytest

# A small model: what leaks, leaks by the step, the grid or the checkpoint, not by the weight.
SCRIPT = """
import sys
from zoo.core.commands import quiet_tensorflow
quiet_tensorflow()
import keras
from trainers import callbacks, loop, run
from zoo.core import presets

presets.registry()["tiny"] = presets.Preset(
    "tiny", "dcgan",
    dict(resolution=28, channels=1, latent_dim=8, width=4, architecture="small"), "", {})

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

class Memory(callbacks.Progress):
    def on_step(self, step, logs):
        if step % 500 == 0:
            print("resident", step, resident(), flush=True)

callbacks.Progress = Memory
loop.train(run.Run(
    preset="tiny", dataset="sample:fashion_mnist", workdir=sys.argv[1], steps=5000, batch_size=8,
    checkpoint_every=500, sample_every=250, log_every=50))
"""


@pytest.mark.slow
def test_memory_stays_flat_over_steps_grids_and_checkpoints(tmp_path) -> None:
    """5,000 steps, 20 grids, 10 checkpoints: less than 2 % more after the first 500 steps."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "W")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("resident")]
    resident = {int(step): int(size) for _, step, size in lines}
    print({step: f"{size / 1e6:.0f} MB" for step, size in resident.items()})
    assert sorted(resident) == list(range(500, 5001, 500))
    assert resident[5000] < 1.02 * resident[500]
