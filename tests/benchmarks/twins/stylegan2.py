"""StyleGAN2, narrow, at 32 px, with the paper's R1 and path length at their intervals.

PyTorch's side is written as functions of a flat dict of weights, under the names that `named` gives
ours. Both scale activations in place of weights, filter by depthwise convolutions, and take both
updates from one forward pass.
"""

import math
from typing import Any

import numpy as np

BATCH, SIZE, CHANNELS, CYCLE = 64, 32, 1, 16
# Of gradients by their norms: units that rounding takes across LeakyReLU's kink move them that far.
TOLERANCE = 2e-3
WIDTH, MAPPING = 128, 2
MAPS = {32: 32, 16: 64, 8: 128, 4: 128}
GROUP = 4
R1, R1_EVERY, PATH, PATH_EVERY, RATE = 10.0, 16, 2.0, 4, 0.002
HALF_LIFE = 10_000
ROOT2 = math.sqrt(2.0)


# ---- ours


def build() -> Any:
    import keras

    import zoo

    keras.utils.set_random_seed(0)
    gan = zoo.StyleGAN2(
        resolution=SIZE,
        channels=CHANNELS,
        latent_dim=WIDTH,
        fmap_base=512,
        fmap_max=128,
        mapping_layers=MAPPING,
    )
    gan.compile()
    return gan


def named(gan: Any) -> dict[str, tuple[str, Any]]:
    """Name -> the network ("g" or "d") and the variable of each trainable weight."""
    found = {}
    mapping, synthesis = (gan.generator.get_layer(n) for n in ("mapping", "synthesis"))

    def put(name: str, network: Any, layer: str, variable: str) -> None:
        of = "d" if network is gan.discriminator else "g"
        found[name] = (of, getattr(network.get_layer(layer), variable))

    for i in range(MAPPING):
        put(f"map{i}.w", mapping, f"dense{i}", "kernel")
        put(f"map{i}.b", mapping, f"dense{i}_bias", "bias")
    put("constant", synthesis, "4_constant", "constant")
    for size in (4, 8, 16, 32):
        for part in ("conv0", "conv1", "rgb"):
            if (size, part) == (4, "conv0"):
                continue
            name, layer = f"{size}.{part}", f"{size}_{'to_rgb' if part == 'rgb' else part}"
            put(f"{name}.w", synthesis, layer, "kernel")
            put(f"{name}.b", synthesis, f"{layer}_bias", "bias")
            put(f"{name}.a", synthesis, f"{layer}_style", "kernel")
            put(f"{name}.c", synthesis, f"{layer}_style", "bias")
            if part != "rgb":
                put(f"{name}.n", synthesis, f"{layer}_noise", "strength")

    d = gan.discriminator
    layers = {"from": "from_rgb", "d4": "4_conv", "full": "4_dense"}
    for size in (32, 16, 8):
        layers |= {f"d{size}.{part}": f"{size}_{part}" for part in ("conv0", "conv1")}
        put(f"d{size}.skip.w", d, f"{size}_skip", "kernel")
    for name, layer in layers.items():
        put(f"{name}.w", d, layer, "kernel")
        put(f"{name}.b", d, f"{layer}_bias", "bias")
    put("out.w", d, "4_out", "kernel")
    put("out.b", d, "4_out", "bias")
    assert len(found) == len(gan.generator.trainable_variables) + len(d.trainable_variables)
    return found


def reference(gan: Any, real: np.ndarray) -> dict[str, np.ndarray]:
    """Without noise and mixing, which are draws."""
    import tensorflow as tf

    from zoo.nn import losses, regularizers
    from zoo.nn.layers import without_noise

    rng = np.random.default_rng(0)
    for network in (gan.generator, gan.discriminator):
        for variable in network.trainable_variables:
            if not np.any(variable.numpy()):
                variable.assign(rng.normal(0, 0.1, variable.shape))
    latents = rng.normal(size=(len(real), WIDTH)).astype(np.float32)
    seed = tf.constant([1, 2], tf.int64)
    synthesis = gan.generator.get_layer("synthesis")
    with tf.GradientTape(persistent=True) as tape, without_noise():
        w = gan.generator.get_layer("mapping")(latents)
        w = tf.repeat(w[:, None], gan.num_layers, axis=1)
        fakes = synthesis(w, training=True)
        real_logits = gan.discriminator(real, training=True)
        fake_logits = gan.discriminator(fakes, training=True)
        terms = {
            "g_loss": losses.non_saturating_generator(fake_logits),
            "d_loss": losses.minimax_discriminator(real_logits, fake_logits),
            "path": regularizers.path_length_penalty(
                lambda w: synthesis(w, training=True), w, tf.constant(0.5), seed
            )[0],
            "r1": regularizers.r1_penalty(
                lambda x: gan.discriminator(x, training=True), tf.constant(real)
            )[0],
        }
    y = tf.random.stateless_normal(tf.shape(fakes), seed, alg="philox")
    saved = {"latents": latents, "y": y.numpy(), "fakes": fakes.numpy()}
    saved |= {"real_logits": real_logits.numpy(), "fake_logits": fake_logits.numpy()}
    for name, (network, variable) in named(gan).items():
        saved[f"{network}:{name}"] = variable.numpy()
        for term, of in zip(terms, "gdgd", strict=True):
            if of == network:
                gradient = tape.gradient(terms[term], variable.value)
                if gradient is not None:
                    saved[f"{term}:{name}"] = tf.convert_to_tensor(gradient).numpy()
    return saved


# ---- the twin


def to_torch_layout(array: np.ndarray) -> np.ndarray:
    """Kernels [h, w, in, out] -> [out, in, h, w]; the constant likewise; dense [in, out] stays."""
    if array.ndim == 4:
        return (
            array.transpose(0, 3, 1, 2)
            if array.shape[0] == 1 != array.shape[1]
            else (array.transpose(3, 2, 0, 1))
        )
    return array


def fir(channels: int, gain: float = 1.0) -> Any:
    import torch

    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return (torch.outer(taps, taps) / 64.0 * gain).repeat(channels, 1, 1, 1)


def blur(x: Any, pad: int, stride: int = 1, gain: float = 1.0) -> Any:
    from torch.nn import functional as f

    return f.conv2d(x, fir(x.shape[1], gain), stride=stride, padding=pad, groups=x.shape[1])


def dense(p: dict, x: Any, name: str, gain: float = 1.0) -> Any:
    return x @ (p[f"{name}.w"] * (gain / math.sqrt(len(x[0]))))


def lrelu(x: Any, bias: Any) -> Any:
    from torch.nn import functional as f

    bias = bias.view(1, -1, *[1] * (x.ndim - 2))
    return f.leaky_relu(x + bias, 0.2)


def mapping(p: dict, z: Any) -> Any:
    x = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
    for i in range(MAPPING):
        x = lrelu(dense(p, x, f"map{i}", 0.01 * ROOT2), p[f"map{i}.b"] * (0.01 * ROOT2))
    return x


def modulated(p: dict, x: Any, w: Any, name: str, up: bool = False, rgb: bool = False) -> Any:
    from torch.nn import functional as f

    style = w @ (p[f"{name}.a"] / math.sqrt(WIDTH)) + p[f"{name}.c"] + 1.0
    kernel = p[f"{name}.w"]
    kernel = kernel / math.sqrt(kernel[0].numel())
    x = x * style[:, :, None, None]
    if rgb:
        return f.conv2d(x, kernel)
    power = style.square() @ kernel.square().sum((2, 3)).t()
    if up:
        x = blur(f.conv_transpose2d(x, kernel.transpose(0, 1), stride=2), 1, gain=4.0)
    else:
        x = f.conv2d(x, kernel, padding=1)
    return x * (ROOT2 * (power + 1e-8).rsqrt())[:, :, None, None]


def synthesis(p: dict, w: Any, noise: bool) -> Any:
    """w [N, L, W] -> images [N, C, H, W]."""
    import torch
    from torch.nn import functional as f

    def styled(x: Any, w: Any, name: str, up: bool = False) -> Any:
        x = modulated(p, x, w, name, up)
        if noise:
            size = (len(x), 1, *x.shape[2:])
            x = x + torch.randn(size) * (p[f"{name}.n"] * ROOT2)
        return lrelu(x, p[f"{name}.b"] * ROOT2)

    def rgb(x: Any, w: Any, name: str) -> Any:
        return modulated(p, x, w, name, rgb=True) + p[f"{name}.b"].view(1, -1, 1, 1)

    x = styled(p["constant"].repeat(len(w), 1, 1, 1), w[:, 0], "4.conv1")
    images = rgb(x, w[:, 1], "4.rgb")
    for i, size in enumerate((8, 16, 32)):
        x = styled(x, w[:, 2 * i + 1], f"{size}.conv0", up=True)
        x = styled(x, w[:, 2 * i + 2], f"{size}.conv1")
        kernel = fir(images.shape[1], 4.0)
        images = f.conv_transpose2d(images, kernel, stride=2, padding=1, groups=images.shape[1])
        images = images + rgb(x, w[:, 2 * i + 3], f"{size}.rgb")
    return images


def discriminator(p: dict, x: Any) -> Any:
    import torch
    from torch.nn import functional as f

    def conv(x: Any, name: str, gain: float = ROOT2, stride: int = 1, padding: int = 1) -> Any:
        kernel = p[f"{name}.w"]
        return f.conv2d(x, kernel * (gain / math.sqrt(kernel[0].numel())), None, stride, padding)

    x = lrelu(conv(x, "from", padding=0), p["from.b"] * ROOT2)
    for size in (32, 16, 8):
        skip = conv(blur(x, 1, stride=2), f"d{size}.skip", 1 / ROOT2, padding=0)
        x = lrelu(conv(x, f"d{size}.conv0"), p[f"d{size}.conv0.b"] * ROOT2)
        x = conv(blur(x, 2), f"d{size}.conv1", 1.0, 2, 0)
        x = skip + lrelu(x, p[f"d{size}.conv1.b"])
    groups = x.reshape(-1, GROUP, *x.shape[1:])
    deviation = (groups.var(1, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    maps = deviation.repeat_interleave(GROUP).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    x = lrelu(conv(torch.cat([x, maps], 1), "d4"), p["d4.b"] * ROOT2)
    x = lrelu(dense(p, x.permute(0, 2, 3, 1).flatten(1), "full", ROOT2), p["full.b"] * ROOT2)
    return dense(p, x, "out") + p["out.b"]


def losses_of(real_logits: Any, fake_logits: Any) -> tuple[Any, Any]:
    from torch.nn.functional import softplus

    d_loss = softplus(-real_logits).mean() + softplus(fake_logits).mean()
    return softplus(-fake_logits).mean(), d_loss


def r1_penalty(p: dict, real: Any) -> Any:
    import torch

    real = real.detach().requires_grad_()
    logits = discriminator(p, real).sum()
    (gradient,) = torch.autograd.grad(logits, [real], create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def path_length_penalty(p: dict, w: Any, mean: Any, y: Any, noise: bool) -> tuple[Any, Any]:
    import torch

    images = synthesis(p, w, noise)
    y = y / math.sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad((images * y).sum(), [w], create_graph=True)
    lengths = (gradient.square().sum(2).mean(1) + 1e-12).sqrt()
    mean = mean + 0.01 * (lengths.mean() - mean)
    return (lengths - mean).square().mean(), mean.detach()


def check(saved: Any, real: np.ndarray) -> float:
    """The largest difference; of gradients that of their norms, as a share."""
    import torch

    p = {"g": {}, "d": {}}
    for key in saved:
        network, _, name = key.partition(":")
        if network in p:
            p[network][name] = torch.tensor(to_torch_layout(saved[key]).copy(), requires_grad=True)
    real = torch.tensor(real.transpose(0, 3, 1, 2).copy())
    w = mapping(p["g"], torch.tensor(saved["latents"]))[:, None].repeat(1, 8, 1)
    fakes = synthesis(p["g"], w, noise=False)
    real_logits, fake_logits = (discriminator(p["d"], x) for x in (real, fakes))
    g_loss, d_loss = losses_of(real_logits, fake_logits)
    y = torch.tensor(saved["y"].transpose(0, 3, 1, 2).copy())
    path, _ = path_length_penalty(p["g"], w, torch.tensor(0.5), y, noise=False)
    differences = [
        np.abs(fakes.detach().numpy().transpose(0, 2, 3, 1) - saved["fakes"]).max(),
        np.abs(real_logits.detach().numpy() - saved["real_logits"]).max(),
        np.abs(fake_logits.detach().numpy() - saved["fake_logits"]).max(),
    ]
    terms = {"g_loss": g_loss, "d_loss": d_loss, "path": path, "r1": r1_penalty(p["d"], real)}
    for (term, loss), of in zip(terms.items(), "gdgd", strict=True):
        names = [name for name in p[of] if f"{term}:{name}" in saved]
        assert len(names) > 0.6 * len(p[of])
        gradients = torch.autograd.grad(loss, [p[of][n] for n in names], retain_graph=True)
        # Below a hundredth of the term's largest, a norm is what rounding leaves of a sum.
        least = max(np.linalg.norm(saved[f"{term}:{name}"]) for name in names) / 100
        for name, gradient in zip(names, gradients, strict=True):
            expected = to_torch_layout(saved[f"{term}:{name}"])
            size = max(np.linalg.norm(expected), least)
            differences.append(np.linalg.norm(gradient.numpy() - expected) / size)
    return float(max(differences))


class Twin:
    def __init__(self, layout: str, batch: int) -> None:
        import torch

        self.batch = batch
        memory = getattr(torch, f"{layout}_format" if layout == "contiguous" else layout)
        self.p = {"g": {}, "d": {}}
        for network, name, shape in shapes():
            value = (
                torch.randn(shape)
                if name.endswith(("w", "a", "constant"))
                else (torch.zeros(shape))
            )
            if name.startswith("map") and name.endswith("w"):
                value = value / 0.01
            if value.ndim == 4:
                value = value.contiguous(memory_format=memory)
            self.p[network][name] = value.requires_grad_()
        self.optimizers = {}
        for network, every in (("g", PATH_EVERY), ("d", R1_EVERY)):
            c = every / (every + 1)
            self.optimizers[network] = torch.optim.Adam(
                list(self.p[network].values()), c * RATE, (0.0, 0.99**c), 1e-8
            )
        self.average = [v.detach().clone() for v in self.p["g"].values()]
        self.mean_w = torch.zeros(WIDTH)
        self.mean_length = torch.zeros(())
        self.steps = 0

    def draw_w(self, count: int) -> Any:
        import torch

        w, other = mapping(self.p["g"], torch.randn(2 * count, WIDTH))[:, None].chunk(2)
        with torch.no_grad():
            self.mean_w.lerp_(torch.cat([w, other]).mean((0, 1)), 0.005)
        cutoff = torch.where(torch.rand(count) < 0.9, torch.randint(1, 8, (count,)), 8)
        return torch.where(torch.arange(8)[None, :, None] < cutoff[:, None, None], w, other)

    def update(self, network: str, loss: Any, keep: bool = False) -> None:
        import torch

        weights = list(self.p[network].values())
        gradients = torch.autograd.grad(loss, weights, retain_graph=keep, allow_unused=True)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        self.optimizers[network].step()

    def step(self, real: Any) -> None:
        import torch

        g, d = self.p["g"], self.p["d"]
        fakes = synthesis(g, self.draw_w(self.batch), noise=True)
        g_loss, d_loss = losses_of(discriminator(d, real), discriminator(d, fakes))
        weights = {name: list(self.p[name].values()) for name in "gd"}
        gradients = {
            "g": torch.autograd.grad(g_loss, weights["g"], retain_graph=True),
            "d": torch.autograd.grad(d_loss, weights["d"]),
        }
        for name in "gd":
            for weight, gradient in zip(weights[name], gradients[name], strict=True):
                weight.grad = gradient
            self.optimizers[name].step()
        if self.steps % PATH_EVERY == 0:
            w = self.draw_w(self.batch // 2)
            y = torch.randn(self.batch // 2, CHANNELS, SIZE, SIZE)
            penalty, self.mean_length = path_length_penalty(g, w, self.mean_length, y, noise=True)
            self.update("g", PATH_EVERY * PATH * penalty)
        if self.steps % R1_EVERY == 0:
            self.update("d", R1_EVERY * R1 / 2 * r1_penalty(d, real))
        with torch.no_grad():
            decay = 0.5 ** (self.batch / HALF_LIFE)
            torch._foreach_lerp_(self.average, weights["g"], 1 - decay)
        self.steps += 1


def shapes() -> list[tuple[str, str, tuple[int, ...]]]:
    """(network, name, shape) of every weight of the twin."""
    found = []
    for i in range(MAPPING):
        found += [("g", f"map{i}.w", (WIDTH, WIDTH)), ("g", f"map{i}.b", (WIDTH,))]
    found += [("g", "constant", (1, MAPS[4], 4, 4))]
    for size in (4, 8, 16, 32):
        blocks = [("conv1", MAPS[size], MAPS[size], 3), ("rgb", MAPS[size], CHANNELS, 1)]
        if size > 4:
            blocks = [("conv0", MAPS[size // 2], MAPS[size], 3), *blocks]
        for name, inputs, outputs, kernel in blocks:
            name = f"{size}.{name}"
            found += [
                ("g", f"{name}.w", (outputs, inputs, kernel, kernel)),
                ("g", f"{name}.b", (outputs,)),
                ("g", f"{name}.a", (WIDTH, inputs)),
                ("g", f"{name}.c", (inputs,)),
            ]
            if kernel == 3:
                found.append(("g", f"{name}.n", ()))
    found += [("d", "from.w", (MAPS[32], CHANNELS, 1, 1)), ("d", "from.b", (MAPS[32],))]
    for size in (32, 16, 8):
        inputs, outputs = MAPS[size], MAPS[size // 2]
        found += [
            ("d", f"d{size}.skip.w", (outputs, inputs, 1, 1)),
            ("d", f"d{size}.conv0.w", (inputs, inputs, 3, 3)),
            ("d", f"d{size}.conv0.b", (inputs,)),
            ("d", f"d{size}.conv1.w", (outputs, inputs, 3, 3)),
            ("d", f"d{size}.conv1.b", (outputs,)),
        ]
    last = MAPS[4]
    found += [
        ("d", "d4.w", (last, last + 1, 3, 3)),
        ("d", "d4.b", (last,)),
        ("d", "full.w", (16 * last, last)),
        ("d", "full.b", (last,)),
        ("d", "out.w", (last, 1)),
        ("d", "out.b", (1,)),
    ]
    return found
