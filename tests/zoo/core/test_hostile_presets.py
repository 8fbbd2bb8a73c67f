"""Presets that someone else made: refused in one line before time and memory are spent."""

import json
import pathlib
import struct
import time
from typing import Any

import h5py
import numpy as np
import pytest

import zoo
from zoo.core import storage
from zoo.core.presets import (
    CARD_FILE,
    CONFIG_FILE,
    SAFETENSORS_FILE,
    WEIGHTS_FILE,
    PresetError,
)


def write(folder: pathlib.Path, config: Any, hashes: dict[str, str] | None = None) -> None:
    """A preset whose card agrees with its files, if it has weights."""
    (folder / CONFIG_FILE).write_text(config if isinstance(config, str) else json.dumps(config))
    if hashes is None:
        hashes = {WEIGHTS_FILE: storage.sha256(folder / WEIGHTS_FILE)}
    (folder / CARD_FILE).write_text(json.dumps({"sha256": hashes}))


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """With a weights file of one small array."""
    with h5py.File(tmp_path / WEIGHTS_FILE, "w") as file:
        file["generator/layers/dense/vars/0"] = np.zeros((3, 4), np.float32)
    return tmp_path


CONFIGS = {
    "srgan": dict(blocks=10**6),
    "stylegan2": dict(mapping_layers=10**6),
    "stylegan": dict(mapping_layers=10**6),
    "dcgan": dict(width=10**6),
    "vanilla": dict(generator_width=10**9),
    "biggan": dict(num_classes=10**9),
    "cyclegan": dict(blocks=10**6, width=1),
    "progan": dict(resolution=2**40),
    "pix2pix": dict(resolution=2**40),
}


@pytest.mark.parametrize("family", CONFIGS)
def test_configs_larger_than_their_weights_are_refused(folder: pathlib.Path, family: str) -> None:
    write(folder, {"family": family, "config": CONFIGS[family]})
    message = refused(folder)
    assert "weights file, which holds 1 arrays" in message or "at most 4,096" in message


def test_an_endless_pool_is_refused(folder: pathlib.Path) -> None:
    config = dict(resolution=16, width=1, blocks=0, patch=1, pool=10**9)
    write(folder, {"family": "cyclegan", "config": config})
    assert "Received: a config of larger ones." in refused(folder)


def test_a_huge_config_is_refused(folder: pathlib.Path) -> None:
    write(folder, json.dumps({"family": "dcgan", "config": {}, "x": [0] * 2_000_000}))
    assert "must have at most 4,194,304 bytes" in refused(folder)
    write(folder, "[" * 100_000)
    assert "must be readable JSON" in refused(folder)


@pytest.mark.parametrize("name", ["../x", "/etc/hostname", "a/b", "..", ".hidden"])
def test_names_that_leave_the_folder_are_refused(folder: pathlib.Path, name: str) -> None:
    hashes = {WEIGHTS_FILE: storage.sha256(folder / WEIGHTS_FILE), name: "0"}
    write(folder, {"family": "dcgan", "config": {}}, hashes)
    assert f"may only name files in its own folder. Received: {name!r}." in refused(folder)


LINKS = {
    "external link": lambda f: f.__setitem__("x", h5py.ExternalLink("other.h5", "/x")),
    "soft link": lambda f: f.__setitem__("x", h5py.SoftLink("/")),
    "external storage": lambda f: f.create_dataset(
        "x", (4,), "f4", external=[("/etc/hostname", 0, 16)]
    ),
    "nothing stored": lambda f: f.create_dataset("x", (2**31,), "f8"),
    "references": lambda f: f.create_dataset("x", (1,), h5py.ref_dtype),
}


@pytest.mark.parametrize("what", LINKS)
def test_weights_that_point_elsewhere_are_refused(folder: pathlib.Path, what: str) -> None:
    with h5py.File(folder / WEIGHTS_FILE, "a") as file:
        LINKS[what](file)
    write(folder, {"family": "dcgan", "config": {}})
    assert "must be plain arrays in the file itself" in refused(folder)


def test_weights_with_more_than_the_networks_have_are_refused(folder: pathlib.Path) -> None:
    config = {"resolution": 8, "channels": 1, "latent_dim": 3, "width": 2, "architecture": "small"}
    gan = zoo.DCGAN(**config)
    gan.save_to_preset(folder / "mine", samples=False)
    with h5py.File(folder / "mine" / WEIGHTS_FILE, "a") as file:
        file["generator/x"] = np.zeros(3, np.float32)
    write(folder / "mine", {"family": "dcgan", "config": config})
    assert "arrays with" in refused(folder / "mine")
    with h5py.File(folder / "mine" / WEIGHTS_FILE, "a") as file:
        del file["generator/x"]
        del file["generator/layers/dense/vars/0"]
        file["generator/layers/dense/vars/0"] = np.zeros(100_000, np.float32)
    write(folder / "mine", {"family": "dcgan", "config": config})
    assert "where the networks have" in refused(folder / "mine")


# ---- safetensors


def safetensors(folder: pathlib.Path, header: Any, data: bytes = b"") -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    content = struct.pack("<Q", len(text)) + text + data
    (folder / WEIGHTS_FILE).unlink()
    (folder / SAFETENSORS_FILE).write_bytes(content)
    hashes = {SAFETENSORS_FILE: storage.sha256(folder / SAFETENSORS_FILE)}
    config = {"resolution": 8, "channels": 1, "latent_dim": 3, "width": 2, "architecture": "small"}
    write(folder, {"family": "dcgan", "config": config}, hashes)


def one(dtype: str, shape: list[int], end: int, begin: int = 0) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


SAFETENSORS = {
    "beyond the file": ({"x": one("F32", [1000], 4000)}, bytes(4)),
    "overlapping": ({"x": one("F32", [1], 4), "y": one("F32", [1], 4)}, bytes(4)),
    "a shape that overflows": ({"x": one("F32", [2**40, 2**40], 4)}, bytes(4)),
    "a negative size": ({"x": one("F32", [-1], 4)}, bytes(4)),
    "offsets turned": ({"x": one("F32", [1], 0, 4)}, bytes(4)),
    "many axes": ({"x": one("F32", [1] * 1000, 4)}, bytes(4)),
    "complex numbers": ({"x": one("C64", [1], 8)}, bytes(8)),
    "half a byte": ({"x": one("F4", [2], 1)}, bytes(1)),
    "nesting": (b"[" * 100_000, b""),
    "a header of 20 MB": (b"{}" + b" " * (20 << 20), b""),
    "no header": (b"", b""),
    "a name that leaves": ({"generator/../../x": one("F32", [1], 4)}, bytes(4)),
    "a name from the root": ({"/etc/x": one("F32", [1], 4)}, bytes(4)),
    "an array in an array": (
        {"x": one("F32", [1], 4), "x/y": one("F32", [1], 8, 4)},
        bytes(8),
    ),
    "many arrays": ({f"x{i}": one("F32", [0], 0) for i in range(100_000)}, b""),
}


@pytest.mark.parametrize("what", SAFETENSORS)
def test_safetensors_that_are_no_weights_are_refused(folder: pathlib.Path, what: str) -> None:
    safetensors(folder, *SAFETENSORS[what])
    message = refused(folder)
    assert len(message) < 1000


def test_a_header_that_ends_beyond_the_file_is_refused(folder: pathlib.Path) -> None:
    safetensors(folder, b"{}")
    (folder / SAFETENSORS_FILE).write_bytes(struct.pack("<Q", 2**62) + b"{}")
    hashes = {SAFETENSORS_FILE: storage.sha256(folder / SAFETENSORS_FILE)}
    write(folder, json.loads((folder / CONFIG_FILE).read_text()), hashes)
    assert "with a header of at most" in refused(folder)


def test_a_preset_has_one_weights_file(folder: pathlib.Path) -> None:
    (folder / SAFETENSORS_FILE).write_bytes(b"x")
    files = (WEIGHTS_FILE, SAFETENSORS_FILE)
    hashes = {file: storage.sha256(folder / file) for file in files}
    write(folder, {"family": "dcgan", "config": {}}, hashes)
    assert "of one of them. Received: model.weights.h5 and model.safetensors." in refused(folder)


def test_an_honest_preset_is_not(tmp_path: pathlib.Path) -> None:
    gan = zoo.DCGAN(resolution=8, channels=1, latent_dim=3, width=2, architecture="small")
    gan.save_to_preset(tmp_path / "mine", samples=False)
    loaded = zoo.load(tmp_path / "mine")
    for ours, theirs in zip(gan.generator.weights, loaded.generator.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def refused(folder: pathlib.Path) -> str:
    begun = time.process_time()
    with pytest.raises(PresetError) as raised:
        zoo.load(folder)
    assert time.process_time() - begun < 2.0  # alone under 1; a million layers take hours
    message = str(raised.value)
    assert "\n" not in message
    return message
