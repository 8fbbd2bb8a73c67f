"""StyleGAN2's published checkpoints: NVIDIA's PyTorch code, and rosinality's.

NVIDIA's are the pickles of stylegan2-ada-pytorch and of the stylegan3 repository's StyleGAN2: a
dict with G_ema, D and more, each a module with its source, which is never run. rosinality's are
files of torch.save with g_ema and d. Both compute what ours computes, up to the order of axes, and

- the bias of a style is stored with the 1 that ours adds;
- D's first dense layer reads [C, 4, 4], ours [4, 4, C];
- w_bar is one for all classes;
- G's channel_base is twice our fmap_base.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.core import published
from zoo.core.published import Network, Published, Row, conv, dense, flat
from zoo.core.readers import Checkpoint, CheckpointError, Record, tensors_of

FORMATS = "StyleGAN2 of stylegan2-ada-pytorch or stylegan3 (.pkl), or of rosinality's code (.pt)"

NVIDIA = "NVlabs/stylegan2-ada-pytorch"
ROSINALITY = "rosinality/stylegan2-pytorch"
LABEL_LAYERS = 8  # of D's mapping; as in networks.py
MAPPING_RATE = 0.01  # lr_multiplier of mapping networks; as in networks.py
LINEAR = ("affine", "embed", "out", "skip", "torgb")  # layers without an activation
DRAWS = 10_000  # latents whose w make up w_bar where a file has none


def style_bias(array: np.ndarray) -> np.ndarray:
    """Without the 1 that ours adds."""
    return array - 1.0


def modulated(array: np.ndarray) -> np.ndarray:
    """rosinality's [1, out, in, h, w] -> [h, w, in, out]."""
    return conv(array[0])


def constant(array: np.ndarray) -> np.ndarray:
    """[C, 4, 4] or [1, C, 4, 4] -> [1, 4, 4, C]."""
    return array.reshape(-1, 4, 4).transpose(1, 2, 0)[None]


def noise(array: np.ndarray) -> np.ndarray:
    """[r, r] or [1, 1, r, r] -> [r, r, 1]."""
    return array.reshape(*array.shape[-2:], 1)


def first_dense(array: np.ndarray) -> np.ndarray:
    """[out, C 4 4] -> [4 4 C, out]."""
    return array.reshape(len(array), -1, 4, 4).transpose(2, 3, 1, 0).reshape(-1, len(array))


def scalar(array: np.ndarray) -> np.ndarray:
    """[] or [1] -> []."""
    return array.reshape(())


# paper, here, stylegan2-ada-pytorch, layout. {r} is a resolution, {i} the number of a layer.
MAPPING = [
    Row("f", "mapping/dense{i}/kernel", "mapping.fc{i}.weight", dense),
    Row("f", "mapping/dense{i}_bias/bias", "mapping.fc{i}.bias"),
]
MAPPING_OF_LABELS = [
    Row("embedding", "mapping/label_embedding/kernel", "mapping.embed.weight", dense),
    Row("embedding", "mapping/label_embedding/bias", "mapping.embed.bias"),
]
STYLED = [  # a style block of figure 2c; {c} is conv0 or conv1
    Row("w", "synthesis/{r}_{c}/kernel", "synthesis.b{r}.{c}.weight", conv),
    Row("A", "synthesis/{r}_{c}_style/kernel", "synthesis.b{r}.{c}.affine.weight", dense),
    Row("A", "synthesis/{r}_{c}_style/bias", "synthesis.b{r}.{c}.affine.bias", style_bias),
    Row("b", "synthesis/{r}_{c}_bias/bias", "synthesis.b{r}.{c}.bias"),
]
NOISE = [
    Row("B", "synthesis/{r}_{c}_noise/strength", "synthesis.b{r}.{c}.noise_strength", scalar),
    Row("noise", "synthesis/{r}_{c}_noise/constant", "synthesis.b{r}.{c}.noise_const", noise),
]
TO_RGB = [
    Row("tRGB", "synthesis/{r}_to_rgb/kernel", "synthesis.b{r}.torgb.weight", conv),
    Row("A", "synthesis/{r}_to_rgb_style/kernel", "synthesis.b{r}.torgb.affine.weight", dense),
    Row("A", "synthesis/{r}_to_rgb_style/bias", "synthesis.b{r}.torgb.affine.bias", style_bias),
    Row("tRGB", "synthesis/{r}_to_rgb_bias/bias", "synthesis.b{r}.torgb.bias", flat),
]
CONSTANT = Row("c1", "synthesis/4_constant/constant", "synthesis.b4.const", constant)
FROM_RGB = [
    Row("fRGB", "from_rgb/kernel", "b{r}.fromrgb.weight", conv),
    Row("fRGB", "from_rgb_bias/bias", "b{r}.fromrgb.bias"),
]
HALVING = [
    Row("D", "{r}_conv0/kernel", "b{r}.conv0.weight", conv),
    Row("D", "{r}_conv0_bias/bias", "b{r}.conv0.bias"),
    Row("D", "{r}_conv1/kernel", "b{r}.conv1.weight", conv),
    Row("D", "{r}_conv1_bias/bias", "b{r}.conv1.bias"),
]
SKIP = [Row("D, skip", "{r}_skip/kernel", "b{r}.skip.weight", conv)]
EPILOGUE = [
    Row("D", "4_conv/kernel", "b4.conv.weight", conv),
    Row("D", "4_conv_bias/bias", "b4.conv.bias"),
    Row("D", "4_dense/kernel", "b4.fc.weight", first_dense),
    Row("D", "4_dense_bias/bias", "b4.fc.bias"),
    Row("D", "4_out/kernel", "b4.out.weight", dense),
    Row("D", "4_out/bias", "b4.out.bias"),
]
LABELS = [
    Row("embedding", "label_embedding/kernel", "mapping.embed.weight", dense),
    Row("embedding", "label_embedding/bias", "mapping.embed.bias"),
]
LABEL_DENSE = [
    Row("D, of labels", "label_dense{i}/kernel", "mapping.fc{i}.weight", dense),
    Row("D, of labels", "label_dense{i}_bias/bias", "mapping.fc{i}.bias"),
]

# The same in rosinality's code: {k} counts its convolutions, two a resolution, and its tRGBs.
ROSINALITY_NAMES = {
    "mapping.fc{i}": "style.{j}",  # j = i + 1
    "synthesis.b4.const": "input.input",
    "synthesis.b{r}.{c}.weight": "{conv}.conv.weight",
    "synthesis.b{r}.{c}.affine": "{conv}.conv.modulation",
    "synthesis.b{r}.{c}.bias": "{conv}.activate.bias",
    "synthesis.b{r}.{c}.noise_strength": "{conv}.noise.weight",
    "synthesis.b{r}.{c}.noise_const": "noises.noise_{n}",
    "synthesis.b{r}.torgb.weight": "{rgb}.conv.weight",
    "synthesis.b{r}.torgb.affine": "{rgb}.conv.modulation",
    "synthesis.b{r}.torgb.bias": "{rgb}.bias",
    "b{r}.fromrgb.weight": "convs.0.0.weight",
    "b{r}.fromrgb.bias": "convs.0.1.bias",
    "b{r}.conv0.weight": "convs.{b}.conv1.0.weight",
    "b{r}.conv0.bias": "convs.{b}.conv1.1.bias",
    "b{r}.conv1.weight": "convs.{b}.conv2.1.weight",
    "b{r}.conv1.bias": "convs.{b}.conv2.2.bias",
    "b{r}.skip.weight": "convs.{b}.skip.1.weight",
    "b4.conv.weight": "final_conv.0.weight",
    "b4.conv.bias": "final_conv.1.bias",
    "b4.fc": "final_linear.0",
    "b4.out": "final_linear.1",
}


def recognise(checkpoints: Sequence[Checkpoint]) -> Published | None:
    """A pickle of NVIDIA's or a file of rosinality's; None of another."""
    if len(checkpoints) != 1:
        return None
    content = checkpoints[0].content
    if _is_generator(content):  # G_ema alone
        content = {"G_ema": content}
    if not isinstance(content, Mapping):
        return None
    if isinstance(content.get("G_ema"), Record):
        return _of_nvidia(checkpoints[0], content)
    if "input.input" in content:  # g_ema alone
        content = {"g_ema": content}
    ema = content.get("g_ema")
    if isinstance(ema, Mapping) and "input.input" in ema:
        return _of_rosinality(dataclasses.replace(checkpoints[0], content=content))
    return None


def generator_rows(resolution: int, layers: int, labels: bool, noisy: bool) -> list[Row]:
    """The rows of G, at every resolution."""
    rows = [CONSTANT, *_all(MAPPING, i=range(layers)), *(MAPPING_OF_LABELS if labels else [])]
    for r in _resolutions(resolution):
        block = [*STYLED, *(NOISE if noisy else [])]
        rows += _all(block, r=[r], c=["conv1"] if r == 4 else ["conv0", "conv1"])
        rows += _all(TO_RGB, r=[r])
    return rows


def discriminator_rows(resolution: int, labels: bool, residual: bool) -> list[Row]:
    """The rows of D."""
    blocks = [*HALVING, *(SKIP if residual else [])]
    rows = [*_all(FROM_RGB, r=[resolution]), *_all(blocks, r=_resolutions(resolution)[1:])]
    of_labels = [*LABELS, *_all(LABEL_DENSE, i=range(LABEL_LAYERS))] if labels else []
    return [*rows, *EPILOGUE, *of_labels]


def _all(rows: Sequence[Row], **values: Any) -> list[Row]:
    """The rows for each combination of values."""
    for name, choices in values.items():
        rows = [
            Row(
                row.paper,
                row.ours.replace(f"{{{name}}}", str(choice)),
                row.theirs.replace(f"{{{name}}}", str(choice)),
                row.layout,
            )
            for choice in choices
            for row in rows
        ]
    return list(rows)


def at_rate(row: Row, rate: float) -> Row:
    """A row of a mapping network whose kernels and biases are used times `rate`, not ours."""
    if rate == MAPPING_RATE:
        return row
    return dataclasses.replace(row, layout=lambda array: row.layout(array) * (rate / MAPPING_RATE))


def _resolutions(last: int) -> list[int]:
    return [4 << i for i in range((last // 4).bit_length())]


# ---- NVIDIA


def _is_generator(content: Any) -> bool:
    state = content.state if isinstance(content, Record) else None
    modules = state.get("_modules") if isinstance(state, Mapping) else None
    return isinstance(modules, Mapping) and "synthesis" in modules and "mapping" in modules


def _of_nvidia(checkpoint: Checkpoint, content: Mapping[str, Any]) -> Published:
    g = tensors_of(checkpoint, content["G_ema"])
    if any(name.startswith("synthesis.L") or name.startswith("synthesis.input") for name in g):
        raise CheckpointError(
            "A StyleGAN3 repository's pickle must be of its StyleGAN2 networks. "
            f"Received: StyleGAN3's own, which the zoo does not have, in {checkpoint.path.name}."
        )
    state = content["G_ema"].state
    resolution = published.resolution_of(published.plain(state, "img_resolution", int), 8)
    classes = published.plain(state, "c_dim", int)
    latent = published.plain(state, "z_dim", int)
    _check(published.plain(state, "w_dim", int), latent, "w_dim, as z_dim,")
    _check(published.shape_of(g, "mapping.fc0.weight", 2)[0], latent, "G's layer_features")
    if classes:
        embedded = published.shape_of(g, "mapping.embed.weight", 2)[0]
        _check(embedded, latent, "G's embed_features")
    if "mapping.w_avg" not in g:
        raise CheckpointError(
            "The checkpoint must hold 'mapping.w_avg', which G has unless its w_avg_beta is None. "
            "Received: no such array."
        )
    blocks = _modules(content["G_ema"], "synthesis", "b4")
    _check(published.plain(blocks.state, "architecture", str, "skip"), "skip", "G's architecture")
    clamp = _clamp(_modules(blocks, "conv1"))
    sizes = _resolutions(resolution)
    maps = {r: published.shape_of(g, f"synthesis.b{r}.conv1.weight", 4)[0] for r in sizes}
    base, most = published.feature_maps(maps)
    layers = published.count(g, "mapping.fc{}.weight")
    noisy = "synthesis.b4.conv1.noise_const" in g
    config = {
        "resolution": resolution,
        "channels": published.plain(state, "img_channels", int),
        "latent_dim": latent,
        "num_classes": classes,
        "fmap_base": base,
        "fmap_max": most,
        "mapping_layers": layers,
        "noise": noisy,
        "stored_noise": noisy,
        "conv_clamp": clamp,
    }
    notes = [
        f"fmap_base={base} and fmap_max={most} are inferred from the shapes of G's convolutions.",
        "Networks run in float32; where the file asks for half precision, pixels differ by its "
        "rounding.",
    ]
    _check_layers(content["G_ema"], g, "G")
    _check_filters(g, "resample_filter")
    rows = generator_rows(resolution, layers, classes > 0, noisy)
    rows = [_at_its_rate(row, content["G_ema"]) for row in rows]
    rows.append(_mean_style("mapping.w_avg", classes))
    generator = Network(g, rows, unused=["*resample_filter"])

    discriminator = None
    if isinstance(content.get("D"), Record):
        d = tensors_of(checkpoint, content["D"])
        first = _modules(content["D"], f"b{resolution}")
        kind = published.plain(first.state, "architecture", str, "resnet")
        if kind not in ("resnet", "orig"):
            raise CheckpointError(
                f"D's architecture must be 'resnet' or 'orig'. Received: {kind[:20]!r}."
            )
        residual = kind == "resnet"
        epilogue = _modules(content["D"], "b4")
        if "mbstd" not in epilogue.state.get("_modules", {}):
            _check(0, 1, "D's mbstd_num_channels")
        std = _modules(epilogue, "mbstd").state
        _check(published.plain(std, "num_channels", int, 1), 1, "D's mbstd_num_channels")
        group = std.get("group_size")
        config["group"] = 4 if group is None else published.plain(std, "group_size", int)
        if group is None:
            notes.append("D's group size is not in the file: 4, the paper's.")
        if classes:
            mapped = published.plain(epilogue.state, "cmap_dim", int, maps[4])
            _check(mapped, maps[4], "D's cmap_dim")
            found = published.count(d, "mapping.fc{}.weight")
            _check(found, LABEL_LAYERS, "The num_layers of D's mapping")
        config["residual"] = residual
        _check(_clamp(_modules(first, "conv0")), clamp, "D's conv_clamp")
        _check_layers(content["D"], d, "D")
        _check_filters(d, "resample_filter")
        rows = discriminator_rows(resolution, classes > 0, residual)
        rows = [_at_its_rate(row, content["D"]) for row in rows]
        discriminator = Network(d, rows, ["*resample_filter"], ours_alone=["running_mean"])
    return Published("stylegan2", NVIDIA, config, generator, discriminator, notes)


def _mean_style(theirs: Any, classes: int) -> Row:
    def repeated(array: np.ndarray) -> np.ndarray:
        return np.repeat(array.reshape(1, -1), max(classes, 1), axis=0)

    return Row("w_bar", "mapping/mean_style/mean", theirs, repeated)


def _modules(record: Any, *names: str) -> Record:
    for name in names:
        modules = record.state.get("_modules") if isinstance(record, Record) else None
        record = modules.get(name) if isinstance(modules, Mapping) else None
    if not isinstance(record, Record) or not isinstance(record.state, Mapping):
        raise CheckpointError(f"The checkpoint must hold the module {'.'.join(names)}.")
    return record


def _clamp(layer: Record) -> float | None:
    if layer.state.get("conv_clamp") is None:
        return None
    return float(published.plain(layer.state, "conv_clamp", int | float))


def _check(received: Any, expected: Any, what: str) -> None:
    if received != expected:
        raise CheckpointError(f"{what} must be {expected!r}. Received: {received!r:.60}.")


def _check_layers(network: Record, tensors: Mapping[str, np.ndarray], name: str) -> None:
    """Refuses layers whose activation or learning rate ours does not have."""
    for path in tensors:
        *parts, kind = path.split(".")
        if kind != "weight" or not parts:
            continue
        state, what = _modules(network, *parts).state, f"of {name}'s {'.'.join(parts)}"
        expected = "linear" if parts[-1] in LINEAR else "lrelu"
        received = published.plain(state, "activation", str, expected)
        _check(received, expected, f"The activation {what}")
        if not path.startswith("mapping.fc"):
            received = published.plain(state, "bias_gain", int | float, 1)
            _check(received, 1, f"The lr_multiplier {what}")


def _at_its_rate(row: Row, network: Record) -> Row:
    if not row.theirs.startswith("mapping.fc"):
        return row
    state = _modules(network, *row.theirs.split(".")[:2]).state
    return at_rate(row, published.plain(state, "bias_gain", int | float, MAPPING_RATE))


def _check_filters(tensors: Mapping[str, np.ndarray], ending: str, gain: float = 1.0) -> None:
    taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64 * gain
    for name, array in tensors.items():
        if name.endswith(ending) and not (
            array.shape == taps.shape and np.allclose(array, taps, atol=1e-6)
        ):
            raise CheckpointError(f"{name} must be of [1, 3, 3, 1]. Received: another filter.")


# ---- rosinality


def _of_rosinality(checkpoint: Checkpoint) -> Published:
    g = tensors_of(checkpoint, checkpoint.content["g_ema"])
    sizes = [4]
    while f"to_rgbs.{len(sizes) - 1}.conv.weight" in g:
        sizes.append(2 * sizes[-1])
    resolution = published.resolution_of(sizes[-1], 8)
    maps = {
        r: published.shape_of(g, f"{_rosinality_conv(r, 'conv1')}.conv.weight", 5)[1] for r in sizes
    }
    base, most = published.feature_maps(maps)
    layers = published.count(g, "style.{}.weight", 1)
    noisy = any(name.startswith("noises.") for name in g)
    _, channels, *_ = published.shape_of(g, "to_rgb1.conv.weight", 5)
    config = {
        "resolution": resolution,
        "channels": channels,
        "latent_dim": published.shape_of(g, "style.1.weight", 2)[0],
        "fmap_base": base,
        "fmap_max": most,
        "mapping_layers": layers,
        "stored_noise": noisy,
    }
    notes = [
        f"resolution={resolution}, mapping_layers={layers}, fmap_base={base} and fmap_max={most} "
        "are inferred from the shapes of G."
    ]
    if not noisy:
        notes.append("The noise of an image is not in the file: it is drawn from fixed seeds.")
    rate = _lr_mlp(checkpoint.content.get("args"))
    if rate is None:
        notes.append(f"lr_mlp={MAPPING_RATE} is assumed: it is not in the file.")
        rate = MAPPING_RATE
    rows = [
        _rosinality_row(at_rate(row, rate) if row.theirs.startswith("mapping.fc") else row)
        for row in generator_rows(resolution, layers, False, True)
        if noisy or not row.theirs.endswith(".noise_const")
    ]
    _check_filters(g, ".kernel", gain=4.0)  # each follows a doubling
    alone = []
    average = checkpoint.content.get("latent_avg")
    if average is not None:
        g = {**g, **tensors_of(checkpoint, {"latent_avg": average})}
        rows.append(_mean_style("latent_avg", 0))
    else:
        notes.append(f"w_bar is not in the file: the mean over {DRAWS:,} latents.")
        alone = ["mean"]
    generator = Network(g, rows, unused=["*.kernel"], ours_alone=alone)
    discriminator = None
    if isinstance(checkpoint.content.get("d"), Mapping):
        d = tensors_of(checkpoint, checkpoint.content["d"])
        _check_filters(d, ".kernel")
        rows = [
            _rosinality_row(row, resolution) for row in discriminator_rows(resolution, False, True)
        ]
        discriminator = Network(d, rows, ["*.kernel"], ours_alone=["running_mean"])

    def finish(gan: Any) -> None:
        if average is None:
            mapping = gan.ema_generator.get_layer("mapping")
            z = np.random.RandomState(0).standard_normal((DRAWS, gan.latent_dim))
            w = mapping(z.astype(np.float32), training=False).numpy()
            mapping.get_layer("mean_style").mean.assign(w.mean(axis=0, keepdims=True))

    return Published("stylegan2", ROSINALITY, config, generator, discriminator, notes, finish)


def _lr_mlp(args: Any) -> float | None:
    """What the arguments of the training say of it, if they do."""
    given = args.state if isinstance(args, Record) else args
    if not isinstance(given, Mapping) or "lr_mlp" not in given:
        return None
    return published.plain(given, "lr_mlp", int | float)


def _rosinality_conv(r: int, c: str) -> str:
    if r == 4:
        return "conv1"
    return f"convs.{2 * (r.bit_length() - 4) + int(c == 'conv1')}"


def _rosinality_row(row: Row, resolution: int = 0) -> Row:
    """A row with rosinality's name and layout in place of NVIDIA's."""
    layout = row.layout
    if layout is conv and row.ours.startswith("synthesis/"):
        layout = modulated
    theirs = row.theirs
    parts = theirs.split(".")
    values: dict[str, Any] = {}
    pattern = theirs
    if theirs.startswith("mapping.fc"):
        i = int(parts[1].removeprefix("fc"))
        pattern, values = theirs.replace(f"fc{i}", "fc{i}"), {"j": i + 1}
    elif theirs.startswith("synthesis.b") and parts[2] != "const":
        r, c = int(parts[1][1:]), parts[2]
        level = r.bit_length() - 3
        pattern = theirs.replace(f"b{r}.", "b{r}.")
        if c != "torgb":
            pattern = pattern.replace(f".{c}", ".{c}")
        n = 2 * level - 1 + int(c == "conv1") if r > 4 else 0
        rgb = "to_rgb1" if r == 4 else f"to_rgbs.{level - 1}"
        values = {"conv": _rosinality_conv(r, c), "rgb": rgb, "n": n}
    elif parts[0] not in ("b4", "synthesis"):
        r = int(parts[0][1:])
        pattern = theirs.replace(f"b{r}.", "b{r}.")
        values = {"b": resolution.bit_length() - r.bit_length() + 1}
    for theirs_there, here in ROSINALITY_NAMES.items():
        if pattern == theirs_there or pattern.startswith(f"{theirs_there}."):
            name = pattern.replace(theirs_there, here).format(**values)
            return Row(row.paper, row.ours, name, layout)
    raise KeyError(theirs)
