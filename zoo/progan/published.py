"""ProGAN's published checkpoints: NVIDIA's TensorFlow code, a pickle of (G, D, Gs).

Gs is the average. Kernels that double and convolve at once ("Conv0_up") are [h, w, out, in] and
turned by 180 degrees. The dense layers at 4 px make and read [C, 4, 4]. `lod` says how far the
network has grown.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.core import published, static_kwargs
from zoo.core.published import Network, Published, Row, turned
from zoo.core.readers import Checkpoint, CheckpointError, Record, tensors_of

FORMATS = "ProGAN of NVIDIA's TensorFlow code (.pkl)"

CODE = "tkarras/progressive_growing_of_gans"

# What G_paper and D_paper must have been built with: their defaults.
OF_G = {
    "use_wscale": True,
    "use_pixelnorm": True,
    "normalize_latents": True,
    "use_leakyrelu": True,
    "pixelnorm_epsilon": 1e-8,
}
OF_D = {"use_wscale": True}


def first_dense(array: np.ndarray) -> np.ndarray:
    """[z, C 4 4] -> [z, 4 4 C]."""
    return array.reshape(len(array), -1, 16).transpose(0, 2, 1).reshape(array.shape)


def last_dense(array: np.ndarray) -> np.ndarray:
    """[C 4 4, out] -> [4 4 C, out]."""
    return array.reshape(-1, 16, array.shape[1]).transpose(1, 0, 2).reshape(array.shape)


def transposed(array: np.ndarray) -> np.ndarray:
    """[h, w, out, in] of a transposed convolution -> [h, w, in, out] of ours."""
    return turned(array.transpose(0, 1, 3, 2))


# paper, here, NVIDIA's code, layout. {r} is a resolution, {i} its block, {lod} its level of detail.
FIRST = [
    Row("Conv 4x4", "first/dense/kernel", "4x4/Dense/weight", first_dense),
    Row("Conv 4x4", "first/bias", "4x4/Dense/bias"),
    Row("Conv 3x3", "first/conv/kernel", "4x4/Conv/weight"),
    Row("Conv 3x3", "first/conv/bias", "4x4/Conv/bias"),
]
FUSED = [
    Row("Conv 3x3", "blocks/{i}/conv_up/kernel", "{r}x{r}/Conv0_up/weight", transposed),
    Row("Conv 3x3", "blocks/{i}/conv_up/bias", "{r}x{r}/Conv0_up/bias"),
]
PLAIN = [
    Row("Conv 3x3", "blocks/{i}/conv_up/kernel", "{r}x{r}/Conv0/weight"),
    Row("Conv 3x3", "blocks/{i}/conv_up/bias", "{r}x{r}/Conv0/bias"),
]
SECOND = [
    Row("Conv 3x3", "blocks/{i}/conv/kernel", "{r}x{r}/Conv1/weight"),
    Row("Conv 3x3", "blocks/{i}/conv/bias", "{r}x{r}/Conv1/bias"),
]
TO_RGB = [
    Row("toRGB", "to_rgb/{i}/kernel", "ToRGB_lod{lod}/weight"),
    Row("toRGB", "to_rgb/{i}/bias", "ToRGB_lod{lod}/bias"),
]
FROM_RGB = [
    Row("fromRGB", "from_rgb/{i}/kernel", "FromRGB_lod{lod}/weight"),
    Row("fromRGB", "from_rgb/{i}/bias", "FromRGB_lod{lod}/bias"),
]
HALVING = [  # {down} is Conv1_down where it is fused, Conv1 where D halves after the activation
    Row("Conv 3x3", "blocks/{i}/conv/kernel", "{r}x{r}/Conv0/weight"),
    Row("Conv 3x3", "blocks/{i}/conv/bias", "{r}x{r}/Conv0/bias"),
    Row("Conv 3x3", "blocks/{i}/conv_down/kernel", "{r}x{r}/{down}/weight"),
    Row("Conv 3x3", "blocks/{i}/conv_down/bias", "{r}x{r}/{down}/bias"),
]
LAST = [
    Row("Conv 3x3", "last/conv/kernel", "4x4/Conv/weight"),
    Row("Conv 3x3", "last/conv/bias", "4x4/Conv/bias"),
    Row("Conv 4x4", "last/dense/kernel", "4x4/Dense0/weight", last_dense),
    Row("Conv 4x4", "last/dense/bias", "4x4/Dense0/bias"),
    Row("Fully-connected", "last/score/kernel", "4x4/Dense1/weight"),
    Row("Fully-connected", "last/score/bias", "4x4/Dense1/bias"),
]


def recognise(checkpoints: Sequence[Checkpoint]) -> Published | None:
    """A pickle of G, D and Gs without components; None of another."""
    content = checkpoints[0].content
    if len(checkpoints) != 1 or not isinstance(content, tuple) or len(content) != 3:
        return None
    g, d = content[2], content[1]
    if not isinstance(g, Record) or not isinstance(g.state, dict) or g.state.get("components"):
        return None
    tensors = tensors_of(checkpoints[0], g)
    if "4x4/Dense/weight" not in tensors:
        return None
    if published.plain(static_kwargs.of(g), "label_size", int, 0):
        raise CheckpointError("ProGAN takes no labels here. Received: a checkpoint with labels.")
    static_kwargs.check(g, "G", OF_G)
    levels = published.count(tensors, "ToRGB_lod{}/weight")
    sizes = [4 << i for i in range(levels)]
    published.resolution_of(sizes[-1])
    maps = {
        r: published.shape_of(tensors, f"{r}x{r}/Conv{'' if r == 4 else '1'}/weight", 4)[-1]
        for r in sizes
    }
    base, most = published.feature_maps(maps)
    config = {
        "resolution": sizes[-1],
        "channels": published.shape_of(tensors, "ToRGB_lod0/weight", 4)[-1],
        "latent_dim": published.shape_of(tensors, "4x4/Dense/weight", 2)[0],
        "fmap_base": base,
        "fmap_max": most,
    }
    rows = list(FIRST)
    for i, r in enumerate(sizes):
        rows += _with(TO_RGB, i=i, lod=levels - 1 - i)
        if r > 4:
            fused = f"{r}x{r}/Conv0_up/weight" in tensors
            rows += _with([*(FUSED if fused else PLAIN), *SECOND], i=i, r=r)
    shown, note = _shown(tensors, sizes)
    rows.append(Row("images shown", "images_shown", shown))
    notes = [f"fmap_base={base} and fmap_max={most} are inferred from the shapes of G.", note]
    generator = Network(tensors, rows, unused=["lod"])
    discriminator = None
    if isinstance(d, Record) and isinstance(d.state, dict):
        static_kwargs.check(d, "D", OF_D)
        config["group"] = static_kwargs.group_of(d)
        tensors = tensors_of(checkpoints[0], d)
        config["fused"] = "8x8/Conv1/weight" not in tensors
        rows = list(LAST)
        for i, r in enumerate(sizes):
            rows += _with(FROM_RGB, i=i, lod=levels - 1 - i)
            if r > 4:
                down = "Conv1_down" if config["fused"] else "Conv1"
                rows += _with(HALVING, i=i, r=r, down=down)
        rows.append(Row("images shown", "images_shown", _shown(tensors, sizes)[0]))
        discriminator = Network(tensors, rows, ["lod"], ours_alone=["running_mean"])
    return Published("progan", CODE, config, generator, discriminator, notes)


def _with(rows: Sequence[Row], **values: Any) -> list[Row]:
    return [
        Row(row.paper, row.ours.format(**values), row.theirs.format(**values), row.layout)
        for row in rows
    ]


def _shown(tensors: dict[str, np.ndarray], sizes: Sequence[int]) -> tuple[int, str]:
    lod = float(tensors["lod"]) if "lod" in tensors else 0.0
    return published.images_shown(lod, 4, sizes[-1], 800_000, 800_000)
