"""SRGAN's published checkpoints: leftthomas's PyTorch code, and krasserm's Keras code.

Both take images in [0, 1] and end with tanh, as ours. What differs:

- PyTorch's pixel shuffle counts the features of a pixel in another order;
- leftthomas's PReLU has one slope for all features;
- krasserm's batch norm has an epsilon of .001, which goes into the variances.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from zoo.core import published
from zoo.core.published import Network, Published, Row, conv
from zoo.core.readers import Checkpoint, CheckpointError, tensors_of

FORMATS = "SRGAN of leftthomas (netG_*.pth) or of krasserm (gan_generator.h5)"

CODE = LEFTTHOMAS = "leftthomas/SRGAN"
KRASSERM = "krasserm/super-resolution"
EPSILON, KRASSERMS_EPSILON = 1e-5, 1e-3


def shuffled(array: np.ndarray) -> np.ndarray:
    """[..., C 4] in PyTorch's order of features -> [..., 4 C] in ours."""
    parts = array.reshape(*array.shape[:-1], -1, 4)
    return np.swapaxes(parts, -1, -2).reshape(array.shape)


def shuffled_conv(array: np.ndarray) -> np.ndarray:
    """PyTorch's kernel before a pixel shuffle."""
    return shuffled(conv(array))


def slopes(width: int) -> Callable[[np.ndarray], np.ndarray]:
    """One slope, or one for each feature -> [1, 1, width]."""
    return lambda array: np.broadcast_to(array.reshape(1, 1, -1), (1, 1, width))


def with_epsilon(variance: np.ndarray) -> np.ndarray:
    """The variance with which our epsilon gives what krasserm's gave."""
    return variance + (KRASSERMS_EPSILON - EPSILON)


# paper, here, leftthomas. {b} is the block's number there, two more than ours; {i} is ours.
BLOCK = [
    ("k3n64s1", "block{i}_conv0", "block{b}.conv1"),
    ("BN", "block{i}_conv0_norm", "block{b}.bn1"),
    ("PReLU", "block{i}_prelu", "block{b}.prelu"),
    ("k3n64s1", "block{i}_conv1", "block{b}.conv2"),
    ("BN", "block{i}_conv1_norm", "block{b}.bn2"),
]
NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean"}
NORM |= {"moving_variance": "running_var"}


def leftthomas_rows(blocks: int, doublings: int, width: int) -> list[Row]:
    """Paper, here, their name, layout."""
    after = 2 + blocks  # the block after the residual ones
    table = [("k9n64s1", "first", "block1.0"), ("PReLU", "first_prelu", "block1.1")]
    for i in range(blocks):
        values = {"i": i, "b": i + 2}
        table += [(p, ours.format(**values), theirs.format(**values)) for p, ours, theirs in BLOCK]
    table += [("k3n64s1", "last", f"block{after}.0"), ("BN", "last_norm", f"block{after}.1")]
    for i in range(doublings):
        table.append(("k3n256s1", f"up{i}", f"block{after + 1}.{i}.conv"))
        table.append(("PReLU", f"up{i}_prelu", f"block{after + 1}.{i}.prelu"))
    table.append(("k9n3s1", "to_image", f"block{after + 1}.{doublings}"))
    rows = []
    for paper, ours, theirs in table:
        if paper == "BN":
            rows += [Row(paper, f"{ours}/{a}", f"{theirs}.{b}") for a, b in NORM.items()]
        elif paper == "PReLU":
            rows.append(Row(paper, f"{ours}/alpha", f"{theirs}.weight", slopes(width)))
        else:
            up = ours.startswith("up")
            kernel = shuffled_conv if up else conv
            rows.append(Row(paper, f"{ours}/kernel", f"{theirs}.weight", kernel))
            rows.append(Row(paper, f"{ours}/bias", f"{theirs}.bias", shuffled if up else np.array))
    return rows


def krasserm_rows(blocks: int, doublings: int) -> list[Row]:
    """Paper, here, their kind and number in the file, layout."""
    convs = ["first", *(f"block{i}_conv{j}" for i in range(blocks) for j in (0, 1)), "last"]
    norms = [f"{name}_norm" for name in convs[1:]]
    convs += [*(f"up{i}" for i in range(doublings)), "to_image"]
    prelus = ["first", *(f"block{i}" for i in range(blocks)), *(f"up{i}" for i in range(doublings))]
    rows = []
    for i, ours in enumerate(convs):
        rows.append(Row("conv", f"{ours}/kernel", f"conv2d_{i}/0"))
        rows.append(Row("conv", f"{ours}/bias", f"conv2d_{i}/1"))
    for i, ours in enumerate(norms):
        for j, name in enumerate(NORM):
            layout = with_epsilon if name == "moving_variance" else np.array
            rows.append(Row("BN", f"{ours}/{name}", f"batch_normalization_{i}/{j}", layout))
    for i, ours in enumerate(prelus):
        rows.append(Row("PReLU", f"{ours}_prelu/alpha", f"p_re_lu_{i}/0"))
    return rows


def is_discriminator(content: Mapping[str, Any]) -> bool:
    """Whether this is leftthomas's netD."""
    return {"net.0.weight", "net.24.weight", "net.26.weight"} <= content.keys()


def recognise(checkpoints: Sequence[Checkpoint]) -> Published | None:
    """A generator of one of the two codes; None of other files."""
    if len(checkpoints) != 1:
        return None
    (checkpoint,) = checkpoints
    content = checkpoint.content
    if checkpoint.kind == "keras":
        return _of_krasserm(checkpoint)
    if isinstance(content, Mapping) and {"block1.0.weight", "block2.conv1.weight"} <= set(content):
        return _of_leftthomas(tensors_of(checkpoint, content))
    return None


def _of_leftthomas(tensors: dict[str, np.ndarray]) -> Published:
    blocks = published.count(tensors, "block{}.conv1.weight", 2)
    doublings = published.count(tensors, f"block{blocks + 3}.{{}}.conv.weight")
    width, channels, *_ = published.shape_of(tensors, "block1.0.weight", 4)
    rows = leftthomas_rows(blocks, doublings, width)
    network = Network(tensors, rows, unused=["*.num_batches_tracked"])
    return _published(LEFTTHOMAS, doublings, channels, width, blocks, network)


def _of_krasserm(checkpoint: Checkpoint) -> Published:
    kinds = {(4, 1): "conv2d", (1, 1, 1, 1): "batch_normalization", (3,): "p_re_lu"}
    tensors: dict[str, np.ndarray] = {}
    counts = dict.fromkeys(kinds.values(), 0)
    for layer, arrays in checkpoint.content:
        if not arrays:
            continue
        kind = kinds.get(tuple(array.ndim for array in arrays))
        if kind is None:
            raise CheckpointError(
                "Keras weights must be of krasserm's sr_resnet: convolutions, batch norms and "
                f"PReLUs. Received: the layer {layer[:100]!r} of {checkpoint.path.name}."
            )
        for i, array in enumerate(arrays):
            tensors[f"{kind}_{counts[kind]}/{i}"] = array
        counts[kind] += 1
    if not counts["batch_normalization"]:
        raise CheckpointError(
            "Keras weights must be of krasserm's sr_resnet, which has batch norm. "
            f"Received: none in {checkpoint.path.name}, as in EDSR and WDSR."
        )
    blocks = (counts["batch_normalization"] - 1) // 2
    doublings = counts["conv2d"] - 2 * blocks - 3
    *_, channels, width = published.shape_of(tensors, "conv2d_0/0", 4)
    network = Network(tensors, krasserm_rows(blocks, max(doublings, 0)))
    return _published(KRASSERM, doublings, channels, width, blocks, network)


def _published(
    code: str, doublings: int, channels: int, width: int, blocks: int, generator: Network
) -> Published:
    if doublings not in (1, 2):
        raise CheckpointError(f"SRGAN must enlarge 2 or 4 times. Received: {doublings} doublings.")
    config = {"scale": 2**doublings, "channels": channels, "width": width, "blocks": blocks}
    config["pretrain_steps"] = 0  # it is behind them
    notes = [
        f"scale={2**doublings}, width={width} and blocks={blocks} are inferred from the shapes."
    ]
    return Published("srgan", code, config, generator, None, notes)
