"""Exports: what is in them, that they equal the model, and what happens when they cannot be."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

import zoo
from export import parity, saved_model
from zoo.presets import sha256


@pytest.fixture(scope="module")
def gan() -> zoo.DCGAN:
    return zoo.DCGAN(resolution=16, channels=1, latent_dim=4, width=4)


@pytest.fixture(scope="module")
def version(gan: zoo.DCGAN, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return saved_model.export(gan, tmp_path_factory.mktemp("models"), "small", source="a test")


def test_signatures_equal_the_live_model(gan: zoo.DCGAN, version: pathlib.Path) -> None:
    signatures = tf.saved_model.load(str(version)).signatures
    assert set(signatures) == {"serving_default", "generate", "generate_png", "discriminate"}
    seeds = np.arange(7, 15)
    live = gan.generate(8, seed=7)
    images = signatures["generate"](seed=tf.constant(seeds))["images"]
    np.testing.assert_array_equal(np.rint((images.numpy() + 1) * 127.5), live)
    for png, image in zip(
        signatures["generate_png"](seed=tf.constant(seeds))["image_bytes"].numpy(),
        live,
        strict=True,
    ):
        np.testing.assert_array_equal(tf.io.decode_png(png), image)
    latents = gan.latents_from_seeds(tf.constant(seeds))
    default = signatures["serving_default"](latents=latents)["images"]
    np.testing.assert_allclose(default, gan.ema_generator(latents, training=False), atol=1e-5)
    probability = signatures["discriminate"](images=default)["probability"]
    np.testing.assert_allclose(probability, gan.discriminate(default.numpy()), atol=1e-5)


def test_the_manifest_hashes_every_file(version: pathlib.Path) -> None:
    manifest = json.loads((version / saved_model.MANIFEST).read_text())
    files = {
        str(path.relative_to(version)): sha256(path)
        for path in version.rglob("*")
        if path.is_file() and path.name != saved_model.MANIFEST
    }
    assert manifest["sha256"] == files
    assert manifest["source"] == "a test"
    assert manifest["signatures"]["generate"] == {
        "inputs": {"seed": {"dtype": "int64", "shape": [None]}},
        "outputs": {"images": {"dtype": "float32", "shape": [None, 16, 16, 1]}},
    }
    assert manifest["max_difference_from_live_model"] <= parity.TOLERANCE


def test_warmup_requests_run(version: pathlib.Path) -> None:
    signatures = tf.saved_model.load(str(version)).signatures
    records = tf.data.TFRecordDataset(
        str(version / "assets.extra" / "tf_serving_warmup_requests")
    ).as_numpy_iterator()
    seen = set()
    for record in records:
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        assert request.model_spec.name == "small"
        key = request.model_spec.signature_name
        inputs = {name: tf.constant(tf.make_ndarray(t)) for name, t in request.inputs.items()}
        signatures[key](**inputs)
        seen.add(key)
    assert seen == set(signatures)


def test_stock_tensorflow_runs_it(version: pathlib.Path) -> None:
    """Neither Python functions nor anything of this project: loaded where `zoo` cannot be."""
    probe = (
        "import sys, tensorflow as tf\n"
        f"s = tf.saved_model.load({str(version)!r}).signatures\n"
        "print(s['generate'](seed=tf.constant([1, 2], tf.int64))['images'].shape)\n"
        "assert 'zoo' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, cwd=version
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(2, 16, 16, 1)\n"
    proto = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    graph = proto.meta_graphs[0].graph_def
    kinds = {node.op for function in graph.library.function for node in function.node_def}
    assert "EncodePng" in kinds  # these are the functions that the signatures run
    assert not kinds & {"PyFunc", "EagerPyFunc", "PyFuncStateless"}


def test_versions_count_up(gan: zoo.DCGAN, tmp_path: pathlib.Path) -> None:
    (tmp_path / "small" / "00000007").mkdir(parents=True)
    (tmp_path / "small" / "notes").mkdir()
    assert saved_model.export(gan, tmp_path, "small", source="t") == tmp_path / "small" / "8"
    assert saved_model.export(gan, tmp_path, "small", source="t") == tmp_path / "small" / "9"
    assert sorted(os.listdir(tmp_path / "small")) == ["00000007", "8", "9", "notes"]


# ---- bad input


def test_an_export_that_differs_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gan = zoo.DCGAN(resolution=16, channels=1, latent_dim=4, width=4)  # changed below
    save = saved_model._save

    def save_then_change(*arguments: object) -> None:
        save(*arguments)
        gan.ema_generator.layers[0].kernel.assign_add(
            0.1 * tf.ones_like(gan.ema_generator.layers[0].kernel)
        )

    monkeypatch.setattr(saved_model, "_save", save_then_change)
    with pytest.raises(parity.ParityError, match="within 1e-05. Received: a difference of "):
        saved_model.export(gan, tmp_path, "small", source="t")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../small", "a/b", "7", "", ".hidden"])
def test_a_name_that_is_no_folder(gan: zoo.DCGAN, tmp_path: pathlib.Path, name: str) -> None:
    with pytest.raises(saved_model.ExportError, match=f"not be a number. Received: '{name}'"):
        saved_model.export(gan, tmp_path, name, source="t")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(gan: zoo.DCGAN, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(saved_model.ExportError, match="must be a folder with room .* Received: "):
        saved_model.export(gan, tmp_path / "file", "small", source="t")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_full_disk_leaves_the_old_version_whole(gan: zoo.DCGAN, tmp_path: pathlib.Path) -> None:
    """A process that may write no file larger than 20 kB meets the end of its disk midway."""
    models = tmp_path / "models"
    saved_model.export(gan, models, "small", source="t")
    gan.save_to_preset(tmp_path / "preset")
    before = {p: p.read_bytes() for p in models.rglob("*") if p.is_file()}
    probe = (
        "import resource, signal, runpy, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        f"sys.argv = ['export', '--preset={tmp_path}/preset', '--to={models}', '--name=small']\n"
        "runpy.run_module('export', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: "), done.stderr
    assert "must be a folder with room for the export. Received: " in done.stderr
    assert "No version was written" in done.stderr
    assert {p: p.read_bytes() for p in models.rglob("*") if p.is_file()} == before
    assert os.listdir(models / "small") == ["1"]


def test_the_command_asks_for_one_source(tmp_path: pathlib.Path) -> None:
    for arguments, message in [
        ([f"--to={tmp_path}"], "one of --preset=NAME and --run=WORKDIR"),
        (["--preset=a", "--run=b", f"--to={tmp_path}"], "one of --preset=NAME and --run=WORKDIR"),
        (["--preset=dcgan_fashion_mnist"], "Give --to=DIR"),
        ([f"--run={tmp_path}", f"--to={tmp_path}"], "a run has left preset/. Received: "),
    ]:
        done = subprocess.run(
            [sys.executable, "-m", "export", *arguments], capture_output=True, text=True
        )
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert message in done.stderr
    assert list(tmp_path.iterdir()) == []
