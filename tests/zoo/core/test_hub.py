"""Presets pushed to the hub and to folders, and loaded again."""

import hashlib
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
import yaml

import zoo
from tests.commands import end_of
from tests.zoo.core.hub_server import TOKEN, Server
from zoo.__main__ import main
from zoo.core import hub, presets, sources
from zoo.core.presets import PresetError
from zoo.core.readers import hdf5, safetensors_files
from zoo.pictures.marks import Mark

PRESET = "stylegan2_fashion_mnist"


@pytest.fixture(autouse=True)
def server(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        yield server


def test_push_and_load(server: Server, capsys: pytest.CaptureFixture) -> None:
    code, out, _ = end_of(capsys, main, "push", PRESET, "hf://user/repo")
    assert code == 0
    assert out.endswith("Load it with zoo.load('hf://user/repo')\n")
    (branches,) = server.state.repositories.values()
    files = {".gitattributes", "README.md", "card.json", "config.json"}
    assert set(branches["main"]) == files | {"model.safetensors", "samples.png"}
    loaded = sources.resolve("hf://user/repo")
    assert loaded.weights.name == "model.safetensors"
    bundled = sources.resolve(PRESET)
    assert loaded.config == bundled.config
    assert {**loaded.card, "sha256": 0} == {**bundled.card, "sha256": 0}
    ours, theirs = safetensors_files.read(loaded.weights), hdf5.read(bundled.weights)
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_safetensors_are_loaded(tmp_path: pathlib.Path) -> None:
    gan = zoo.DCGAN(resolution=8, channels=1, latent_dim=3, width=2, architecture="small")
    gan.save_to_preset(tmp_path / "mine", samples=False)
    hub.push(str(tmp_path / "mine"), str(tmp_path / "pushed"))
    loaded = zoo.load(tmp_path / "pushed")
    for network in ("generator", "discriminator"):
        ours, theirs = getattr(gan, network).weights, getattr(loaded, network).weights
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)
    weights = tmp_path / "pushed" / "model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert loaded.mark == Mark("mine", f"weights {digest[:12]}")
    names = list(safetensors_files.read(weights))
    assert {name.partition("/")[0] for name in names} == {"generator", "discriminator"}


def test_the_same_weights_give_the_same_file(tmp_path: pathlib.Path) -> None:
    for name in ("a", "b"):
        hub.push(PRESET, str(tmp_path / name))
    for file in ("model.safetensors", "config.json", "samples.png", "card.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def front_matter(page: str) -> dict:
    opening, head, _ = page.split("---\n", 2)
    assert opening == ""
    return yaml.safe_load(head)


def test_the_page_has_the_hubs_fields(tmp_path: pathlib.Path) -> None:
    hub.push(PRESET, str(tmp_path / "mine"))
    page = (tmp_path / "mine" / "README.md").read_text()
    head = front_matter(page)
    assert (head["license"], head["library_name"]) == ("apache-2.0", "gan-zoo")
    assert head["pipeline_tag"] == "unconditional-image-generation"
    assert head["datasets"] == ["fashion_mnist"]
    assert {"gan", "stylegan2"} <= set(head["tags"])
    (model,) = head["model-index"]
    assert model["name"] == PRESET
    (result,) = model["results"]
    assert result["dataset"] == {"name": "fashion_mnist", "type": "fashion_mnist", "split": "test"}
    card = sources.resolve(PRESET).card
    expected = {key: each["value"] for key, each in card["scores"][0]["metrics"].items()}
    assert {metric["type"]: metric["value"] for metric in result["metrics"]} == expected
    for heading in ("Use", "What it makes", "Data", "Licence of the weights", "Scores", "Misuse"):
        assert f"\n## {heading}\n" in page
    assert f"zoo.load({str(tmp_path / 'mine')!r})" in page


def test_the_page_and_readme_warn_of_misuse_in_the_same_words() -> None:
    readme = (pathlib.Path(zoo.__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    misuse = " ".join(readme.partition("\n## Use and misuse\n")[2].split())
    assert " ".join(hub.MISUSE.split()) in misuse
    assert hub.page(sources.resolve(PRESET), "mine", samples=False).endswith(f"{hub.MISUSE}\n")


def test_another_preset_is_replaced_only_when_told(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "config.json").write_text("{}")
    push = ["push", PRESET, str(tmp_path)]
    for flag, command in (("TO", push), ("--to", ["convert", "x.pth", f"--to={tmp_path}"])):
        assert end_of(capsys, main, *command) == (
            1,
            "",
            f"error: {flag} must be a new folder, or pass --overwrite. Received: {tmp_path}, which "
            "holds a preset.\n",
        )
    assert (tmp_path / "config.json").read_text() == "{}"
    code, output, _ = end_of(capsys, main, *push, "--overwrite")
    assert (code, output.startswith(f"Pushed {PRESET} to {tmp_path}.")) == (0, True)


def test_pages_of_bundled_presets_are_valid() -> None:
    for name in presets.list_presets():
        if not presets.get_preset(name).pretrained:
            continue
        source = sources.resolve(name)
        head = front_matter(hub.page(source, "hf://user/repo", samples=True))
        assert head["license"] in hub.LICENCES.values()
        (model,) = head["model-index"]
        assert all(metric["value"] for r in model["results"] for metric in r["metrics"])
        assert sum(len(r["metrics"]) for r in model["results"]) >= 3


def test_a_licence_that_the_hub_does_not_know(tmp_path: pathlib.Path) -> None:
    gan = zoo.DCGAN(resolution=8, channels=1, latent_dim=3, width=2, architecture="small")
    card = {
        "licence": "Nvidia Source Code License-NC",
        "dataset": {"name": "my own\npictures: [x]"},
        "converted_from": {"code": "NVIDIA's", "files": [{"file": "x.pkl", "sha256": "0" * 64}]},
    }
    gan.save_to_preset(tmp_path / "mine", card=card, samples=False)
    hub.push(str(tmp_path / "mine"), str(tmp_path / "pushed"))
    page = (tmp_path / "pushed" / "README.md").read_text()
    head = front_matter(page)
    assert (head["license"], head["license_name"]) == ("other", "nvidia-source-code-license-nc")
    assert "datasets" not in head
    assert "model-index" not in head
    assert "- `x.pkl`, sha256 `0000" in page
    assert "samples.png" not in page


def test_a_data_set_that_is_a_text_is_a_name(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
) -> None:
    shutil.copytree(presets.get_preset(PRESET).folder, tmp_path / "mine")
    card = json.loads((tmp_path / "mine" / "card.json").read_text())
    card["dataset"] = "my photos"
    (tmp_path / "mine" / "card.json").write_text(json.dumps(card))
    code, shown, error = end_of(capsys, main, "show", str(tmp_path / "mine"))
    assert (code, error) == (0, "")
    assert json.loads(shown)["dataset"] == {"name": "my photos"}
    page = hub.page(sources.resolve(tmp_path / "mine"), "hf://user/repo", samples=False)
    assert "\n## Data\n\nmy photos. Licence of the data: not stated.\n" in page


def test_a_branch_and_an_older_weights_file(server: Server) -> None:
    server.state.repositories["user/repo"] = {"main": {"model.weights.h5": b"x", "notes.md": b""}}
    hub.push(PRESET, "hf://user/repo@v2")
    branches = server.state.repositories["user/repo"]
    assert set(branches["main"]) == {"model.weights.h5", "notes.md"}
    assert "model.weights.h5" not in branches["v2"]
    assert {"notes.md", "model.safetensors"} <= set(branches["v2"])
    assert sources.resolve("hf://user/repo@v2").card["name"] == PRESET


def test_what_cannot_be_pushed(
    server: Server, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, to, message in (
        ("dcgan_lsun_64", "hf://user/repo", "must have weights to be pushed"),
        (PRESET, "gs://bucket/x", "pushed to hf://user/repo, hf://user/repo@branch or a folder"),
        ("no_such", str(tmp_path / "x"), "A preset must be a name"),
    ):
        with pytest.raises(PresetError, match=message):
            hub.push(name, to)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(PresetError, match="HTTP 401 .* Private ones need a token: HF_TOKEN") as e:
        hub.push(PRESET, "hf://user/repo")
    assert "\n" not in str(e.value)
    assert not server.state.repositories


@pytest.mark.slow
def test_a_killed_push_is_taken_up_again(server: Server, tmp_path: pathlib.Path) -> None:
    """What was uploaded whole is not sent again, and nothing is visible before all is there."""
    server.state.pause_s = 0.1
    root = str(pathlib.Path(zoo.__file__).parents[1])
    script = (
        f"import os, sys; sys.path.insert(0, {root!r}); os.environ['HF_HUB_DISABLE_XET'] = '1'\n"
        f"from zoo.core import hub; print(hub.push({PRESET!r}, 'hf://user/repo'))"
    )
    command = [sys.executable, "-c", script]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not server.state.objects:  # samples.png; the weights are larger
        assert first.poll() is None, first.communicate()
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert set(server.state.repositories["user/repo"]["main"]) == {".gitattributes"}
    (sent,) = server.state.objects
    server.state.log.clear()
    server.state.pause_s = 0.0
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    ]
    ends = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    puts = [path for method, path, *_ in server.state.log if method == "PUT"]
    assert f"/lfs/{sent}" not in puts
    assert len(puts) in (1, 2)
    assert sources.resolve("hf://user/repo").card["name"] == PRESET
