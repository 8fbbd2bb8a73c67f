"""CycleGAN at 64 px: the paper's width, six blocks, patches of 70, batch 1, pools and identity.

PyTorch's side is written as functions of lists of weights, in the order in which ours has them.
Both sides send images that one network sees at the same time through it together.
"""

import itertools
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

BATCH, SIZE, CHANNELS, CYCLE = 1, 64, 3, 1
# Of gradients by their norms: units that rounding takes across a kink move them that far.
TOLERANCE = 1e-2
WIDTH, BLOCKS = 64, 6
CYCLE_WEIGHT, IDENTITY, POOL = 10.0, 0.5, 50
DIRECTIONS = ("a_to_b", "b_to_a")
DOMAINS = ("a", "b")


def batches(count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Photographs: f32 [count, size, 64, 64, 3] in [-1, 1] of each domain, no image twice.

    Drawings would not do: where they are even, features stand at ReLU's kink, and rounding decides
    on which side.
    """
    from trainers.data import bundled

    tiles = bundled.read_arrays("photo_tiles", "train")["images"][:, :SIZE, :SIZE]
    tiles = tiles[: 2 * count * size].astype(np.float32) / 127.5 - 1.0
    shape = (count, size, SIZE, SIZE, CHANNELS)
    return tiles[::2].reshape(shape), tiles[1::2].reshape(shape)


# ---- ours


def build() -> Any:
    import keras

    import zoo

    keras.utils.set_random_seed(0)
    gan = zoo.CycleGAN(
        resolution=SIZE,
        width=WIDTH,
        blocks=BLOCKS,
        cycle=CYCLE_WEIGHT,
        identity=IDENTITY,
        pool=POOL,
    )
    gan.compile()
    return gan


def networks(gan: Any) -> dict[str, Any]:
    return {
        **{name: gan.generator.get_layer(f"generator_{name}") for name in DIRECTIONS},
        **{name: gan.discriminator.get_layer(f"discriminator_{name}") for name in DOMAINS},
    }


def reference(gan: Any, real: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    """One step's losses and gradients, without the pools, which draw."""
    import tensorflow as tf

    found = networks(gan)
    saved = {}
    for name, network in found.items():
        for i, variable in enumerate(network.trainable_variables):
            saved[f"{name}:{i}"] = variable.numpy()

    def least(logits: Any, target: float) -> Any:
        return tf.reduce_mean(tf.square(logits - target))

    def distance(x: Any, y: Any) -> Any:
        return tf.reduce_mean(tf.abs(x - y))

    g, f, d_a, d_b = (found[name] for name in (*DIRECTIONS, *DOMAINS))
    a, b = map(tf.constant, real)
    with tf.GradientTape(persistent=True) as tape:
        fake_b, fake_a = g(a, training=True), f(b, training=True)
        g_loss = least(d_b(fake_b), 1.0) + least(d_a(fake_a), 1.0)
        g_loss += CYCLE_WEIGHT * (distance(f(fake_b), a) + distance(g(fake_a), b))
        g_loss += CYCLE_WEIGHT * IDENTITY * (distance(g(b), b) + distance(f(a), a))
        judged_a, judged_b = tf.stop_gradient(fake_a), tf.stop_gradient(fake_b)
        d_loss = least(d_a(a), 1.0) + least(d_a(judged_a), 0.0)
        d_loss = 0.5 * (d_loss + least(d_b(b), 1.0) + least(d_b(judged_b), 0.0))
    saved |= {"fake_a": fake_a.numpy(), "fake_b": fake_b.numpy()}
    for name, network in found.items():
        loss = g_loss if name in DIRECTIONS else d_loss
        gradients = tape.gradient(loss, [v.value for v in network.trainable_variables])
        for i, gradient in enumerate(gradients):
            saved[f"gradient {name}:{i}"] = tf.convert_to_tensor(gradient).numpy()
    return saved


# ---- the twin


def to_torch_layout(array: np.ndarray) -> np.ndarray:
    """Kernels [h, w, in, out] -> [out, in, h, w]; of transposed ones [h, w, out, in] likewise."""
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array


def normalised(x: Any) -> Any:
    from torch.nn import functional as f

    return f.instance_norm(x)


def translate(weights: list[Any], x: Any) -> Any:
    """G of one direction: [N, C, H, W] -> the same."""
    from torch.nn import functional as f

    left: Iterator[Any] = iter(weights)

    def reflected(x: Any, pad: int) -> Any:
        return f.conv2d(f.pad(x, [pad] * 4, "reflect"), next(left), next(left))

    x = f.relu(normalised(reflected(x, 3)))
    for _ in range(2):
        x = f.conv2d(f.pad(x, [0, 1, 0, 1]), next(left), next(left), stride=2)
        x = f.relu(normalised(x))
    for _ in range(BLOCKS):
        y = f.relu(normalised(reflected(x, 1)))
        x = x + normalised(reflected(y, 1))
    for _ in range(2):
        height, width = (2 * side for side in x.shape[2:])
        x = f.conv_transpose2d(x, next(left), next(left), stride=2)[:, :, :height, :width]
        x = f.relu(normalised(x))
    return reflected(x, 3).tanh()


def judge(weights: list[Any], x: Any) -> Any:
    """D of one domain, patches of 70: logits [N, 1, h, w]."""
    from torch.nn import functional as f

    layers = list(zip(weights[::2], weights[1::2], strict=True))
    for i, (kernel, bias) in enumerate(layers):
        x = f.conv2d(x, kernel, bias, stride=2 if i < len(layers) - 2 else 1, padding=1)
        if 0 < i < len(layers) - 1:
            x = normalised(x)
        if i < len(layers) - 1:
            x = f.leaky_relu(x, 0.2)
    return x


def together(network: Any, weights: list[Any], *images: Any) -> tuple[Any, ...]:
    import torch

    return network(weights, torch.cat(images)).chunk(len(images))


def least(logits: Any, target: float) -> Any:
    return (logits - target).square().mean()


def game_of_generators(p: dict[str, list[Any]], a: Any, b: Any) -> tuple[Any, Any, Any]:
    """(loss, fake a, fake b)."""
    g, f = p["a_to_b"], p["b_to_a"]
    fake_b, same_b = together(translate, g, a, b)
    fake_a, same_a = together(translate, f, b, a)
    loss = least(judge(p["b"], fake_b), 1.0) + least(judge(p["a"], fake_a), 1.0)
    cycle = (translate(f, fake_b) - a).abs().mean() + (translate(g, fake_a) - b).abs().mean()
    identity = (same_b - b).abs().mean() + (same_a - a).abs().mean()
    return loss + CYCLE_WEIGHT * (cycle + IDENTITY * identity), fake_a, fake_b


def game_of_discriminators(
    p: dict[str, list[Any]], real: tuple[Any, Any], fake: tuple[Any, Any]
) -> Any:
    loss = 0.0
    for domain, images, made in zip(DOMAINS, real, fake, strict=True):
        real_logits, fake_logits = together(judge, p[domain], images, made)
        loss = loss + 0.5 * (least(real_logits, 1.0) + least(fake_logits, 0.0))
    return loss


def gradients_of(p: dict[str, list[Any]], loss: Any, names: tuple[str, str]) -> list[list[Any]]:
    import torch

    first, second = (p[name] for name in names)
    found = torch.autograd.grad(loss, [*first, *second])
    return [list(found[: len(first)]), list(found[len(first) :])]


def check(saved: Any, real: tuple[np.ndarray, np.ndarray]) -> float:
    """The largest difference; of gradients that of their norms, as a share."""
    import torch

    p: dict[str, list[Any]] = {}
    for name in (*DIRECTIONS, *DOMAINS):
        count = sum(key.startswith(f"{name}:") for key in saved)
        arrays = [to_torch_layout(saved[f"{name}:{i}"]) for i in range(count)]
        p[name] = [torch.tensor(array.copy(), requires_grad=True) for array in arrays]
    a, b = (torch.tensor(images.transpose(0, 3, 1, 2).copy()) for images in real)
    g_loss, fake_a, fake_b = game_of_generators(p, a, b)
    d_loss = game_of_discriminators(p, (a, b), (fake_a.detach(), fake_b.detach()))
    differences = [
        np.abs(fake.detach().numpy().transpose(0, 2, 3, 1) - saved[name]).max()
        for name, fake in (("fake_a", fake_a), ("fake_b", fake_b))
    ]
    for loss, names in ((g_loss, DIRECTIONS), (d_loss, DOMAINS)):
        for name, gradients in zip(names, gradients_of(p, loss, names), strict=True):
            expected = [
                to_torch_layout(saved[f"gradient {name}:{i}"]) for i in range(len(gradients))
            ]
            # A bias before a normalisation has a gradient of 0, but for rounding.
            floor = max(map(np.linalg.norm, expected)) / 100
            for gradient, array in zip(gradients, expected, strict=True):
                size = max(np.linalg.norm(array), floor)
                differences.append(np.linalg.norm(gradient.numpy() - array) / size)
    return float(max(differences))


class Pool:
    """Hands out an earlier image in place of half of the new ones."""

    def __init__(self) -> None:
        self.images: list[Any] = []

    def __call__(self, images: Any) -> Any:
        import torch

        handed_out = []
        for image in images.detach():
            if len(self.images) < POOL:
                self.images.append(image)
            elif random.random() < 0.5:
                slot = random.randrange(POOL)
                image, self.images[slot] = self.images[slot], image
            handed_out.append(image)
        return torch.stack(handed_out)


class Twin:
    def __init__(self, layout: str, batch: int) -> None:
        import torch

        memory = getattr(torch, f"{layout}_format" if layout == "contiguous" else layout)

        def weights(shapes: list[tuple[int, ...]]) -> list[Any]:
            made = []
            for shape, features in shapes:
                kernel = (0.02 * torch.randn(shape)).contiguous(memory_format=memory)
                made += [kernel.requires_grad_(), torch.zeros(features, requires_grad=True)]
            return made

        self.p = {name: weights(shapes_of_generator()) for name in DIRECTIONS}
        self.p |= {name: weights(shapes_of_discriminator()) for name in DOMAINS}
        self.optimizers = [
            torch.optim.Adam([w for name in names for w in self.p[name]], 2e-4, (0.5, 0.999), 1e-7)
            for names in (DIRECTIONS, DOMAINS)
        ]
        self.average = [w.detach().clone() for name in DIRECTIONS for w in self.p[name]]
        self.pools = Pool(), Pool()

    def update(self, loss: Any, names: tuple[str, str], optimizer: Any) -> None:
        for name, gradients in zip(names, gradients_of(self.p, loss, names), strict=True):
            for weight, gradient in zip(self.p[name], gradients, strict=True):
                weight.grad = gradient
        optimizer.step()

    def step(self, real: tuple[Any, Any]) -> None:
        import torch

        loss, *fake = game_of_generators(self.p, *real)
        self.update(loss, DIRECTIONS, self.optimizers[0])
        judged = tuple(pool(images) for pool, images in zip(self.pools, fake, strict=True))
        self.update(game_of_discriminators(self.p, real, judged), DOMAINS, self.optimizers[1])
        with torch.no_grad():
            weights = [w for name in DIRECTIONS for w in self.p[name]]
            torch._foreach_lerp_(self.average, weights, 0.001)


def shapes_of_generator() -> list[tuple[tuple[int, ...], int]]:
    """(kernel in PyTorch's layout, biases) of each convolution."""
    narrow, middle, wide = WIDTH, 2 * WIDTH, 4 * WIDTH
    down = [(narrow, CHANNELS, 7), (middle, narrow, 3), (wide, middle, 3)]
    down += [(wide, wide, 3)] * (2 * BLOCKS)
    shapes = [((out, into, size, size), out) for out, into, size in down]
    shapes += [((into, out, 3, 3), out) for into, out in ((wide, middle), (middle, narrow))]
    return [*shapes, ((CHANNELS, narrow, 7, 7), CHANNELS)]


def shapes_of_discriminator() -> list[tuple[tuple[int, ...], int]]:
    features = [CHANNELS, WIDTH, 2 * WIDTH, 4 * WIDTH, 8 * WIDTH, 1]
    return [((b, a, 4, 4), b) for a, b in itertools.pairwise(features)]
