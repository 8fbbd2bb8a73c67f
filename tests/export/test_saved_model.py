"""Exports: what is in them, that they equal the model, and what happens when they cannot be."""

import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

import zoo
from export import atomic, parity, saved_model
from export.__main__ import main
from tests import warm
from tests.commands import end_of
from tests.marks import GENERATED, properties
from zoo.core.storage import sha256


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
        assert properties(png) == {
            "about": "",
            "CreatorTool": f"gan-zoo {zoo.__version__}, small, 0 steps",
            "DigitalSourceType": GENERATED,
            "AISystemUsed": "small",
            "AISystemVersionUsed": "0 steps",
        }
    latents = gan.latents_from_seeds(tf.constant(seeds))
    default = signatures["serving_default"](latents=latents)["images"]
    np.testing.assert_allclose(default, gan.ema_generator(latents, training=False), atol=1e-5)
    probability = signatures["discriminate"](images=default)["probability"]
    np.testing.assert_allclose(probability, gan.discriminate(default.numpy()), atol=1e-5)


def test_the_manifest_hashes_every_file(version: pathlib.Path) -> None:
    manifest = json.loads((version / atomic.MANIFEST).read_text())
    files = {
        str(path.relative_to(version)): sha256(path)
        for path in version.rglob("*")
        if path.is_file() and path.name != atomic.MANIFEST
    }
    assert manifest["sha256"] == files
    assert manifest["source"] == "a test"
    assert manifest["mark"] == {"model": "small", "version": "0 steps", "composite": False}
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
    done = subprocess.run([warm.python(), "-c", probe], capture_output=True, text=True, cwd=version)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(2, 16, 16, 1)\n"
    proto = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    graph = proto.meta_graphs[0].graph_def
    kinds = {node.op for function in graph.library.function for node in function.node_def}
    assert "EncodePng" in kinds  # these are the functions that the signatures run
    assert not kinds & {"PyFunc", "EagerPyFunc", "PyFuncStateless"}


def test_versions_count_up(
    gan: zoo.DCGAN, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small" / "00000007").mkdir(parents=True)
    (tmp_path / "small" / "notes").mkdir()
    assert saved_model.export(gan, tmp_path, "small", source="t") == tmp_path / "small" / "8"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert saved_model.export(gan, "~", "small", source="t") == tmp_path / "small" / "9"
    assert sorted(os.listdir(tmp_path / "small")) == ["00000007", "8", "9", "notes"]


# ---- labels, truncation, critics, styles


class Styled(zoo.CGAN):
    """A conditional GAN with truncation and styles of a kind: w is three scaled copies of z."""

    truncates = True
    critic = True

    def map_latents(self, latents, labels=None, truncation=None):
        psi = 1.0 if truncation is None else tf.where(tf.math.is_nan(truncation), 1.0, truncation)
        kinds = tf.cast(labels, tf.float32)[:, None, None] + tf.range(1.0, 4.0)[None, :, None]
        return (
            latents[:, None, :] * tf.reshape(psi * tf.ones_like(latents[:, 0]), [-1, 1, 1]) * kinds
        )

    def synthesize_w(self, w):
        return self.images_from(w[:, 0], tf.zeros(tf.shape(w)[:1], tf.int32))

    def images_from(self, latents, labels=None, truncation=None):
        if truncation is not None:
            latents *= tf.where(tf.math.is_nan(truncation), 1.0, truncation)[:, None]
        return super().images_from(latents, labels)

    def mix_seeds(self, seed_a, seed_b, cutoff, labels=None):
        a, b = (
            self.map_latents(self.latents_from_seeds(seeds), labels) for seeds in (seed_a, seed_b)
        )
        from_b = tf.range(3)[None, :, None] >= cutoff[:, None, None]
        return self.synthesize_w(tf.where(from_b, b, a))


@pytest.fixture(scope="module")
def styled() -> Styled:
    return Styled(resolution=8, num_classes=3, latent_dim=4, width=48)


@pytest.fixture(scope="module")
def styled_signatures(styled: Styled, tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = saved_model.export(styled, tmp_path_factory.mktemp("styled"), "s", source="a test")
    manifest = json.loads((folder / atomic.MANIFEST).read_text())["signatures"]
    taken = {name: sorted(one["inputs"]) for name, one in manifest.items()}
    assert taken == {
        "serving_default": ["labels", "latents"],
        "generate": ["labels", "seed", "truncation"],
        "generate_png": ["labels", "seed", "truncation"],
        "discriminate": ["images", "labels"],
        "map": ["labels", "latents", "truncation"],
        "synthesize": ["w"],
        "mix": ["cutoff", "labels", "seed_a", "seed_b"],
    }
    assert manifest["generate"]["inputs"]["labels"] == {"dtype": "int32", "shape": [None]}
    assert manifest["generate"]["inputs"]["truncation"] == {"dtype": "float32", "shape": [None]}
    assert manifest["map"]["outputs"]["w"]["shape"] == [None, 3, 4]
    assert list(manifest["discriminate"]["outputs"]) == ["score"]
    return tf.saved_model.load(str(folder)).signatures


def test_labels_and_truncation_are_the_live_models(styled: Styled, styled_signatures: dict) -> None:
    seeds = np.arange(7, 13)
    labels = np.array([2, -1, 0, -1, 1, 1], np.int32)
    drawn = styled.condition_from_seeds(tf.constant(seeds)).numpy()
    truncation = np.array([np.nan, 0.5, 0, 1, np.nan, 2], np.float32)
    inputs = [tf.constant(x) for x in (labels, seeds, truncation)]
    images = styled_signatures["generate"](
        **dict(zip(["labels", "seed", "truncation"], inputs, strict=True))
    )["images"].numpy()
    for i, (label, psi) in enumerate(zip(labels, truncation, strict=True)):
        latents = styled.latents_from_seeds(tf.constant(seeds[i : i + 1]))
        latents *= 1.0 if np.isnan(psi) else psi
        kind = [drawn[i] if label < 0 else label]
        expected = styled.ema_generator([latents, tf.constant(kind)], training=False)
        np.testing.assert_allclose(images[i], expected[0], atol=1e-5)


def test_what_no_model_can_draw_is_refused_in_the_graph(
    styled: Styled, styled_signatures: dict
) -> None:
    two = {
        "latents": tf.zeros([2, 4]),
        "seed": tf.constant([0, 1], tf.int64),
        "seed_a": tf.constant([0, 1], tf.int64),
        "seed_b": tf.constant([0, 1], tf.int64),
        "images": tf.zeros([2, 8, 8, 1]),
        "labels": tf.constant([0, 2]),
        "truncation": tf.constant([0.5, np.nan]),
        "cutoff": tf.constant([0, 3]),
        "w": tf.zeros([2, 3, 4]),
    }
    labels_rule = r"Labels must be integers from 0 to 2, one for each image\."
    for signature in styled_signatures.values():
        taken = signature.structured_input_signature[1]
        good = {key: two[key] for key in taken}
        signature(**good)
        wrong = {"labels": [([0, 3], labels_rule, "3"), ([-2, 0], labels_rule, "-2")]}
        if "seed" not in taken and "seed_a" not in taken:
            wrong["labels"].append(([-1, 0], labels_rule, "-1"))
        wrong["truncation"] = [([0.5, -0.5], "truncation must be at least 0, or NaN", "-0.5")]
        rule = "cutoff must be from 0 to 3, the number of styles"
        wrong["cutoff"] = [([0, 4], rule, "4"), ([-1, 0], rule, "-1")]
        for key in taken.keys() & wrong.keys():
            for values, rule, received in wrong[key]:
                bad = {**good, key: tf.constant(values)}
                with pytest.raises(
                    tf.errors.InvalidArgumentError,
                    match=rf"{rule}.* Received:\] \[{received}\]",
                ):
                    signature(**bad)


def test_a_signature_without_a_twin_is_refused(
    tmp_path: pathlib.Path, gan: zoo.DCGAN, monkeypatch: pytest.MonkeyPatch
) -> None:
    signatures = saved_model.noise_to_image
    monkeypatch.setattr(
        saved_model,
        "noise_to_image",
        lambda *of: {**signatures(*of), "other": signatures(*of)["generate"]},
    )
    with pytest.raises(
        parity.ParityError, match=r"its twin in the live model: .* Received: .*other"
    ):
        saved_model.export(gan, tmp_path, "small", source="t")
    assert list(tmp_path.iterdir()) == []


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
    with pytest.raises(atomic.ExportError, match=f"not be a number. Received: '{name}'"):
        saved_model.export(gan, tmp_path, name, source="t")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(gan: zoo.DCGAN, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(atomic.ExportError, match="must be a folder with room .* Received: "):
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
    done = subprocess.run([warm.python(), "-c", probe], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: "), done.stderr
    assert "must be a folder with room for the export. Received: " in done.stderr
    assert "No version was written" in done.stderr
    assert {p: p.read_bytes() for p in models.rglob("*") if p.is_file()} == before
    assert os.listdir(models / "small") == ["1"]


def test_the_command_asks_for_one_source(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
) -> None:
    for arguments, message in [
        ([f"--to={tmp_path}"], "one of --preset=NAME and --run=WORKDIR"),
        (["--preset=a", "--run=b", f"--to={tmp_path}"], "one of --preset=NAME and --run=WORKDIR"),
        (["--preset=dcgan_fashion_mnist"], "Give --to=DIR"),
        (
            [f"--run={tmp_path}", f"--to={tmp_path}"],
            "a run has left preset/, as each checkpoint does. Received: ",
        ),
    ]:
        code, _, error = end_of(capsys, main, *arguments)
        assert code == 1
        assert error.startswith("error: ")
        assert message in error
    assert list(tmp_path.iterdir()) == []
