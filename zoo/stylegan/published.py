"""StyleGAN's published checkpoints: NVIDIA's TensorFlow code, a pickle of (G, D, Gs).

Gs is the average. Each network is a name, its arguments and its variables, which stand in NHWC's
order but for three: the constant and the noise are [1, C, H, W], and D's first dense layer reads
[C, 4, 4]. From 128 px on, where the code doubles and convolves at once, kernels are turned by 180
degrees. `lod` says how far the network has grown.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.core import published, static_kwargs
from zoo.core.published import Network, Published, Row, turned
from zoo.core.readers import Checkpoint, CheckpointError, Record, tensors_of

FORMATS = "StyleGAN of NVIDIA's TensorFlow code (.pkl)"

CODE = "NVlabs/stylegan"
FUSED_FROM = 128  # pixels, where `fused_scale` is "auto"

# What G_style, with its G_mapping and G_synthesis, and D_basic must have been built with: their
# defaults.
OF_G = {
    "mapping_lrmul": 0.01,
    "mapping_nonlinearity": "lrelu",
    "normalize_latents": True,
    "use_wscale": True,
    "nonlinearity": "lrelu",
    "use_styles": True,
    "const_input_layer": True,
    "use_pixel_norm": False,
    "use_instance_norm": True,
    "blur_filter": [1, 2, 1],
}
OF_D = {
    "nonlinearity": "lrelu",
    "use_wscale": True,
    "blur_filter": [1, 2, 1],
    "mbstd_num_features": 1,
}


def channels_last(array: np.ndarray) -> np.ndarray:
    """[1, C, H, W] -> [1, H, W, C]."""
    return array.transpose(0, 2, 3, 1)


def noise(array: np.ndarray) -> np.ndarray:
    """[1, 1, H, W] -> [H, W, 1]."""
    return array.transpose(0, 2, 3, 1)[0]


def first_dense(array: np.ndarray) -> np.ndarray:
    """[C 4 4, out] -> [4 4 C, out]."""
    return array.reshape(-1, 16, array.shape[1]).transpose(1, 0, 2).reshape(array.shape)


# paper, here, NVIDIA's code, layout. {r} is a resolution, {i} its block, {lod} its level of detail.
DENSE = [
    Row("f", "mapping/dense/{i}/kernel", "mapping/Dense{i}/weight"),
    Row("f", "mapping/dense/{i}/bias", "mapping/Dense{i}/bias"),
]
LABELS = [Row("f, of labels", "mapping/embedding/kernel", "mapping/LabelConcat/weight")]
CONSTANT = [
    Row("Const", "synthesis/blocks/0/constant", "synthesis/4x4/Const/const", channels_last),
    Row("Conv 3x3", "synthesis/blocks/0/conv/kernel", "synthesis/4x4/Conv/weight"),
]
BLOCK = [
    Row("Conv 3x3", "synthesis/blocks/{i}/conv_up/kernel", "synthesis/{r}x{r}/Conv0_up/weight"),
    Row("Conv 3x3", "synthesis/blocks/{i}/conv/kernel", "synthesis/{r}x{r}/Conv1/weight"),
]
EPILOGUE = [  # {e} is first or second, {c} the convolution before
    Row("bias", "synthesis/blocks/{i}/{e}/bias", "synthesis/{r}x{r}/{c}/bias"),
    Row(
        "A", "synthesis/blocks/{i}/{e}/adain/style/kernel", "synthesis/{r}x{r}/{c}/StyleMod/weight"
    ),
    Row("A", "synthesis/blocks/{i}/{e}/adain/style/bias", "synthesis/{r}x{r}/{c}/StyleMod/bias"),
]
NOISE = [
    Row("B", "synthesis/blocks/{i}/{e}/noise/strength", "synthesis/{r}x{r}/{c}/Noise/weight"),
    Row("noise", "synthesis/blocks/{i}/{e}/noise/constant", "synthesis/noise{n}", noise),
]
TO_RGB = [
    Row("toRGB", "synthesis/to_rgb/{i}/kernel", "synthesis/ToRGB_lod{lod}/weight"),
    Row("toRGB", "synthesis/to_rgb/{i}/bias", "synthesis/ToRGB_lod{lod}/bias"),
]
FROM_RGB = [
    Row("fromRGB", "from_rgb/{i}/kernel", "FromRGB_lod{lod}/weight"),
    Row("fromRGB", "from_rgb/{i}/bias", "FromRGB_lod{lod}/bias"),
]
HALVING = [
    Row("D", "blocks/{i}/conv/kernel", "{r}x{r}/Conv0/weight"),
    Row("D", "blocks/{i}/conv/bias", "{r}x{r}/Conv0/bias"),
    Row("D", "blocks/{i}/conv_down/kernel", "{r}x{r}/Conv1_down/weight"),
    Row("D", "blocks/{i}/conv_down/bias", "{r}x{r}/Conv1_down/bias"),
]
LAST = [
    Row("D", "last/conv/kernel", "4x4/Conv/weight"),
    Row("D", "last/conv/bias", "4x4/Conv/bias"),
    Row("D", "last/dense/kernel", "4x4/Dense0/weight", first_dense),
    Row("D", "last/dense/bias", "4x4/Dense0/bias"),
    Row("D", "last/score/kernel", "4x4/Dense1/weight"),
    Row("D", "last/score/bias", "4x4/Dense1/bias"),
]


def recognise(checkpoints: Sequence[Checkpoint]) -> Published | None:
    """A pickle of G, D and Gs with a mapping and a synthesis network; None of another."""
    content = checkpoints[0].content
    if len(checkpoints) != 1 or not isinstance(content, tuple) or len(content) != 3:
        return None
    g, d = content[2], content[1]
    if not isinstance(g, Record) or not isinstance(g.state, dict):
        return None
    if "synthesis" not in (g.state.get("components") or {}):
        return None
    if g.state.get("build_func_name") not in ("G_style", None):
        raise CheckpointError(
            "A TensorFlow pickle with a synthesis network must be StyleGAN's G_style. "
            f"Received: {str(g.state.get('build_func_name'))[:40]}."
        )
    tensors = tensors_of(checkpoints[0], g)
    for network in (g, *g.state["components"].values()):
        static_kwargs.check(network, "G", OF_G)
    arguments = static_kwargs.of(g)
    resolution = published.resolution_of(4 << (_levels(tensors) - 1), 8)
    sizes = [4 << i for i in range(_levels(tensors))]
    name = "synthesis/4x4/Conv/weight"
    maps = {
        r: published.shape_of(
            tensors,
            name.replace("4x4", f"{r}x{r}").replace("/Conv/", "/Conv/" if r == 4 else "/Conv1/"),
            4,
        )[-1]
        for r in sizes
    }
    base, most = published.feature_maps(maps)
    layers = published.count(tensors, "mapping/Dense{}/weight")
    classes = published.plain(arguments, "label_size", int, 0)
    latent = _latent(tensors, layers, classes)
    noisy = "synthesis/noise0" in tensors
    fused = arguments.get("fused_scale", "auto")
    config = {
        "resolution": resolution,
        "channels": published.shape_of(tensors, "synthesis/ToRGB_lod0/weight", 4)[-1],
        "latent_dim": latent,
        "num_classes": classes,
        "fmap_base": base,
        "fmap_max": most,
        "mapping_layers": layers,
        "noise": noisy,
        "stored_noise": noisy,
    }
    rows = generator_rows(sizes, layers, classes > 0, noisy, fused)
    rows.append(_mean_style(classes))
    shown, note = _shown(tensors, "lod", sizes)
    rows.append(Row("images shown", "images_shown", shown))
    notes = [
        f"fmap_base={base}, fmap_max={most} and mapping_layers={layers} are inferred from the "
        "shapes of G.",
        note,
    ]
    generator = Network(tensors, rows, unused=["lod", "synthesis/lod"])
    discriminator = None
    if isinstance(d, Record) and isinstance(d.state, dict):
        static_kwargs.check(d, "D", OF_D)
        config["group"] = static_kwargs.group_of(d)
        tensors = tensors_of(checkpoints[0], d)
        shown, _ = _shown(tensors, "lod", sizes)
        rows = [*discriminator_rows(sizes), Row("images shown", "images_shown", shown)]
        discriminator = Network(tensors, rows, ["lod"], ours_alone=["running_mean"])
    return Published("stylegan", CODE, config, generator, discriminator, notes)


def generator_rows(
    sizes: Sequence[int], layers: int, labels: bool, noisy: bool, fused: Any
) -> list[Row]:
    """The rows of G, at every resolution."""
    rows = [*CONSTANT, *(LABELS if labels else [])]
    rows += [row for i in range(layers) for row in _with(DENSE, i=i)]
    epilogue = [*EPILOGUE, *(NOISE if noisy else [])]
    for i, r in enumerate(sizes):
        names = ("Const", "Conv") if r == 4 else ("Conv0_up", "Conv1")
        for j, (c, e) in enumerate(zip(names, ("first", "second"), strict=True)):
            rows += _with(epilogue, i=i, r=r, c=c, e=e, n=2 * i + j)
        rows += _with(TO_RGB, i=i, lod=len(sizes) - 1 - i)
        if r > 4:
            up, conv = _with(BLOCK, i=i, r=r)
            turn = r >= FUSED_FROM if fused == "auto" else fused
            rows += [Row(up.paper, up.ours, up.theirs, turned) if turn else up, conv]
    return rows


def discriminator_rows(sizes: Sequence[int]) -> list[Row]:
    """The rows of D, at every resolution."""
    rows = list(LAST)
    for i, r in enumerate(sizes):
        rows += _with(FROM_RGB, i=i, lod=len(sizes) - 1 - i)
        if r > 4:
            rows += _with(HALVING, i=i, r=r)
    return rows


def _with(rows: Sequence[Row], **values: Any) -> list[Row]:
    return [
        Row(row.paper, row.ours.format(**values), row.theirs.format(**values), row.layout)
        for row in rows
    ]


def _levels(tensors: dict[str, np.ndarray]) -> int:
    return published.count(tensors, "synthesis/ToRGB_lod{}/weight")


def _latent(tensors: dict[str, np.ndarray], layers: int, classes: int) -> int:
    """The length of z and w, and the features between them, which ours has all alike."""
    inputs, maps = published.shape_of(tensors, "mapping/Dense0/weight", 2)
    latent = inputs // 2 if classes else inputs
    last = published.shape_of(tensors, f"mapping/Dense{max(layers - 1, 0)}/weight", 2)[1]
    if not latent == maps == last:
        raise CheckpointError(
            "latent_size, mapping_fmaps and dlatent_size must be equal. "
            f"Received: {latent}, {maps} and {last}."
        )
    return latent


def _mean_style(classes: int) -> Row:
    def repeated(array: np.ndarray) -> np.ndarray:
        return np.repeat(array.reshape(1, -1), max(classes, 1), axis=0)

    return Row("w_bar", "mapping/mean_style/mean", "dlatent_avg", repeated)


def _shown(tensors: dict[str, np.ndarray], name: str, sizes: Sequence[int]) -> tuple[int, str]:
    return published.images_shown(
        float(tensors[name]) if name in tensors else 0.0, 8, sizes[-1], 600_000, 600_000
    )
