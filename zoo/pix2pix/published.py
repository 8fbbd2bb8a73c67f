"""Pix2Pix's published checkpoints: pytorch-CycleGAN-and-pix2pix, `latest_net_G.pth`.

Its U-Nets are nested: each block holds the next smaller one. As `test.py` of that code does by
default, batch norm takes the statistics of each image; running statistics are left aside.
"""

from collections.abc import Mapping, Sequence

from zoo.core import published
from zoo.core.published import Network, Published, Row, conv
from zoo.core.readers import Checkpoint, CheckpointError, tensors_of

FORMATS = "Pix2Pix's U-Nets of pytorch-CycleGAN-and-pix2pix (latest_net_G.pth)"

CODE = "junyanz/pytorch-CycleGAN-and-pix2pix"


def rows(depth: int) -> list[Row]:
    """Paper, here, their name, layout; `depth` is the number of halvings."""
    table = [
        Row("C64", "down0/kernel", "model.model.0.weight", conv),
        Row("to image", "up0/kernel", "model.model.3.weight", conv),
        Row("to image", "up0/bias", "model.model.3.bias"),
    ]
    block = "model.model.1"
    for i in range(1, depth):
        innermost = i == depth - 1
        up = 3 if innermost else 5
        table.append(Row("Ck, encoder", f"down{i}/kernel", f"{block}.model.1.weight", conv))
        table.append(Row("CDk, decoder", f"up{i}/kernel", f"{block}.model.{up}.weight", conv))
        norms = {f"up{i}_norm": up + 1} | ({} if innermost else {f"down{i}_norm": 2})
        for ours, place in norms.items():
            table.append(Row("batch norm", f"{ours}/gamma", f"{block}.model.{place}.weight"))
            table.append(Row("batch norm", f"{ours}/beta", f"{block}.model.{place}.bias"))
        block += ".model.3"
    return table


def recognise(checkpoints: Sequence[Checkpoint]) -> Published | None:
    """One U-Net of this code; None of other files."""
    content = checkpoints[0].content
    if len(checkpoints) != 1 or not isinstance(content, Mapping):
        return None
    if not {"model.model.0.weight", "model.model.3.weight"} <= content.keys():
        return None
    tensors = tensors_of(checkpoints[0], content)
    depth, block = 1, "model.model.1"
    while f"{block}.model.1.weight" in tensors:
        depth += 1
        block += ".model.3"
    resolution = published.resolution_of(2**depth, 16)
    if "model.model.1.model.2.weight" not in tensors:
        # Instance norm is without weights, and beside it convolutions have biases.
        norm = "instance norm" if "model.model.0.bias" in tensors else "none"
        raise CheckpointError(
            f"The U-Net's norm must be batch norm. Received: {norm} in {checkpoints[0].path.name}."
        )
    width, source_channels, *_ = published.shape_of(tensors, "model.model.0.weight", 4)
    config = {
        "resolution": resolution,
        "source_channels": source_channels,
        "channels": published.shape_of(tensors, "model.model.3.weight", 4)[1],
        "width": width,
    }
    notes = [
        f"resolution={resolution} and width={width} are inferred from the U-Net's depth and "
        "shapes.",
        "Batch norm takes each image's own statistics, as test.py does without --eval; running "
        "statistics are not used.",
    ]
    unused = ["*.running_mean", "*.running_var", "*.num_batches_tracked"]
    return Published("pix2pix", CODE, config, Network(tensors, rows(depth), unused), None, notes)
