"""Makes runs.json: records of DCGAN runs, healthy ones and ones made ill on purpose.

    python tests/trainers/report/make_runs.py        # about fifteen minutes on two CPU cores

The game is the library's own, by plain `fit`; the records are written here, and not by the code
that reports them.
"""

import json
import math
from pathlib import Path

import keras
import numpy as np

import zoo
from trainers import data
from trainers.report.diagnosis import variety

TARGET = Path(__file__).with_name("runs.json")
BATCH = 64
ADAM = 2e-4

# Learning rates of G and D, steps, and whether the run begins from the pretrained weights.
RUNS = {
    "healthy": (ADAM, ADAM, 300, False),
    "healthy, longer": (ADAM, ADAM, 1200, False),
    "healthy, trained on": (ADAM, ADAM, 120, True),
    "d 100 times too high": (ADAM, 100 * ADAM, 160, False),
    "both 250 times too high": (250 * ADAM, 250 * ADAM, 160, False),
    "g does not move": (0.0, ADAM, 160, False),
    "d does not move": (ADAM, 0.0, 160, False),
    "neither moves": (0.0, 0.0, 120, False),
    "g 10 times too high, d 10 times too low": (10 * ADAM, ADAM / 10, 180, True),
    "sgd at 30": (30.0, 30.0, 60, False),
}


class Record(keras.callbacks.Callback):
    """Collects the records of one run and stops it at the first value that is not finite."""

    def __init__(self, real: np.ndarray, steps: int) -> None:
        super().__init__()
        self.real, self.steps = real, steps
        self.log_every, self.sample_every = max(10, steps // 60), max(20, steps // 30)
        self.history, self.samples = [], []
        self.events = [{"step": 0, "event": "started", "message": f"step 0 to {steps}"}]

    def on_train_begin(self, logs=None):
        self.draw(0)

    def on_train_batch_end(self, batch, logs=None):
        step = batch + 1
        broken = [name for name, value in logs.items() if not math.isfinite(value)]
        if step % self.log_every == 0 or broken:
            values = {k: float(f"{v:.4g}") if math.isfinite(v) else None for k, v in logs.items()}
            self.history.append({"step": step, "kimg": step * BATCH / 1000, **values})
            self.model.reset_metrics()
        if broken:
            message = f"{broken[0]} is nan at step {step}."
            self.events.append({"step": step, "event": "diverged", "message": message})
            self.model.stop_training = True
        elif step % self.sample_every == 0:
            self.draw(step)
        if step == self.steps:
            self.events.append({"step": step, "event": "finished", "message": f"step {step}"})

    def draw(self, step):
        self.samples.append({"step": step, **variety(self.model.generate(64, seed=0), self.real)})


def run(g_rate: float, d_rate: float, steps: int, pretrained: bool) -> Record:
    keras.utils.set_random_seed(0)
    gan = zoo.load("dcgan_fashion_mnist", load_weights=pretrained)
    make = keras.optimizers.SGD if g_rate > 1 else lambda r: keras.optimizers.Adam(r, beta_1=0.5)
    gan.compile(make(g_rate), make(d_rate))
    images = data.load("sample:fashion_mnist", resolution=28, channels=1)
    real = np.stack([image for image, _ in images.images.take(256).as_numpy_iterator()])
    record = Record(real, steps)
    batches = data.batches(images, BATCH, seed=0)
    gan.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[record])
    return record


def columns(records: list[dict]) -> dict[str, list]:
    return {name: [record[name] for record in records] for name in records[0]}


if __name__ == "__main__":
    runs = {}
    for name, arguments in RUNS.items():
        record = run(*arguments)
        runs[name] = {
            "history": columns(record.history),
            "samples": columns(record.samples),
            "events": record.events,
        }
        print(name, record.history[-1], flush=True)
        lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in runs.items())
        TARGET.write_text("{\n" + lines + "\n}\n", encoding="utf-8")
