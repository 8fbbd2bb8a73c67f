"""CycleGAN's published checkpoints: pytorch-CycleGAN-and-pix2pix.

A file of torch.save for each direction, `latest_net_G_A.pth` (A to B) and `latest_net_G_B.pth`,
each a ResNet of instance norms. Of the models that its authors offer for download there is one
direction alone. Their convolutions of stride 2 pad at the top and left, which is an option here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.core import published
from zoo.core.published import Network, Published, Row, conv
from zoo.core.readers import Checkpoint, CheckpointError, tensors_of

FORMATS = "CycleGAN of pytorch-CycleGAN-and-pix2pix (latest_net_G_A.pth, latest_net_G_B.pth)"

CODE = "junyanz/pytorch-CycleGAN-and-pix2pix"
DIRECTIONS = ("a_to_b", "b_to_a")


def rows(blocks: int, second: int) -> list[Row]:
    """Paper, here, their name, layout.

    Args:
        blocks: Residual blocks.
        second: Place of a block's second convolution: 5, or 6 where they have dropout.
    """
    table = [
        ("c7s1-64", "first", "model.1"),
        ("d128", "down0", "model.4"),
        ("d256", "down1", "model.7"),
    ]
    for i in range(blocks):
        table.append(("R256", f"block{i}_conv0", f"model.{10 + i}.conv_block.1"))
        table.append(("R256", f"block{i}_conv1", f"model.{10 + i}.conv_block.{second}"))
    table += [
        ("u128", "up0", f"model.{10 + blocks}"),
        ("u64", "up1", f"model.{13 + blocks}"),
        ("c7s1-3", "to_image", f"model.{17 + blocks}"),
    ]
    return [
        row
        for paper, ours, theirs in table
        for row in (
            Row(paper, f"{ours}/kernel", f"{theirs}.weight", conv),
            Row(paper, f"{ours}/bias", f"{theirs}.bias"),
        )
    ]


def is_discriminator(content: Mapping[str, Any]) -> bool:
    """Whether this is a PatchGAN of this code, or its PixelGAN."""
    for name, kernel in (("model", (4, 4)), ("net", (1, 1))):
        first = content.get(f"{name}.0.weight")
        others = {f"{name}.2.weight", f"{name}.5.weight"} <= content.keys()
        if others and tuple(getattr(first, "shape", ()))[2:] == kernel:
            return True
    return False


def recognise(checkpoints: Sequence[Checkpoint]) -> Published | None:
    """One or two ResNets of this code; None of other files."""
    if not all(
        isinstance(checkpoint.content, Mapping)
        and {"model.1.weight", "model.10.conv_block.1.weight"} <= checkpoint.content.keys()
        for checkpoint in checkpoints
    ):
        return None
    if len(checkpoints) > len(DIRECTIONS):
        raise CheckpointError(
            "CycleGAN is converted from one generator or two, A to B first. "
            f"Received: {len(checkpoints)} files."
        )
    found = [tensors_of(checkpoint, checkpoint.content) for checkpoint in checkpoints]
    blocks = published.count(found[0], "model.{}.conv_block.1.weight", 10)
    width, source_channels, *_ = published.shape_of(found[0], "model.1.weight", 4)
    channels = published.shape_of(found[0], f"model.{17 + blocks}.weight", 4)[0]
    if f"model.{10 + blocks}.bias" not in found[0] or "model.2.weight" in found[0]:
        raise CheckpointError(
            "CycleGAN's generators have instance norms without weights. "
            f"Received: another norm in {checkpoints[0].path.name}."
        )
    one_way = len(found) == 1
    prefix = [f"generator_{direction}" for direction in DIRECTIONS]
    tensors: dict[str, np.ndarray] = {}
    table = []
    for i, arrays in enumerate(found):
        tensors |= {f"{i}:{name}": array for name, array in arrays.items()}
        second = 6 if "model.10.conv_block.6.weight" in arrays else 5
        table += [
            Row(row.paper, f"{prefix[i]}/{row.ours}", f"{i}:{row.theirs}", row.layout)
            for row in rows(blocks, second)
        ]
    config = {
        "resolution": 256,
        "source_channels": source_channels,
        "channels": channels,
        "width": width,
        "blocks": blocks,
        "padding": "start",
        "identity": 0.5 if source_channels == channels else 0.0,
        "one_way": one_way,
    }
    names = ", ".join(
        f"{direction} is {checkpoint.path.name}"
        for direction, checkpoint in zip(DIRECTIONS, checkpoints, strict=False)
    )
    notes = [
        f"width={width} and blocks={blocks} are inferred from the shapes; {names}.",
        "The resolution of training is not in the files: 256, the paper's. Images of any size are "
        "translated.",
    ]
    if one_way:
        notes.append("There is one direction alone, a_to_b.")
    generator = Network(tensors, table, unused=["*.running_mean", "*.running_var", "*_tracked"])
    return Published("cyclegan", CODE, config, generator, None, notes)
