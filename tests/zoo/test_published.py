"""Published checkpoints as presets, compared with what the code that wrote them computes.

The files of `published/` have random weights and were written by that code, which computed the
arrays beside them.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests import warm
from tests.zoo.core.readers import files
from zoo.core import published, readers
from zoo.core.readers import Checkpoint, CheckpointError, Record
from zoo.nn.layers import MinibatchStd
from zoo.nn.progressive import features

HERE = pathlib.Path(__file__).parent / "published"


def arrays(name: str) -> dict[str, np.ndarray]:
    """Outputs of the reference; images as we have them, [N, H, W, C]."""
    with np.load(HERE / f"{name}.npz") as file:
        return {
            key: array.transpose(0, 2, 3, 1) if array.ndim == 4 and array.shape[1] == 3 else array
            for key, array in file.items()
        }


def close(received: np.ndarray, expected: np.ndarray) -> None:
    error = np.max(np.abs(np.asarray(received) - expected)) / np.max(np.abs(expected))
    assert error < 1e-4


def test_stylegan2_of_nvidias_code(tmp_path: pathlib.Path) -> None:
    notes = zoo.convert(HERE / "stylegan2_ada_32.pkl", tmp_path / "x", licence="CC-BY-NC-4.0")
    assert "fmap_base=256 and fmap_max=24 are inferred" in notes[0]
    gan = zoo.load(tmp_path / "x")
    given = arrays("stylegan2_ada_32")
    w, truncated = gan.map(given["z"]), gan.map(given["z"], truncation=0.5)
    close(w[:, 0], given["w"])
    close(truncated[:, 0], given["w_psi05"])
    synthesis = gan.ema_generator.get_layer("synthesis")
    close(synthesis(w), given["images"])
    close(synthesis(truncated), given["images_psi05"])
    close(gan.discriminator(given["d_images"], training=True), given["d_logits"])
    card = json.loads((tmp_path / "x" / "card.json").read_text())
    assert card["licence"] == "CC-BY-NC-4.0"
    (source,) = card["converted_from"]["files"]
    assert source == {
        "file": "stylegan2_ada_32.pkl",
        "sha256": hashlib.sha256((HERE / "stylegan2_ada_32.pkl").read_bytes()).hexdigest(),
    }


def module(network: Record, path: str) -> Record:
    for name in path.split("."):
        network = network.state["_modules"][name]
    return network


def layer(inputs: int, outputs: int, rate: float = 1.0, activation: str = "linear") -> Record:
    """A FullyConnectedLayer of NVIDIA's code."""
    random = np.random.RandomState(inputs + outputs)
    weight = random.standard_normal((outputs, inputs)).astype(np.float32)
    parameters = {"weight": weight, "bias": np.ones(outputs, np.float32)}
    state = {"activation": activation, "bias_gain": rate, "_parameters": parameters}
    return Record("FullyConnectedLayer", state)


def with_labels(checkpoint: Checkpoint, layers: int = 8) -> None:
    """Gives the networks three classes, and D's mapping so many layers."""
    g, d = checkpoint.content["G_ema"], checkpoint.content["D"]
    g.state["c_dim"] = 3
    module(g, "mapping").state["_modules"].update(
        embed=layer(3, 32), fc0=layer(64, 32, 0.01, "lrelu")
    )
    module(d, "b4").state["cmap_dim"] = 24
    module(d, "b4").state["_modules"]["out"] = layer(24, 24)
    mapping = {f"fc{i}": layer(24, 24, 0.01, "lrelu") for i in range(layers)}
    mapping["embed"] = layer(3, 24)
    d.state["_modules"]["mapping"] = Record("MappingNetwork", {"_modules": mapping})


def test_a_mapping_network_of_another_learning_rate_is_scaled() -> None:
    """lr_multiplier times the weights is what counts: the same w from a tenth of the weights."""
    checkpoint = readers.read(HERE / "stylegan2_ada_32.pkl")
    for name in ("fc0", "fc1"):
        state = module(checkpoint.content["G_ema"], f"mapping.{name}").state
        state["bias_gain"] = 0.1
        for kind, tensor in state["_parameters"].items():
            state["_parameters"][kind] = tensor.array() / 10
    found = published.recognise([checkpoint])
    gan = zoo.StyleGAN2(**found.config, generator_alone=True)
    published.fill(gan.ema_generator, found.generator)
    given = arrays("stylegan2_ada_32")
    close(gan.map(given["z"])[:, 0], given["w"])


def test_so_is_ds_mapping_network() -> None:
    checkpoint = readers.read(HERE / "stylegan2_ada_32.pkl")
    with_labels(checkpoint)
    module(checkpoint.content["D"], "mapping.fc7").state["bias_gain"] = 1
    found = published.recognise([checkpoint]).discriminator
    rows = {row.theirs: row for row in found.rows}
    for name, factor in (("mapping.fc6", 1.0), ("mapping.fc7", 100.0)):
        kernel, bias = (rows[f"{name}.{kind}"] for kind in ("weight", "bias"))
        np.testing.assert_allclose(
            kernel.layout(found.tensors[kernel.theirs]), found.tensors[kernel.theirs].T * factor
        )
        np.testing.assert_allclose(bias.layout(found.tensors[bias.theirs]), np.full(24, factor))


@pytest.mark.parametrize(
    ("path", "key", "value", "said"),
    [
        ("G_ema.mapping.fc1", "activation", "relu", "The activation of G's mapping.fc1"),
        ("G_ema.synthesis.b8.conv0", "activation", "relu", "of G's synthesis.b8.conv0"),
        ("G_ema.synthesis.b8.conv0.affine", "activation", "lrelu", "must be 'linear'"),
        ("G_ema.synthesis.b8.torgb.affine", "bias_gain", 0.1, "The lr_multiplier of G's"),
        ("D.b32.fromrgb", "activation", "relu", "The activation of D's b32.fromrgb must"),
        ("D.b8.conv1", "activation", "relu", "The activation of D's b8.conv1 must"),
        ("D.b4.conv", "activation", "relu", "The activation of D's b4.conv must"),
        ("D.b4.fc", "activation", "relu", "The activation of D's b4.fc must"),
        ("D.b4.fc", "bias_gain", 0.01, "The lr_multiplier of D's b4.fc must be 1"),
        ("D.b4.out", "activation", "lrelu", "must be 'linear'"),
        ("D.b4.mbstd", "num_channels", 2, "D's mbstd_num_channels must be 1"),
        ("D.b4", "cmap_dim", 7, "D's cmap_dim must be 24"),
        ("G_ema", "w_dim", 16, "w_dim, as z_dim, must be 32"),
    ],
)
def test_layers_that_ours_does_not_compute_are_refused(
    path: str, key: str, value: object, said: str
) -> None:
    checkpoint = readers.read(HERE / "stylegan2_ada_32.pkl")
    with_labels(checkpoint)
    published.recognise([checkpoint])  # as it is
    network, _, rest = path.partition(".")
    record = checkpoint.content[network]
    (module(record, rest) if rest else record).state[key] = value
    with pytest.raises(CheckpointError) as error:
        published.recognise([checkpoint])
    assert said in str(error.value)
    assert str(error.value).endswith(f" Received: {value!r}.")


def test_networks_of_other_layers_are_refused() -> None:
    def refused(change: Callable[[Record, Record], object], said: str, layers: int = 8) -> None:
        checkpoint = readers.read(HERE / "stylegan2_ada_32.pkl")
        with_labels(checkpoint, layers)
        change(checkpoint.content["G_ema"], checkpoint.content["D"])
        with pytest.raises(CheckpointError, match=said):
            published.recognise([checkpoint])

    def other_filter(network: Record, path: str) -> None:
        module(network, path).state["_buffers"]["resample_filter"] = np.ones((4, 4)) / 16

    refused(lambda g, d: None, "num_layers of D's mapping must be 8. Received: 2.", layers=2)
    refused(
        lambda g, d: module(d, "b4").state["_modules"].pop("mbstd"),
        "D's mbstd_num_channels must be 1. Received: 0.",
    )
    refused(
        lambda g, d: module(g, "mapping").state["_buffers"].pop("w_avg"),
        "'mapping.w_avg', which G has unless its w_avg_beta is None. Received: no such array.",
    )
    refused(
        lambda g, d: module(g, "mapping").state["_modules"].update(embed=layer(3, 8)),
        "G's embed_features must be 32. Received: 8.",
    )
    refused(
        lambda g, d: module(g, "mapping").state["_modules"].update(fc0=layer(64, 20, 0.01)),
        "G's layer_features must be 32. Received: 20.",
    )
    said = r"resample_filter must be of \[1, 3, 3, 1\]. Received: another filter."
    refused(lambda g, d: other_filter(g, "synthesis.b16"), f"^synthesis.b16.{said}$")
    refused(lambda g, d: other_filter(d, "b8.conv1"), f"^b8.conv1.{said}$")


def test_a_pickle_may_be_g_ema_itself() -> None:
    checkpoint = readers.read(HERE / "stylegan2_ada_32.pkl")
    alone = Checkpoint(checkpoint.path, checkpoint.kind, checkpoint.content["G_ema"])
    found = published.recognise([alone])
    assert (found.family, found.config["latent_dim"]) == ("stylegan2", 32)
    assert found.discriminator is None


def rosinalitys() -> Checkpoint:
    checkpoint = readers.read(HERE / "stylegan2_ada_32.pkl")
    of_g = readers.tensors_of(checkpoint, checkpoint.content["G_ema"])
    of_d = readers.tensors_of(checkpoint, checkpoint.content["D"])
    return Checkpoint(checkpoint.path, "torch", as_rosinalitys(of_g, of_d))


@pytest.mark.parametrize("where", ["g_ema", "d"])
def test_rosinalitys_filters_are_checked(where: str) -> None:
    checkpoint = rosinalitys()
    name = next(name for name in checkpoint.content[where] if name.endswith(".kernel"))
    checkpoint.content[where][name] = np.outer([1, 2, 1], [1, 2, 1]) / 16
    with pytest.raises(CheckpointError, match=f"^{name} must be of .*Received: another filter.$"):
        published.recognise([checkpoint])


def test_rosinalitys_lr_mlp_is_read_or_assumed() -> None:
    checkpoint = rosinalitys()
    said = "lr_mlp=0.01 is assumed: it is not in the file."
    assert said in published.recognise([checkpoint]).notes
    checkpoint.content["args"] = Record("argparse.Namespace", {"lr": 0.002, "lr_mlp": 0.1})
    found = published.recognise([checkpoint])
    assert said not in found.notes
    (row,) = (row for row in found.generator.rows if row.theirs == "style.2.bias")
    np.testing.assert_allclose(row.layout(np.ones(3, np.float32)), np.full(3, 10.0))


def test_rosinalitys_noise_may_be_absent() -> None:
    checkpoint = rosinalitys()
    ema = checkpoint.content["g_ema"]
    checkpoint.content["g_ema"] = {k: v for k, v in ema.items() if not k.startswith("noises.")}
    found = published.recognise([checkpoint])
    assert "The noise of an image is not in the file: it is drawn from fixed seeds." in found.notes
    gan = zoo.StyleGAN2(**found.config, generator_alone=True)
    published.fill(gan.ema_generator, found.generator)
    synthesis = gan.ema_generator.get_layer("synthesis")
    strength = synthesis.get_layer("8_conv0_noise").strength
    np.testing.assert_array_equal(strength, ema["convs.0.noise.weight"][0])


def test_rosinalitys_g_ema_may_stand_alone() -> None:
    checkpoint = rosinalitys()
    whole = published.recognise([checkpoint])
    bare = dataclasses.replace(checkpoint, content=checkpoint.content["g_ema"])
    found = published.recognise([bare])
    assert found.config == {k: v for k, v in whole.config.items() if k in found.config}
    assert found.generator.tensors.keys() == whole.generator.tensors.keys()
    assert found.discriminator is None


@pytest.mark.slow
def test_stylegan2_of_rosinalitys_code(tmp_path: pathlib.Path) -> None:
    """Its network is NVIDIA's with other names, so the same weights give the same images."""
    nvidia = readers.read(HERE / "stylegan2_ada_32.pkl")
    of_g = readers.tensors_of(nvidia, nvidia.content["G_ema"])
    of_d = readers.tensors_of(nvidia, nvidia.content["D"])
    torch_file(tmp_path / "x.pt", as_rosinalitys(of_g, of_d))
    zoo.convert(tmp_path / "x.pt", tmp_path / "x")
    gan = zoo.load(tmp_path / "x")
    given = arrays("stylegan2_ada_32")
    w = gan.map(given["z"])
    close(w[:, 0], given["w"])
    close(gan.ema_generator.get_layer("synthesis")(w), given["images"])
    close(gan.discriminator(given["d_images"], training=True), given["d_logits"])
    # w_bar is not in the file: it is the mean of many w.
    mean = gan.ema_generator.get_layer("mapping").get_layer("mean_style").mean.numpy()
    many = gan.map(np.random.RandomState(5).standard_normal((4000, 32)).astype(np.float32))[:, 0]
    np.testing.assert_allclose(mean[0], many.mean(axis=0), atol=0.1)


def torch_file(path: pathlib.Path, content: dict[str, dict[str, np.ndarray]]) -> None:
    groups, storages = {}, {}
    for group, tensors in content.items():
        items = {}
        for name, array in tensors.items():
            key = str(len(storages))
            array = np.ascontiguousarray(array, np.float32)
            strides = [stride // 4 for stride in array.strides]
            items[name] = files.tensor(key, array.size, array.shape, strides)
            storages[key] = array.tobytes()
        groups[group] = files.dictionary(items)
    files.zipped(path, files.pickled(files.dictionary(groups)), storages)


def as_rosinalitys(
    g: dict[str, np.ndarray], d: dict[str, np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """Written from rosinality's `convert_weight.py`, which goes the same way."""
    made = {"input.input": g["synthesis.b4.const"][None]}
    for i in range(2):
        for kind in ("weight", "bias"):
            made[f"style.{i + 1}.{kind}"] = g[f"mapping.fc{i}.{kind}"]

    def styled(theirs: str, ours: str, n: int) -> None:
        made[f"{theirs}.conv.weight"] = g[f"{ours}.weight"][None]
        made[f"{theirs}.conv.modulation.weight"] = g[f"{ours}.affine.weight"]
        made[f"{theirs}.conv.modulation.bias"] = g[f"{ours}.affine.bias"]
        made[f"{theirs}.noise.weight"] = g[f"{ours}.noise_strength"].reshape(1)
        made[f"{theirs}.activate.bias"] = g[f"{ours}.bias"]
        made[f"noises.noise_{n}"] = g[f"{ours}.noise_const"][None, None]

    def to_rgb(theirs: str, ours: str) -> None:
        made[f"{theirs}.conv.weight"] = g[f"{ours}.weight"][None]
        made[f"{theirs}.conv.modulation.weight"] = g[f"{ours}.affine.weight"]
        made[f"{theirs}.conv.modulation.bias"] = g[f"{ours}.affine.bias"]
        made[f"{theirs}.bias"] = g[f"{ours}.bias"].reshape(1, -1, 1, 1)

    styled("conv1", "synthesis.b4.conv1", 0)
    to_rgb("to_rgb1", "synthesis.b4.torgb")
    for i, r in enumerate((8, 16, 32)):
        made[f"convs.{2 * i}.conv.blur.kernel"] = g["synthesis.b8.resample_filter"] * 4
        styled(f"convs.{2 * i}", f"synthesis.b{r}.conv0", 2 * i + 1)
        styled(f"convs.{2 * i + 1}", f"synthesis.b{r}.conv1", 2 * i + 2)
        to_rgb(f"to_rgbs.{i}", f"synthesis.b{r}.torgb")
    critic = {"convs.0.0.weight": d["b32.fromrgb.weight"], "convs.0.1.bias": d["b32.fromrgb.bias"]}
    for i, r in enumerate((32, 16, 8), start=1):
        critic[f"convs.{i}.conv1.0.weight"] = d[f"b{r}.conv0.weight"]
        critic[f"convs.{i}.conv1.1.bias"] = d[f"b{r}.conv0.bias"]
        critic[f"convs.{i}.conv2.0.kernel"] = d["b8.resample_filter"]
        critic[f"convs.{i}.conv2.1.weight"] = d[f"b{r}.conv1.weight"]
        critic[f"convs.{i}.conv2.2.bias"] = d[f"b{r}.conv1.bias"]
        critic[f"convs.{i}.skip.1.weight"] = d[f"b{r}.skip.weight"]
    for kind in ("weight", "bias"):
        critic[f"final_linear.0.{kind}"] = d[f"b4.fc.{kind}"]
        critic[f"final_linear.1.{kind}"] = d[f"b4.out.{kind}"]
    critic["final_conv.0.weight"] = d["b4.conv.weight"]
    critic["final_conv.1.bias"] = d["b4.conv.bias"]
    return {"g_ema": made, "d": critic}


def test_stylegan_of_nvidias_code(tmp_path: pathlib.Path) -> None:
    zoo.convert(HERE / "stylegan_tf_32.pkl", tmp_path / "x")
    gan = zoo.load(tmp_path / "x")
    given = arrays("stylegan_tf_32")
    w = gan.map(given["z"])
    close(w[:, 0], given["w"])
    close(gan.ema_generator.synthesis(w), given["images"])
    close(gan.ema_generator.synthesis(gan.map(given["z"], truncation=0.5)), given["images_psi05"])
    close(gan.discriminator(given["d_images"], training=True), given["d_scores"])
    assert gan.structure().resolution == 32


@pytest.mark.parametrize(
    ("name", "network", "key", "value", "said"),
    [
        ("stylegan_tf_32", "Gs", "mapping_lrmul", 0.1, "G's mapping_lrmul must be 0.01."),
        ("stylegan_tf_32", "mapping", "mapping_nonlinearity", "relu", "must be 'lrelu'."),
        ("stylegan_tf_32", "mapping", "normalize_latents", False, "must be True."),
        ("stylegan_tf_32", "synthesis", "nonlinearity", "relu", "must be 'lrelu'."),
        ("stylegan_tf_32", "synthesis", "use_wscale", False, "must be True."),
        ("stylegan_tf_32", "synthesis", "use_pixel_norm", True, "must be False."),
        ("stylegan_tf_32", "synthesis", "use_instance_norm", False, "must be True."),
        ("stylegan_tf_32", "synthesis", "use_styles", False, "must be True."),
        ("stylegan_tf_32", "synthesis", "const_input_layer", False, "must be True."),
        ("stylegan_tf_32", "synthesis", "blur_filter", None, "must be [1, 2, 1]."),
        ("stylegan_tf_32", "D", "nonlinearity", "relu", "D's nonlinearity must be 'lrelu'."),
        ("stylegan_tf_32", "D", "use_wscale", False, "must be True."),
        ("stylegan_tf_32", "D", "blur_filter", [1, 3, 3, 1], "must be [1, 2, 1]."),
        ("stylegan_tf_32", "D", "mbstd_num_features", 2, "must be 1."),
        ("stylegan_tf_32", "D", "mbstd_group_size", 1, "must be at least 2."),
        ("progan_tf_32", "Gs", "use_wscale", False, "G's use_wscale must be True."),
        ("progan_tf_32", "Gs", "use_pixelnorm", False, "must be True."),
        ("progan_tf_32", "Gs", "normalize_latents", False, "must be True."),
        ("progan_tf_32", "Gs", "use_leakyrelu", False, "must be True."),
        ("progan_tf_32", "Gs", "pixelnorm_epsilon", 1e-4, "must be 1e-08."),
        ("progan_tf_32", "D", "use_wscale", False, "D's use_wscale must be True."),
        ("progan_tf_32", "D", "mbstd_group_size", 0, "must be at least 2."),
    ],
)
def test_arguments_that_ours_does_not_compute_are_refused(
    name: str, network: str, key: str, value: object, said: str
) -> None:
    checkpoint = readers.read(HERE / f"{name}.pkl")
    _, d, gs = checkpoint.content
    found = {"D": d, "Gs": gs, **gs.state.get("components", {})}[network]
    found.state["static_kwargs"][key] = value
    with pytest.raises(CheckpointError) as error:
        published.recognise([checkpoint])
    assert f"{key} must" in str(error.value)
    assert str(error.value).endswith(f"{said} Received: {value!r}.")


def test_progans_d_may_halve_after_the_activation() -> None:
    """`fused_scale=False` of the reference, written out in numpy for one block."""
    checkpoint = readers.read(HERE / "progan_tf_32.pkl")
    d = checkpoint.content[1]
    d.state["static_kwargs"]["fused_scale"] = False
    d.state["variables"] = [(k.replace("_down", ""), v) for k, v in d.state["variables"]]
    found = published.recognise([checkpoint])
    gan = zoo.ProGAN(**found.config)
    published.fill(gan.discriminator, found.discriminator)
    block = gan.discriminator.blocks[1]
    x = tf.random.stateless_normal([2, 8, 8, block.conv.kernel.shape[2]], [1, 2])
    y = tf.nn.leaky_relu(block.conv(x), 0.2)
    kernel = found.discriminator.tensors["8x8/Conv1/weight"]
    kernel = kernel * np.sqrt(2.0 / np.prod(kernel.shape[:-1]))
    bias = found.discriminator.tensors["8x8/Conv1/bias"]
    y = tf.nn.leaky_relu(tf.nn.conv2d(y, kernel.astype(np.float32), 1, "SAME") + bias, 0.2)
    close(block(x), y.numpy().reshape(2, 4, 2, 4, 2, -1).mean(axis=(2, 4)))
    assert gan.get_config()["fused"] is False


def test_arguments_may_be_the_defaults_and_absent() -> None:
    checkpoint = readers.read(HERE / "stylegan_tf_32.pkl")
    _, d, gs = checkpoint.content
    for network in (d, gs, *gs.state["components"].values()):
        network.state["static_kwargs"].update(blur_filter=(1, 2, 1), use_wscale=True)
    assert published.recognise([checkpoint]).family == "stylegan"
    del d.state["static_kwargs"]
    assert published.recognise([checkpoint]).config["group"] == 4


@pytest.mark.parametrize(("layer", "sizes"), [(0, "32, 20 and 32"), (3, "32, 32 and 20")])
def test_stylegan_has_one_length_of_z_w_and_features_between(layer: int, sizes: str) -> None:
    checkpoint = readers.read(HERE / "stylegan_tf_32.pkl")
    variables = checkpoint.content[2].state["components"]["mapping"].state["variables"]
    for i, (name, _) in enumerate(variables):
        if name == f"Dense{layer}/weight":
            variables[i] = (name, np.zeros((32, 20), np.float32))
    with pytest.raises(CheckpointError, match=f"must be equal. Received: {sizes}.$"):
        published.recognise([checkpoint])


@pytest.mark.parametrize("name", ["stylegan2_ada_32", "stylegan_tf_32", "progan_tf_32"])
def test_d_judges_with_the_statistic_of_gs_images(
    name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = zoo.convert(HERE / f"{name}.pkl", tmp_path / "x")
    gan = zoo.load(tmp_path / "x")
    (layer,) = (x for x in gan.discriminator._flatten_layers() if isinstance(x, MinibatchStd))
    images = gan.ema_generator(gan.latents_from_seeds(np.arange(2 * layer.group)))
    features = []

    def noted(self: MinibatchStd, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        features.append(inputs.numpy().astype(np.float64))
        return call(self, inputs, training)

    call = MinibatchStd.call
    monkeypatch.setattr(MinibatchStd, "call", noted)
    gan.discriminator(images, training=False)
    groups = features[0].reshape(2, layer.group, -1)
    expected = np.sqrt(groups.var(axis=1) + 1e-8).mean()
    assert 0.0 < expected < np.inf
    np.testing.assert_allclose(layer.running_mean.numpy(), [expected], rtol=1e-4)
    said = (
        f"D's minibatch statistic is not in the file: its mean over {2 * layer.group} images of G, "
        f"from seeds 0 to {2 * layer.group - 1}."
    )
    card = json.loads((tmp_path / "x" / "card.json").read_text())
    assert notes[-1] == card["converted_from"]["notes"][-1] == said
    assert layer.momentum == 0.99


def test_biggan_of_its_pytorch_code_alone(tmp_path: pathlib.Path) -> None:
    notes = zoo.convert([HERE / "biggan_32_G_ema.pth"], tmp_path / "x")
    assert notes[-1] == "No discriminator is converted: the preset is a generator alone."
    gan = zoo.load(tmp_path / "x")
    given = arrays("biggan_32")
    close(gan((given["z"], given["labels"])), given["images"])
    with pytest.raises(ValueError, match="is a generator alone, and its discriminator has no"):
        gan.discriminate(np.zeros((1, 32, 32, 3), np.uint8), 0)
    card = json.loads((tmp_path / "x" / "card.json").read_text())
    assert "discriminator" not in card["parameters"]
    assert card["licence"].startswith("not stated. Many published weights are for research only")


def test_one_direction_of_cyclegan(tmp_path: pathlib.Path) -> None:
    zoo.convert(HERE / "cyclegan_G_B.pth", tmp_path / "x")
    gan = zoo.load(tmp_path / "x")
    given = arrays("cyclegan")
    close(gan.images_from(given["input"]), given["output"])
    assert gan.directions == ("a_to_b",)
    with pytest.raises(ValueError, match="direction must be one of a_to_b"):
        gan.translate(np.zeros((1, 8, 8, 3), np.uint8), "b_to_a")


def test_srgan_of_krasserms_code(tmp_path: pathlib.Path) -> None:
    zoo.convert(HERE / "srgan_krasserm.h5", tmp_path / "x")
    gan = zoo.load(tmp_path / "x")
    assert gan.phase() == "adversarial"  # the pretraining is behind it
    with np.load(HERE / "srgan_krasserm.npz") as given:
        images = gan.images_from(given["input"] / 127.5 - 1.0)
        close((images + 1.0) * 127.5, given["output"])


def test_what_is_left_over_or_missing_is_said(tmp_path: pathlib.Path) -> None:
    tensors = readers.read(HERE / "biggan_32_G_ema.pth")
    whole = {
        name: np.array(array)
        for name, array in readers.tensors_of(tensors, tensors.content).items()
    }
    files.state_dict(tmp_path / "more.pth", {**whole, "strange": np.zeros(3, np.float32)})
    with pytest.raises(CheckpointError, match="must have a place. Received: 1 without.*'strange'"):
        zoo.convert(tmp_path / "more.pth", tmp_path / "x")
    del whole["linear.bias"]
    files.state_dict(tmp_path / "less.pth", whole)
    with pytest.raises(CheckpointError, match="must hold 'linear.bias'. Received: no such array."):
        zoo.convert(tmp_path / "less.pth", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_unknown_checkpoints_are_told_what_is_known(tmp_path: pathlib.Path) -> None:
    files.state_dict(tmp_path / "x.pth", {"fc.weight": np.zeros((2, 3), np.float32)})
    with pytest.raises(CheckpointError, match="must be one of: .*StyleGAN2.*Received: x.pth.") as e:
        published.read(tmp_path / "x.pth")
    assert "\n" not in str(e.value)


def state(name: str) -> dict[str, np.ndarray]:
    """The state dict of a fixture."""
    checkpoint = readers.read(HERE / name)
    return readers.tensors_of(checkpoint, checkpoint.content)


def said_of(*paths: pathlib.Path) -> str:
    """The line with which files are refused."""
    with pytest.raises(CheckpointError) as error:
        published.read(paths)
    assert "\n" not in str(error.value)
    return str(error.value)


WHOLE = [
    "biggan_32_G_ema.pth",
    "cyclegan_G_B.pth",
    "pix2pix_unet_128_latest_net_G.pth",
    "biggan_deep_128/pytorch_model.bin",
]


def filled(found: published.Published) -> list[np.ndarray]:
    """The arrays of the file, in the order in which the network takes them."""
    tensors = found.generator.tensors
    return [tensors[row.theirs] for row in found.generator.rows if isinstance(row.theirs, str)]


@pytest.mark.parametrize("name", WHOLE)
def test_the_prefix_of_data_parallel_is_left_away(name: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / pathlib.Path(name).name
    prefixed = {f"module.{key}": array for key, array in state(name).items()}
    files.state_dict(path, prefixed)
    if "deep" in name:
        shutil.copy(HERE / "biggan_deep_128" / "config.json", tmp_path)
    found, _ = published.read(path)
    expected, _ = published.read(HERE / name)
    assert (found.family, found.config) == (expected.family, expected.config)
    for ours, theirs in zip(filled(found), filled(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # One name without it, and it is a part of the names.
    files.state_dict(path, {**prefixed, "other": np.zeros(2, np.float32)})
    assert said_of(path).startswith("A checkpoint must be one of")


def test_the_prefix_is_left_away_within_a_file_of_several_networks() -> None:
    content = {"g_ema": {"module.a": 1, "module.b": 2}, "d": {"module.a": 1, "b": 2}, "epoch": 3}
    checkpoint, notes = published.bare(readers.Checkpoint(HERE, "torch", content))
    assert checkpoint.content == {**content, "g_ema": {"a": 1, "b": 2}}
    assert not notes


@pytest.mark.parametrize("key", ["state_dict", "model", "generator", "G", "params"])
def test_a_wrapped_state_dict_is_taken_out(key: str, tmp_path: pathlib.Path) -> None:
    whole = state("cyclegan_G_B.pth")
    prefixed = {f"module.{name}": array for name, array in whole.items()}
    torch_file(tmp_path / "x.pth", {"epoch": {}, key: prefixed, "D": {"a": np.zeros(2)}})
    found, _ = published.read(tmp_path / "x.pth")
    assert f"Of x.pth, {key!r} is taken; no use is made of epoch, D." in found.notes
    expected, _ = published.read(HERE / "cyclegan_G_B.pth")
    for ours, theirs in zip(filled(found), filled(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not any("is taken" in note for note in expected.notes)


def biggan_d(attention: tuple[int, ...] = (), narrow: bool = False) -> dict[str, np.ndarray]:
    """A state dict of BigGAN-PyTorch's D for the G of the fixture, by names and shapes."""
    width = 4 * (state("biggan_32_G_ema.pth")["blocks.0.0.conv1.weight"].shape[1] // 4)
    made = {}
    for i in range(4):
        before = width if i else 3
        middle = before if narrow else width
        made[f"blocks.{i}.0.conv1.weight"] = np.zeros((middle, before, 3, 3), np.float32)
        made[f"blocks.{i}.0.conv2.weight"] = np.zeros((width, middle, 3, 3), np.float32)
    made["blocks.0.0.conv1.u0"] = np.ones((1, width), np.float32)
    made["embed.weight"] = np.zeros((5, width), np.float32)
    return made | {f"blocks.{i}.1.gamma": np.zeros((), np.float32) for i in attention}


def test_biggans_attention_must_be_the_same_in_both_networks(tmp_path: pathlib.Path) -> None:
    g, d = tmp_path / "G.pth", tmp_path / "D.pth"
    whole = state("biggan_32_G_ema.pth")
    said = "BigGAN must have attention at one size, the same in G and D. Received: sizes "
    gamma = np.zeros((), np.float32)
    for of_g, of_d, received in (
        ((), (0, 1, 2, 3), "[] in G, [16, 8, 8, 8] in D."),
        ((), (0,), "[] in G, [16] in D."),
        ((1,), (), "[16] in G, [] in D."),
        ((0,), (0,), "[8] in G, [16] in D."),
        ((1,), (0, 1), "[16] in G, [16, 8] in D."),
    ):
        files.state_dict(g, {**whole, **{f"blocks.{i}.1.gamma": gamma for i in of_g}})
        files.state_dict(d, biggan_d(of_d))
        assert said_of(g, d) == said + received
    # Of 32 px G may have it at its last size, where D has no block.
    for of_g, of_d in (((1,), (0,)), ((0,), (1,)), ((2,), ())):
        files.state_dict(g, {**whole, **{f"blocks.{i}.1.gamma": gamma for i in of_g}})
        files.state_dict(d, biggan_d(of_d))
        assert published.read([g, d])[0].config["attention"] == 8 << of_g[0]
    files.state_dict(g, {**whole, "blocks.0.1.gamma": gamma, "blocks.2.1.gamma": gamma})
    assert said_of(g) == (
        "BigGAN must have attention at one size. Received: 2 attentions in G.pth."
    )


def test_other_networks_of_biggan_pytorch_are_refused(tmp_path: pathlib.Path) -> None:
    g, d = HERE / "biggan_32_G_ema.pth", tmp_path / "D.pth"
    files.state_dict(d, biggan_d(narrow=True))
    assert said_of(g, d).endswith("Received: 3 by the first, as D_wide=False of that code has.")
    five = {**biggan_d(), "blocks.4.0.conv1.weight": np.zeros((1, 1, 3, 3), np.float32)}
    files.state_dict(d, five)
    assert "D must have a block more than G, 4. Received: 5." in said_of(g, d)
    deep = {**state(g.name), "blocks.0.0.conv4.weight": np.zeros((1, 1, 1, 1), np.float32)}
    files.state_dict(d, deep)
    assert said_of(d) == (
        "BigGAN-deep is converted from Hugging Face's code alone. "
        "Received: BigGANdeep of BigGAN-PyTorch in D.pth."
    )
    assert "BN_eps=1e-5 is assumed: it is not in the file." in published.read(g)[0].notes


def test_hugging_faces_epsilon_has_a_default(tmp_path: pathlib.Path) -> None:
    for name in ("pytorch_model.bin", "config.json"):
        shutil.copy(HERE / "biggan_deep_128" / name, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["eps"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    found, _ = published.read(tmp_path / "pytorch_model.bin")
    assert found.config["bn_epsilon"] == 1e-4
    assert found.notes[-1] == (
        "eps is not in config.json beside pytorch_model.bin: 0.0001, that code's default."
    )


def patch_d(kernel: int, name: str, places: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {f"{name}.{i}.weight": np.zeros((4, 4, kernel, kernel), np.float32) for i in places}


CYCLEGANS = "junyanz/pytorch-CycleGAN-and-pix2pix"
DISCRIMINATORS = {
    "basic": (patch_d(4, "model", (0, 2, 5, 8, 11)), CYCLEGANS),
    "n_layers": (patch_d(4, "model", (0, 2, 5)), CYCLEGANS),
    "pixel": (patch_d(1, "net", (0, 2, 5)), CYCLEGANS),
    "srgan": (patch_d(3, "net", (0, 2, 5, 8, 11, 14, 17, 20, 24, 26)), "leftthomas/SRGAN"),
}


@pytest.mark.parametrize("kind", DISCRIMINATORS)
def test_a_discriminator_of_another_kind_is_left_aside(kind: str, tmp_path: pathlib.Path) -> None:
    arrays, code = DISCRIMINATORS[kind]
    d = tmp_path / "D.pth"
    files.state_dict(d, arrays)
    assert said_of(d) == (
        f"A generator must be given: D.pth is D of {code}, which is not converted. "
        "Received: D.pth alone."
    )
    for name in ("cyclegan_G_B.pth", "pix2pix_unet_128_latest_net_G.pth"):
        found, _ = published.read([d, HERE / name])
        assert found.config == published.read(HERE / name)[0].config
        assert found.notes[-1] == f"D.pth is D of {code}, which is not converted."


@pytest.mark.parametrize("bias", [True, False])
def test_a_unet_without_batch_norm_is_refused(bias: bool, tmp_path: pathlib.Path) -> None:
    whole = state("pix2pix_unet_128_latest_net_G.pth")
    convolutions = {name: array for name, array in whole.items() if array.ndim == 4}
    convolutions["model.model.3.bias"] = whole["model.model.3.bias"]
    if bias:
        convolutions["model.model.0.bias"] = np.zeros(4, np.float32)
    files.state_dict(tmp_path / "x.pth", convolutions)
    assert said_of(tmp_path / "x.pth") == (
        "The U-Net's norm must be batch norm. "
        f"Received: {'instance norm' if bias else 'none'} in x.pth."
    )


def test_keras_weights_without_batch_norm_are_refused() -> None:
    layers = [("conv2d", [np.zeros((3, 3, 3, 8), np.float32), np.zeros(8, np.float32)])] * 20
    checkpoint = readers.Checkpoint(pathlib.Path("edsr.h5"), "keras", layers)
    with pytest.raises(CheckpointError) as error:
        published.recognise([checkpoint])
    assert str(error.value) == (
        "Keras weights must be of krasserm's sr_resnet, which has batch norm. "
        "Received: none in edsr.h5, as in EDSR and WDSR."
    )


def test_the_base_of_feature_maps_gives_those_of_every_resolution() -> None:
    for first, last in ((4, 8), (4, 32), (4, 128), (2, 32)):
        sizes = [r for r in (2, 4, 8, 16, 32, 64, 128) if first <= r <= last]
        for most in (1, 3, 16, 50):
            for base in range(1, 150):
                maps = {r: features(r, base, most) for r in sizes}
                found = published.feature_maps(maps)
                assert {r: features(r, *found) for r in sizes} == maps
    assert published.feature_maps({4: 50, 8: 25, 16: 12}) == (100, 50)
    assert published.feature_maps({2: 64, 4: 50, 8: 25, 16: 12}) == (100, 64)
    for maps in ({4: 50, 8: 25, 16: 13}, {4: 16, 8: 16, 16: 4}, {4: 8, 8: 16}):
        most = max(maps.values())
        of = [{r: features(r, base, most) for r in maps} for base in range(1, 500)]
        assert maps not in of
        with pytest.raises(CheckpointError, match="Feature maps must halve"):
            published.feature_maps(maps)


def test_an_array_for_a_place_that_is_not_there_is_said() -> None:
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="dense")])
    assert published.find(network, "dense/kernel").shape == (2, 3)
    for path in ("attention/gamma", "dense/other", "layers/7/kernel", "layers/x", "dense/7"):
        with pytest.raises(CheckpointError, match=f"Received: one for {path}, where there is none"):
            published.find(network, path)


def test_the_stage_follows_from_the_level_of_detail() -> None:
    of = [published.images_shown(lod, 8, 32, 600, 600)[0] for lod in (2, 1.75, 1, 0.5, 0)]
    assert of == [0, 750, 1200, 2100, 2400]
    with pytest.raises(CheckpointError, match="lod must be that of a stage"):
        published.images_shown(3, 8, 32, 600, 600)


def test_refusing_a_file_needs_no_tensorflow(tmp_path: pathlib.Path) -> None:
    script = (
        "import sys\nfrom zoo.core import published\n"
        "try:\n    published.read('x')\nexcept ValueError as error:\n    print(error)\n"
        "assert 'tensorflow' not in sys.modules and 'torch' not in sys.modules"
    )
    (tmp_path / "x").write_bytes(b"\x80\x02cos\nsystem\nX\x05\x00\x00\x00touchtR.")
    root = pathlib.Path(zoo.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{script}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.stdout.count("\n") == 1
    assert "nothing of it is run. Received: 'os.system'." in done.stdout
    assert done.returncode == 0, done.stderr


def test_the_command(tmp_path: pathlib.Path) -> None:
    home = tmp_path / "home"
    command = [warm.python(), "-m", "zoo", "convert", "~/G_ema.pth", "--to=~/x"]
    env = {**os.environ, "HOME": str(home)}
    home.mkdir()
    shutil.copy(HERE / "biggan_32_G_ema.pth", home / "G_ema.pth")
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert "width=8" in done.stdout
    assert "Licence: not stated." in done.stdout
    assert "Wrote ~/x: zoo.load('~/x')" in done.stdout
    assert (home / "x" / "model.weights.h5").is_file()
    (tmp_path / "y").write_text("hello")
    for to, said in (
        ("home/x", "--to must be a new folder, or pass --overwrite. Received: home/x"),
        ("z", "A checkpoint must be a PyTorch file"),
    ):
        command = [warm.python(), "-m", "zoo", "convert", "y", f"--to={to}"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith(f"error: {said}")
        assert done.stderr.count("\n") == 1
