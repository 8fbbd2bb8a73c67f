"""BigGAN's published checkpoints: BigGAN-PyTorch, and Hugging Face's BigGAN-deep.

BigGAN-PyTorch writes a state dict for each network (`G_ema.pth`, `D.pth`). Its spectral norm keeps
u as ours does, and goes on from there. Its dense layer makes [C, 4, 4], ours [4, 4, C].

Hugging Face's models are generators alone, in a `.bin` or safetensors file with a config.json.
Their spectral norm is divided out, their batch norm has statistics for each truncation, and their
truncation scales latents from a normal distribution cut at 2.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.core import published
from zoo.core.published import Network, Published, Row, conv, dense, flat, folded
from zoo.core.readers import Checkpoint, CheckpointError, read, tensors_of

FORMATS = (
    "BigGAN of BigGAN-PyTorch (G_ema.pth, D.pth), BigGAN-deep of Hugging Face "
    "(pytorch_model.bin with its config.json)"
)

PYTORCH = "ajbrock/BigGAN-PyTorch"
HUGGING_FACE = "huggingface/pytorch-pretrained-BigGAN"
# Features / width at 4, 8, 16 ... px, by the number of doublings; as in networks.py.
RESOLUTIONS = {3: 32, 4: 64, 5: 128, 6: 256, 7: 512}
FIRST_FACTOR = {32: 4, 64: 16, 128: 16, 256: 16, 512: 16}
HUGGING_FACES_EPSILON = 1e-4  # where config.json has no eps
D_FIRST_FACTOR = {32: 4, 64: 1, 128: 1, 256: 1, 512: 1}


def outputs_last(array: np.ndarray) -> np.ndarray:
    """Outputs [C 4 4, ...] of the dense layer -> [4 4 C, ...]."""
    return array.reshape(-1, 16, *array.shape[1:]).swapaxes(0, 1).reshape(array.shape)


def first_dense(array: np.ndarray) -> np.ndarray:
    """[C 4 4, z] -> [z, 4 4 C]."""
    return outputs_last(array).T


def first_u(array: np.ndarray) -> np.ndarray:
    """[1, C 4 4] -> [4 4 C]."""
    return outputs_last(array.reshape(-1))


def normalised(ours: str, theirs: str, kernel: Any = conv, bias: bool = True) -> list[Row]:
    """A layer of spectral norm: its kernel, its u and its bias."""
    rows = [
        Row("W", f"{ours}/kernel", f"{theirs}.weight", kernel),
        Row("u", f"{ours}/u", f"{theirs}.u0", flat),
    ]
    return rows + ([Row("bias", f"{ours}/bias", f"{theirs}.bias")] if bias else [])


# paper, here, BigGAN-PyTorch. {i} is a block.
BLOCK = [
    ("Conv 3x3", "block{i}_conv0", "blocks.{i}.0.conv1"),
    ("Conv 3x3", "block{i}_conv1", "blocks.{i}.0.conv2"),
    ("Conv 1x1", "block{i}_skip", "blocks.{i}.0.conv_sc"),
]
NORMS = [("block{i}_norm0", "blocks.{i}.0.bn1"), ("block{i}_norm1", "blocks.{i}.0.bn2")]
ATTENTION = ("theta", "phi", "g", "o")


def generator_rows(blocks: int, shared: bool, attention: int | None) -> list[Row]:
    """The rows of G; `attention` is the block after which there is attention."""
    rows = [
        Row("Linear", "dense/kernel", "linear.weight", first_dense),
        Row("Linear", "dense/u", "linear.u0", first_u),
        Row("Linear", "dense/bias", "linear.bias", outputs_last),
    ]
    if shared:
        rows.append(Row("Shared", "shared/kernel", "shared.weight"))
    for i in range(blocks):
        for _, ours, theirs in BLOCK:
            rows += normalised(ours.format(i=i), theirs.format(i=i))
        for ours, theirs in NORMS:
            ours, theirs = ours.format(i=i), theirs.format(i=i)
            rows.append(Row("mean", f"{ours}/normalization/moving_mean", f"{theirs}.stored_mean"))
            rows.append(
                Row("variance", f"{ours}/normalization/moving_variance", f"{theirs}.stored_var")
            )
            for name in ("gain", "bias"):
                if shared:
                    rows += normalised(f"{ours}/{name}", f"{theirs}.{name}", dense, bias=False)
                else:
                    rows.append(Row(name, f"{ours}/{name}/kernel", f"{theirs}.{name}.weight"))
    return [
        *rows,
        *_attention(attention),
        Row("BN", "norm/gamma", "output_layer.0.gain"),
        Row("BN", "norm/beta", "output_layer.0.bias"),
        Row("mean", "norm/moving_mean", "output_layer.0.stored_mean"),
        Row("variance", "norm/moving_variance", "output_layer.0.stored_var"),
        *normalised("to_image", "output_layer.2"),
    ]


def discriminator_rows(tensors: Mapping[str, np.ndarray], attention: int | None) -> list[Row]:
    """The rows of D."""
    rows = []
    for i in range(published.count(tensors, "blocks.{}.0.conv1.weight")):
        for _, ours, theirs in BLOCK:
            if f"{theirs.format(i=i)}.weight" in tensors:
                rows += normalised(ours.format(i=i), theirs.format(i=i))
    return [
        *rows,
        *_attention(attention),
        *normalised("logit", "linear", dense),
        Row("embed", "embedding/kernel", "embed.weight"),
        Row("u", "embedding/u", "embed.u0", flat),
    ]


def _attention(block: int | None) -> list[Row]:
    if block is None:
        return []
    rows = [Row("gamma", "attention/gamma", f"blocks.{block}.1.gamma")]
    for name in ATTENTION:
        rows += normalised(f"attention/{name}", f"blocks.{block}.1.{name}", conv, bias=False)
    return rows


def recognise(checkpoints: Sequence[Checkpoint]) -> Published | None:
    """State dicts of one of the two codes; None of other files."""
    by_kind = {}
    for checkpoint in checkpoints:
        content = checkpoint.content
        if not isinstance(content, Mapping):
            return None
        if "output_layer.0.stored_mean" in content:
            kind = "generator"
        elif "embed.weight" in content and "blocks.0.0.conv1.u0" in content:
            kind = "discriminator"
        elif "generator.gen_z.weight_orig" in content:
            kind = "deep"
        elif checkpoint.kind == "json" and "attention_layer_position" in content:
            kind = "config"
        else:
            return None
        if "blocks.0.0.conv4.weight" in content:
            raise CheckpointError(
                "BigGAN-deep is converted from Hugging Face's code alone. "
                f"Received: BigGANdeep of BigGAN-PyTorch in {checkpoint.path.name}."
            )
        if kind in by_kind:
            raise CheckpointError(
                f"BigGAN is converted from one {kind}. Received: "
                f"{by_kind[kind].path.name} and {checkpoint.path.name}."
            )
        by_kind[kind] = checkpoint
    if "deep" in by_kind:
        return _of_hugging_face(by_kind)
    if "generator" not in by_kind:
        names = ", ".join(checkpoint.path.name for checkpoint in checkpoints)
        raise CheckpointError(f"BigGAN is converted with its generator. Received: {names} alone.")
    return _of_pytorch(by_kind["generator"], by_kind.get("discriminator"))


def _of_pytorch(g: Checkpoint, d: Checkpoint | None) -> Published:
    tensors = tensors_of(g, g.content)
    blocks = published.count(tensors, "blocks.{}.0.conv1.weight")
    if blocks not in RESOLUTIONS:
        raise CheckpointError(f"BigGAN's generator must have 3 to 7 blocks. Received: {blocks}.")
    resolution = RESOLUTIONS[blocks]
    first = published.shape_of(tensors, "blocks.0.0.conv1.weight", 4)[1]
    width = first // FIRST_FACTOR[resolution]
    chunk = published.shape_of(tensors, "linear.weight", 2)[1]
    shared = "shared.weight" in tensors
    gains = published.shape_of(tensors, "blocks.0.0.bn1.gain.weight", 2)
    classes, shared_dim = gains[0], 0
    skip_z = False
    if shared:
        classes, shared_dim = published.shape_of(tensors, "shared.weight", 2)
        skip_z = gains[1] > shared_dim
    attention = _attention_blocks(tensors)
    if len(attention) > 1:
        raise CheckpointError(
            "BigGAN must have attention at one size. "
            f"Received: {len(attention)} attentions in {g.path.name}."
        )
    side = 8 << attention[0] if attention else 0
    config = {
        "resolution": resolution,
        "channels": published.shape_of(tensors, "output_layer.2.weight", 4)[0],
        "num_classes": classes,
        "width": width,
        "latent_dim": chunk * (blocks + 1) if skip_z else chunk,
        "shared_dim": shared_dim,
        "skip_z": skip_z,
        "attention": side,
    }
    notes = [
        "The configuration is inferred from the shapes: "
        + ", ".join(f"{name}={value}" for name, value in config.items())
        + ".",
        "BN_eps=1e-5 is assumed: it is not in the file.",
    ]
    rows = generator_rows(blocks, shared, attention[0] if attention else None)
    generator = Network(tensors, rows, unused=["*.sv0"])
    discriminator = None
    if d is not None:
        tensors = tensors_of(d, d.content)
        blocks_of_d = published.count(tensors, "blocks.{}.0.conv1.weight")
        if blocks_of_d != blocks + 1:
            raise CheckpointError(
                "BigGAN's networks must be of one resolution: D must have a block more than G, "
                f"{blocks + 1}. Received: {blocks_of_d}."
            )
        first_of_d = published.shape_of(tensors, "blocks.0.0.conv2.weight", 4)[0]
        narrow = published.shape_of(tensors, "blocks.0.0.conv1.weight", 4)[0]
        if narrow != first_of_d:
            raise CheckpointError(
                f"Both convolutions of D's first block must make {first_of_d} features. "
                f"Received: {narrow} by the first, as D_wide=False of that code has."
            )
        if first_of_d != width * D_FIRST_FACTOR[resolution]:
            raise CheckpointError(
                "BigGAN's networks must be of one width. Received: another one in D."
            )
        places = _attention_blocks(tensors)
        if places != [i for i in range(blocks) if resolution >> (i + 1) == side]:
            of_g = [side] if side else []
            # Of 32 px its last blocks keep 8 px, of others the last one 4 px.
            of_d = [max(resolution >> (i + 1), 8 if resolution == 32 else 4) for i in places]
            raise CheckpointError(
                "BigGAN must have attention at one size, the same in G and D. "
                f"Received: sizes {of_g} in G, {of_d} in D."
            )
        rows = discriminator_rows(tensors, places[0] if places else None)
        discriminator = Network(tensors, rows, unused=["*.sv0"])
    return Published("biggan", PYTORCH, config, generator, discriminator, notes)


def _attention_blocks(tensors: Mapping[str, np.ndarray]) -> list[int]:
    """The blocks after which there is attention."""
    return [i for i in range(8) if f"blocks.{i}.1.gamma" in tensors]


# ---- Hugging Face: each layer's own parts, W / sigma in place of W, u and v

# paper, here, theirs. {i} is a block, which is also a place in `layers`, one less after attention.
DEEP_BATCH_NORM = [
    Row("mean", "{ours}_statistics/means", "{theirs}.running_means"),
    Row("variance", "{ours}_statistics/variances", "{theirs}.running_vars"),
]
DEEP_CONDITIONAL = [
    Row("gain", "{ours}/gain", "{theirs}.scale.weight", dense),
    Row("bias", "{ours}/bias", "{theirs}.offset.weight", dense),
]
DEEP_CONV = [
    Row("Conv", "{ours}/kernel", "{theirs}.weight", conv),
    Row("Conv", "{ours}/bias", "{theirs}.bias"),
]


def deep_rows(places: Sequence[int], attention: int | None, channels: int) -> list[Row]:
    """The rows of G.

    Args:
        places: Of the blocks, in `layers`.
        attention: Place of the attention.
        channels: Of images; the last convolution makes more.
    """

    def cut(array: np.ndarray) -> np.ndarray:
        return array[..., :channels]

    rows = [
        Row("Shared", "shared/kernel", "embeddings.weight", dense),
        Row("Linear", "dense/kernel", "generator.gen_z.weight", dense),
        Row("Linear", "dense/bias", "generator.gen_z.bias"),
        *_with(DEEP_BATCH_NORM, "norm", "generator.bn"),
        Row("BN", "norm/gain", "generator.bn.weight"),
        Row("BN", "norm/bias", "generator.bn.bias"),
        Row("Conv", "to_image/kernel", "generator.conv_to_rgb.weight", lambda w: cut(conv(w))),
        Row("Conv", "to_image/bias", "generator.conv_to_rgb.bias", cut),
    ]
    for i, place in enumerate(places):
        for j in range(4):
            theirs = f"generator.layers.{place}"
            norm = [*DEEP_BATCH_NORM, *DEEP_CONDITIONAL]
            rows += _with(norm, f"block{i}_norm{j}", f"{theirs}.bn_{j}")
            rows += _with(DEEP_CONV, f"block{i}_conv{j}", f"{theirs}.conv_{j}")
    if attention is not None:
        theirs = f"generator.layers.{attention}"
        rows.append(Row("gamma", "attention/gamma", f"{theirs}.gamma", lambda g: g.reshape(())))
        for name in ATTENTION:
            there = f"{theirs}.snconv1x1_{'o_conv' if name == 'o' else name}.weight"
            rows.append(Row(name, f"attention/{name}/kernel", there, conv))
    return rows


def _with(rows: Sequence[Row], ours: str, theirs: str) -> list[Row]:
    return [
        Row(
            row.paper,
            row.ours.format(ours=ours),
            row.theirs.format(theirs=theirs),
            row.layout,
        )
        for row in rows
    ]


def _of_hugging_face(found: Mapping[str, Checkpoint]) -> Published:
    checkpoint = found["deep"]
    if set(found) - {"deep", "config"}:
        raise CheckpointError("BigGAN-deep is converted from its generator and its config.json.")
    if "config" in found:
        given, origin = found["config"].content, found["config"].path.name
    else:
        path = checkpoint.path.with_name("config.json")
        if not path.is_file():
            raise CheckpointError(
                "BigGAN-deep is converted with its config.json, as a second file or in the same "
                f"folder. Received: {checkpoint.path.name} alone."
            )
        given, origin = read(path).content, f"config.json beside {checkpoint.path.name}"
    tensors = _divided(tensors_of(checkpoint, checkpoint.content))

    first = published.shape_of(tensors, "generator.layers.0.conv_0.weight", 4)[1]
    width = published.plain(given, "channel_width", int)
    total = published.plain(given, "output_dim", int)
    places = [i for i in range(64) if f"generator.layers.{i}.conv_0.weight" in tensors]
    attention = [i for i in range(64) if f"generator.layers.{i}.gamma" in tensors]
    doublings = len(places) // 2
    if RESOLUTIONS.get(doublings) != total or len(places) % 2 or len(attention) > 1:
        raise CheckpointError(
            "BigGAN-deep must have two blocks for each doubling up to output_dim. "
            f"Received: {len(places)} blocks for {total} px."
        )
    if first != width * FIRST_FACTOR[total]:
        raise CheckpointError(
            "channel_width must be that of the weights. "
            f"Received: {width}, where the first block has {first} features."
        )
    doubled = [bool(layer[0]) for layer in _layers(given)]
    if doubled != [False, True] * doublings:
        raise CheckpointError("Every second block of BigGAN-deep must double the image.")
    # The attention stands where so many blocks have doubled it.
    side = 4 << (attention[0] // 2) if attention else 0
    if attention and attention[0] % 2:
        raise CheckpointError("The attention of BigGAN-deep must follow a block that doubles.")
    shared_dim, classes = published.shape_of(tensors, "embeddings.weight", 2)
    latent = published.shape_of(tensors, "generator.gen_z.weight", 2)[1] - shared_dim
    epsilon = published.plain(given, "eps", int | float, HUGGING_FACES_EPSILON)
    config = {
        "resolution": total,
        "num_classes": classes,
        "width": width,
        "latent_dim": latent,
        "shared_dim": shared_dim,
        "skip_z": False,
        "attention": side,
        "architecture": "deep",
        "spectral_norm": False,
        "statistics": published.shape_of(tensors, "generator.bn.running_means", 2)[0],
        "bn_epsilon": float(epsilon),
        "hub_truncation": True,
    }
    notes = [
        f"The configuration is that of {origin}; attention={side} follows from its place.",
        "Spectral norm is divided out of the weights; a truncation scales z, and chooses the "
        "statistics of batch norm.",
    ]
    if "eps" not in given:
        notes.append(f"eps is not in {origin}: {epsilon}, that code's default.")
    rows = deep_rows(places, attention[0] if attention else None, 3)
    return Published("biggan", HUGGING_FACE, config, Network(tensors, rows), None, notes)


def _layers(config: Mapping[str, Any]) -> list[Any]:
    layers = config.get("layers")
    if not isinstance(layers, list) or not all(
        isinstance(layer, list) and len(layer) == 3 for layer in layers[:64]
    ):
        raise CheckpointError("config.json must list the layers: [doubles, from, to] of each.")
    return layers[:65]


def _divided(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """W / sigma as `weight`, in place of weight_orig, weight_u and weight_v."""
    found = {}
    for name, array in tensors.items():
        layer, _, kind = name.rpartition(".")
        if kind == "weight_orig":
            u, v = (tensors.get(f"{layer}.weight_{part}") for part in "uv")
            if u is None or v is None or u.size != len(array) or u.size * v.size != array.size:
                raise CheckpointError(f"The checkpoint must hold u and v of {layer!r}.")
            found[f"{layer}.weight"] = folded(array, u, v)
        elif kind not in ("weight_u", "weight_v"):
            found[name] = array
    return found
