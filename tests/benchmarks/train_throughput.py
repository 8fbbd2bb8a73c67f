"""Training throughput beside PyTorch: python tests/benchmarks/train_throughput.py

Trains the 28x28 DCGAN with `fit` and, in its own process on the same cores, the same networks,
step, optimizers and batch in PyTorch (pip install -e '.[bench]'; the CPU build suffices). The twin
is held to be the same first: from copied weights, outputs and gradients agree within 1e-4. The two
take turns, in both of PyTorch's memory formats. A throughput is the batch over the median time of
all steps of all turns: a neighbour that takes the machine for some of them does not move it. The
last line is JSON with the throughputs and `ratio`, ours over PyTorch's faster format.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

PRESET = "dcgan_fashion_mnist"
FORMATS = ("contiguous", "channels_last")
WARM_UP = 3


def batches(count: int, size: int) -> np.ndarray:
    """Real images, f32 [count, size, 28, 28, 1] in [-1, 1]."""
    from trainers.data import bundled

    images = bundled.read("fashion_mnist", "train")[0][: count * size]
    return (images.astype(np.float32) / 127.5 - 1.0).reshape(count, size, 28, 28, 1)


# ---- ours


def keras_reference(path: str) -> None:
    """Saves weights, latents, images, outputs and first gradients for the twin to meet."""
    import tensorflow as tf

    import zoo
    from zoo import losses

    gan = zoo.load(PRESET, load_weights=False)
    rng = np.random.default_rng(0)
    latents = rng.uniform(-1, 1, (16, 100)).astype(np.float32)
    real = batches(1, 16)[0]
    g_variables = gan.generator.trainable_variables
    d_variables = gan.discriminator.trainable_variables
    saved = {f"g{i}": v.numpy() for i, v in enumerate(g_variables)}
    saved |= {f"d{i}": v.numpy() for i, v in enumerate(d_variables)}
    with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
        fakes = gan.generator(latents, training=True)
        real_logits = gan.discriminator(real, training=True)
        fake_logits = gan.discriminator(fakes, training=True)
        d_loss = losses.minimax_discriminator(real_logits, fake_logits)
        g_loss = losses.non_saturating_generator(fake_logits)
    g_gradients = g_tape.gradient(g_loss, g_variables)
    d_gradients = d_tape.gradient(d_loss, d_variables)
    saved |= {f"g_gradient{i}": g.numpy() for i, g in enumerate(g_gradients)}
    saved |= {f"d_gradient{i}": g.numpy() for i, g in enumerate(d_gradients)}
    np.savez(
        path,
        latents=latents,
        real=real,
        fakes=fakes.numpy(),
        real_logits=real_logits.numpy(),
        fake_logits=fake_logits.numpy(),
        **saved,
    )


def keras_worker(steps: int, size: int) -> None:
    """For each line on stdin: `steps` steps of `fit`; prints the seconds of each."""
    import keras
    import tensorflow as tf

    import zoo

    gan = zoo.load(PRESET, load_weights=False)
    gan.compile()
    data = tf.data.Dataset.from_tensor_slices(batches(8, size)).repeat().prefetch(2)

    class Clock(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.times = []

        def on_train_batch_end(self, batch, logs=None):
            self.times.append(time.perf_counter())

    clock = Clock()

    def measure() -> list[float]:
        gan.fit(data, steps_per_epoch=WARM_UP + steps, verbose=0, shuffle=False, callbacks=[clock])
        return np.diff(clock.times[WARM_UP - 1 :]).tolist()

    answer(measure)


# ---- the twin


def torch_networks():
    import torch
    from torch import nn

    class SamePadTranspose(nn.Module):
        """TensorFlow's SAME transposed convolution, stride 1 or 2, kernel 5."""

        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.stride = stride
            # Stride 2 pads (1, 2) in TensorFlow: computed with 1 and 1 output row more, cut below.
            self.conv = nn.ConvTranspose2d(
                inputs, outputs, 5, stride, padding=2 if stride == 1 else 1, bias=False
            )

        def forward(self, x):
            y = self.conv(x)
            return y if self.stride == 1 else y[:, :, : 2 * x.shape[2], : 2 * x.shape[3]]

    class SamePadConv(nn.Module):
        """TensorFlow's SAME convolution of stride 2 and kernel 5 on even sizes: pads (1, 2)."""

        def __init__(self, inputs, outputs):
            super().__init__()
            self.conv = nn.Conv2d(inputs, outputs, 5, 2)

        def forward(self, x):
            return self.conv(nn.functional.pad(x, (1, 2, 1, 2)))

    class Generator(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense = nn.Linear(100, 12544, bias=False)
            self.norm0 = nn.BatchNorm1d(12544)
            self.up1, self.norm1 = SamePadTranspose(256, 128, 1), nn.BatchNorm2d(128)
            self.up2, self.norm2 = SamePadTranspose(128, 64, 2), nn.BatchNorm2d(64)
            self.up3 = SamePadTranspose(64, 1, 2)

        def forward(self, z):
            x = torch.relu(self.norm0(self.dense(z)))
            x = x.view(-1, 7, 7, 256).permute(0, 3, 1, 2)
            x = torch.relu(self.norm1(self.up1(x)))
            x = torch.relu(self.norm2(self.up2(x)))
            return torch.tanh(self.up3(x))

    class Discriminator(nn.Module):
        def __init__(self):
            super().__init__()
            self.down1, self.down2 = SamePadConv(1, 64), SamePadConv(64, 128)
            self.dense = nn.Linear(6272, 1)

        def forward(self, x):
            x = nn.functional.leaky_relu(self.down1(x), 0.2)
            x = nn.functional.leaky_relu(self.down2(x), 0.2)
            return self.dense(x.permute(0, 2, 3, 1).flatten(1))

    return Generator(), Discriminator()


def torch_losses(g, d, latents, real):
    from torch.nn.functional import softplus

    fakes = g(latents)
    real_logits, fake_logits = d(real), d(fakes)
    d_loss = softplus(-real_logits).mean() + softplus(fake_logits).mean()
    g_loss = softplus(-fake_logits).mean()
    return fakes, real_logits, fake_logits, d_loss, g_loss


def to_torch_layout(array: np.ndarray) -> np.ndarray:
    """Keras kernels [h, w, a, b] -> [b, a, h, w] (both kinds of convolution); dense transposed."""
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    return array.T if array.ndim == 2 else array


def torch_check(reference) -> float:
    """Largest difference of outputs and gradients from the Keras reference."""
    import torch

    g, d = torch_networks()
    for network, key in ((g, "g"), (d, "d")):
        for i, parameter in enumerate(network.parameters()):
            value = torch.tensor(to_torch_layout(reference[f"{key}{i}"]).copy())
            assert value.shape == parameter.shape, (key, i, value.shape, parameter.shape)
            parameter.data = value
    latents = torch.tensor(reference["latents"])
    real = torch.tensor(reference["real"].transpose(0, 3, 1, 2).copy())
    fakes, real_logits, fake_logits, d_loss, g_loss = torch_losses(g, d, latents, real)
    pairs = [
        (fakes.detach().numpy().transpose(0, 2, 3, 1), reference["fakes"]),
        (real_logits.detach().numpy(), reference["real_logits"]),
        (fake_logits.detach().numpy(), reference["fake_logits"]),
    ]
    for network, loss, key in ((g, g_loss, "g"), (d, d_loss, "d")):
        gradients = torch.autograd.grad(loss, list(network.parameters()), retain_graph=True)
        pairs += [
            (gradient.numpy(), to_torch_layout(reference[f"{key}_gradient{i}"]))
            for i, gradient in enumerate(gradients)
        ]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def torch_worker(steps: int, size: int, layout: str, reference_path: str) -> None:
    """Checks the twin, then as `keras_worker`."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    difference = torch_check(np.load(reference_path))
    print(f"twin {difference:.2e}", flush=True)
    g, d = torch_networks()
    memory = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    g, d = g.to(memory_format=memory), d.to(memory_format=memory)
    average = [p.detach().clone() for p in (*g.parameters(), *g.buffers()) if p.is_floating_point()]
    optimizers = [torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999), 1e-7) for n in (g, d)]
    data = [
        torch.tensor(b.transpose(0, 3, 1, 2).copy()).contiguous(memory_format=memory)
        for b in batches(8, size)
    ]

    def step(real) -> None:
        latents = torch.rand(size, 100) * 2 - 1
        _, _, _, d_loss, g_loss = torch_losses(g, d, latents, real)
        # Both updates from one forward pass, as ours.
        g_gradients = torch.autograd.grad(g_loss, list(g.parameters()), retain_graph=True)
        d_gradients = torch.autograd.grad(d_loss, list(d.parameters()))
        for network, gradients, optimizer in zip(
            (g, d), (g_gradients, d_gradients), optimizers, strict=True
        ):
            for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                parameter.grad = gradient
            optimizer.step()
        with torch.no_grad():
            current = [p for p in (*g.parameters(), *g.buffers()) if p.is_floating_point()]
            torch._foreach_lerp_(average, current, 0.001)

    def measure() -> list[float]:
        times = []
        for i in range(WARM_UP + steps):
            step(data[i % 8])
            times.append(time.perf_counter())
        return np.diff(times[WARM_UP - 1 :]).tolist()

    answer(measure)


# ---- both


def answer(measure) -> None:
    """One measurement for each line on stdin."""
    for _ in sys.stdin:
        print(json.dumps(measure()), flush=True)


class Worker:
    """This script in a process of its own, asleep until it is asked."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        )

    def line(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("error: a worker ended; its message stands above")
        return line

    def measure(self) -> list[float]:
        """Seconds of each step of one turn."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.line())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=8, help="timed steps of a turn")
    parser.add_argument("--turns", type=int, default=5, help="turns of each")
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        kind, *rest = args.worker
        if kind == "reference":
            keras_reference(*rest)
        elif kind == "keras":
            keras_worker(args.steps, args.batch_size)
        else:
            torch_worker(args.steps, args.batch_size, *rest)
        return

    sizes = [f"--steps={args.steps}", f"--batch_size={args.batch_size}"]
    with tempfile.TemporaryDirectory() as scratch:
        reference = str(pathlib.Path(scratch) / "reference.npz")
        Worker("--worker", "reference", reference).process.wait()
        workers = {"keras": Worker(*sizes, "--worker", "keras")}
        for layout in FORMATS:
            workers[layout] = Worker(*sizes, "--worker", "torch", layout, reference)
            difference = float(workers[layout].line().split()[1])
            print(f"{layout}: outputs and gradients within {difference:.1e} of ours", flush=True)
            if difference > 1e-4:
                raise SystemExit("error: the twin must agree within 1e-4; it is not the same game")
        seconds = {name: [] for name in workers}
        for turn in range(args.turns):
            speeds = []
            for name, worker in workers.items():
                times = worker.measure()
                seconds[name] += times
                speeds.append(f"{name} {args.batch_size / statistics.median(times):.0f}")
            print(f"turn {turn + 1}: {', '.join(speeds)} images/s", flush=True)
        for worker in workers.values():
            worker.close()
    speed = {name: args.batch_size / statistics.median(times) for name, times in seconds.items()}
    best = max(FORMATS, key=speed.get)
    print(
        json.dumps(
            {
                "batch_size": args.batch_size,
                "images_per_s": {name: round(value, 1) for name, value in speed.items()},
                "pytorch_faster_format": best,
                "ratio": round(speed["keras"] / speed[best], 3),
            }
        )
    )


if __name__ == "__main__":
    main()
