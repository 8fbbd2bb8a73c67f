"""ONNX, OpenVINO and LiteRT: each compared in its own runtime."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import zoo
from export import portable
from export.__main__ import main
from export.atomic import ExportError
from export.parity import ParityError
from tests.commands import end_of
from zoo.core.presets import get_preset, list_presets
from zoo.core.runtime import Runtime
from zoo.pictures.marks import Mark

FORMATS = tuple(portable.NEEDS)


@pytest.fixture(scope="module")
def gan() -> zoo.CGAN:
    return zoo.CGAN(resolution=8, num_classes=3, latent_dim=5, width=48)


@pytest.fixture(scope="module")
def versions(gan: zoo.CGAN, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    to = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(to))
        found = {
            format: portable.export(gan, "~", "small", source="a test", format=format)
            for format in FORMATS
        }
    assert found == {format: to / "small" / format / "1" for format in FORMATS}
    return found


@pytest.mark.parametrize("format", FORMATS)
def test_it_draws_what_the_model_draws(
    gan: zoo.CGAN, versions: dict[str, pathlib.Path], format: str
) -> None:
    exported = zoo.runtime(versions[format])
    for arguments in (
        {"n": 3, "seed": 2**40},
        {"n": 2, "seed": -9, "labels": 1},
        {"labels": [2, 0, 1], "n": 3, "seed": 0},
    ):
        live = gan.generate(**arguments)
        made = exported.generate(**arguments)
        assert made.dtype == np.uint8
        assert made.shape == live.shape
        assert np.abs(made.astype(int) - live).max() <= 1
    manifest = json.loads((versions[format] / "manifest.json").read_text())
    assert manifest["max_difference_from_live_model"] <= portable.TOLERANCE
    assert manifest["float16_weights"] is False
    assert exported.mark == Mark("small", "0 steps")
    assert exported.generate(labels=[0, 1]).shape == (2, 8, 8, 1)
    assert not (exported.generate(64) == exported.generate(64)).all()  # a fresh seed


def test_onnx_takes_seeds(gan: zoo.CGAN, versions: dict[str, pathlib.Path]) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(versions["onnx"] / "generate.onnx"))
    inputs = {"seed": np.array([7, -8, 9]), "labels": np.array([-1, 2, -1], np.int32)}
    (made,) = session.run(["generated"], inputs)
    labels = gan.condition_from_seeds(tf.constant(inputs["seed"])).numpy()
    labels[1] = 2
    live = [
        gan.generate(1, seed=int(seed), labels=int(label))[0]
        for seed, label in zip(inputs["seed"], labels, strict=True)
    ]
    assert np.abs(np.rint((made + 1) * 127.5) - live).max() <= 1


def test_it_needs_no_tensorflow(versions: dict[str, pathlib.Path]) -> None:
    probe = (
        "import importlib.util as u, sys\n"
        "gone, find = ('tensorflow', 'keras'), u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name in gone else find(name, *a)\n"
        "for name in gone: sys.modules[name] = None  # cannot be imported\n"
        "import zoo\n"
        f"for path in {[str(versions[name]) for name in FORMATS]}:\n"
        "    print(zoo.runtime(path).generate(2, seed=1).shape)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert done.stdout == "(2, 8, 8, 1)\n" * 3, done.stderr


@pytest.mark.slow
def test_half_the_bytes(
    gan: zoo.CGAN, versions: dict[str, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    half = portable.export(gan, tmp_path, "small", source="t", format="onnx", float16=True)
    whole_size, half_size = (
        (version / "from_latents.onnx").stat().st_size for version in (versions["onnx"], half)
    )
    assert half_size < 0.7 * whole_size
    made = zoo.runtime(half).generate(4, seed=0)
    assert np.abs(made.astype(int) - gan.generate(4, seed=0)).max() <= 2


@pytest.mark.parametrize(
    "format", ["onnx", pytest.param("openvino", marks=pytest.mark.slow), "litert"]
)
def test_pictures_of_any_size(tmp_path: pathlib.Path, format: str) -> None:
    gan = zoo.SRGAN(resolution=32, width=8, blocks=1, features="none")
    exported = zoo.runtime(portable.export(gan, tmp_path, "s", source="t", format=format))
    images = np.random.default_rng(0).integers(0, 256, (1, 9, 14, 3), np.uint8)
    assert exported.any_size("upscale")
    made = exported.upscale(images)
    assert np.abs(made.astype(int) - gan.upscale(images)).max() <= 1


# ---- bad input


def test_what_the_model_does_not_take(versions: dict[str, pathlib.Path]) -> None:
    exported = zoo.runtime(versions["onnx"] / "from_latents.onnx")
    for arguments, message in [
        ({"n": 2, "labels": [0, 3]}, "labels must be integers from 0 to 2, one for each of 2"),
        ({"n": 2, "labels": [0, 1, 2]}, "one for each of 2 images. Received: 3 labels."),
        ({"embeddings": np.zeros(3)}, "small takes no embeddings"),
        ({"truncation": 0.5}, "small has no truncation. Received: 0.5"),
        ({"n": 0}, "n must be an integer of at least 1. Received: 0"),
        ({"seed": 2**63}, "must be int64"),
    ]:
        with pytest.raises(ValueError, match=message):
            exported.generate(**arguments)
    with pytest.raises(ValueError, match="has the functions from_latents, generate. Received: 'x'"):
        exported.run("x", {})


def test_a_folder_that_is_no_export(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for content in (None, "{", "[]", '{"format": "pickle", "functions": {}}'):
        if content is not None:
            (tmp_path / "manifest.json").write_text(content)
        with pytest.raises(ValueError, match="zoo.runtime takes a version that .* wrote") as raised:
            zoo.runtime("~/x.onnx")
        assert f"Received: {tmp_path}/x.onnx (" in str(raised.value)


def test_a_missing_package(
    versions: dict[str, pathlib.Path], gan: zoo.CGAN, tmp_path: pathlib.Path, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="needs the package onnxruntime. Install it with: pip"):
        zoo.runtime(versions["onnx"])
    monkeypatch.setitem(portable.NEEDS, "onnx", ("no_such_package",))
    with pytest.raises(ExportError, match=r"needs no_such_package.*pip install '\.\[onnx\]'"):
        portable.export(gan, tmp_path, "s", source="t", format="onnx")


class Odd(zoo.CGAN):
    def draw_latents(self, shape, seed):
        return super().draw_latents(shape, seed) ** 2


def test_latents_that_no_runtime_can_draw(tmp_path: pathlib.Path) -> None:
    gan = Odd(resolution=8, num_classes=3, latent_dim=5, width=48)
    with pytest.raises(ExportError, match=r"Odd\.draw_latents must draw one normal or uniform"):
        portable.export(gan, tmp_path, "s", source="t", format="onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_differs_is_refused(
    gan: zoo.CGAN, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Runtime.run
    monkeypatch.setattr(Runtime, "run", lambda *a: run(*a) + np.float32(2e-4))
    with pytest.raises(ParityError, match="'from_latents' must equal .* within 0.0001 in litert"):
        portable.export(gan, tmp_path, "s", source="t", format="litert")
    assert list(tmp_path.iterdir()) == []


def test_the_command(capsys: pytest.CaptureFixture) -> None:
    code, _, error = end_of(capsys, main, "--preset=x", "--to=y", "--float16")
    rule = "--float16 is for --format=onnx, openvino or litert."
    assert (code, error) == (1, f"error: {rule} Received: --format=saved_model.\n")


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", [name for name in list_presets() if get_preset(name).pretrained])
def test_every_bundled_preset(name: str, format: str, tmp_path: pathlib.Path) -> None:
    version = portable.export(zoo.load(name), tmp_path, name, source=name, format=format)
    manifest = json.loads((version / "manifest.json").read_text())
    print(f"{name} {manifest['measured_with']}: {manifest['max_difference_from_live_model']:.1e}")
