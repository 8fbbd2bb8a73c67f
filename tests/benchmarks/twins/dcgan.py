"""DCGAN's small networks at 28 px."""

from typing import Any

import numpy as np

BATCH, SIZE, CHANNELS, CYCLE = 256, 28, 1, 1
TOLERANCE = 1e-4
PRESET = "dcgan_fashion_mnist"


# ---- ours


def build() -> Any:
    import zoo

    gan = zoo.load(PRESET, load_weights=False)
    gan.compile()
    return gan


def reference(gan: Any, real: np.ndarray) -> dict[str, np.ndarray]:
    import tensorflow as tf

    from zoo.nn import losses

    latents = np.random.default_rng(0).uniform(-1, 1, (len(real), 100)).astype(np.float32)
    g_variables = gan.generator.trainable_variables
    d_variables = gan.discriminator.trainable_variables
    with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
        fakes = gan.generator(latents, training=True)
        real_logits = gan.discriminator(real, training=True)
        fake_logits = gan.discriminator(fakes, training=True)
        d_loss = losses.minimax_discriminator(real_logits, fake_logits)
        g_loss = losses.non_saturating_generator(fake_logits)
    saved = {}
    for key, variables, gradients in (
        ("g", g_variables, g_tape.gradient(g_loss, g_variables)),
        ("d", d_variables, d_tape.gradient(d_loss, d_variables)),
    ):
        for i, (variable, gradient) in enumerate(zip(variables, gradients, strict=True)):
            saved[f"{key}{i}"] = variable.numpy()
            saved[f"{key}_gradient{i}"] = gradient.numpy()
    outputs = {"fakes": fakes, "real_logits": real_logits, "fake_logits": fake_logits}
    return saved | {name: value.numpy() for name, value in outputs.items()} | {"latents": latents}


# ---- the twin


def networks():
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


def losses_of(g, d, latents, real):
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


def check(saved, real) -> float:
    import torch

    g, d = networks()
    for network, key in ((g, "g"), (d, "d")):
        for i, parameter in enumerate(network.parameters()):
            value = torch.tensor(to_torch_layout(saved[f"{key}{i}"]).copy())
            assert value.shape == parameter.shape, (key, i, value.shape, parameter.shape)
            parameter.data = value
    latents = torch.tensor(saved["latents"])
    real = torch.tensor(real.transpose(0, 3, 1, 2).copy())
    fakes, real_logits, fake_logits, d_loss, g_loss = losses_of(g, d, latents, real)
    pairs = [
        (fakes.detach().numpy().transpose(0, 2, 3, 1), saved["fakes"]),
        (real_logits.detach().numpy(), saved["real_logits"]),
        (fake_logits.detach().numpy(), saved["fake_logits"]),
    ]
    for network, loss, key in ((g, g_loss, "g"), (d, d_loss, "d")):
        gradients = torch.autograd.grad(loss, list(network.parameters()), retain_graph=True)
        pairs += [
            (gradient.numpy(), to_torch_layout(saved[f"{key}_gradient{i}"]))
            for i, gradient in enumerate(gradients)
        ]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


class Twin:
    def __init__(self, layout: str, batch: int) -> None:
        import torch

        self.batch = batch
        memory = getattr(torch, f"{layout}_format" if layout == "contiguous" else layout)
        self.g, self.d = (network.to(memory_format=memory) for network in networks())
        self.average = [v.detach().clone() for v in self._averaged()]
        self.optimizers = [
            torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999), 1e-7) for n in (self.g, self.d)
        ]

    def _averaged(self):
        g = self.g
        return [v for v in (*g.parameters(), *g.buffers()) if v.is_floating_point()]

    def step(self, real) -> None:
        import torch

        latents = torch.rand(self.batch, 100) * 2 - 1
        _, _, _, d_loss, g_loss = losses_of(self.g, self.d, latents, real)
        # Both updates from one forward pass, as ours.
        g_gradients = torch.autograd.grad(g_loss, list(self.g.parameters()), retain_graph=True)
        d_gradients = torch.autograd.grad(d_loss, list(self.d.parameters()))
        for network, gradients, optimizer in zip(
            (self.g, self.d), (g_gradients, d_gradients), self.optimizers, strict=True
        ):
            for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                parameter.grad = gradient
            optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self._averaged(), 0.001)
