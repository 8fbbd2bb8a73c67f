"""Presets at an address: fetched once, whole and right, over a network that breaks."""

import errno
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests import warm
from tests.commands import end_of
from tests.zoo.core.hub_server import Server
from zoo.__main__ import main
from zoo.core import remote, sources
from zoo.core.presets import PresetError


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("presets") / "mine"
    gan = zoo.DCGAN(resolution=16, channels=1, latent_dim=8, width=4)
    gan.save_to_preset(folder, samples=False)
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def weights_of(address: str) -> bytes:
    return sources.resolve(address).weights.read_bytes()


def same(one: zoo.GAN, other: zoo.GAN) -> None:
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# ---- web servers


def test_a_web_servers_preset_is_fetched_once(server: Server, preset: pathlib.Path) -> None:
    address = server.put("presets/mine", preset)
    same(zoo.load(address), zoo.load(preset))
    asked = len(server.state.log)
    assert asked == 3
    assert weights_of(address) == (preset / "model.weights.h5").read_bytes()
    assert len(server.state.log) == asked


def test_commands_take_addresses(
    server: Server,
    preset: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    address = server.put("presets/mine", preset)
    code, out, err = end_of(capsys, main, "sample", address, "--n=1", "--seed=0")
    assert (code, err) == (0, "")
    assert out.startswith("Wrote mine.png: 1 image (seed 0)")
    code, out, err = end_of(capsys, main, "show", address)
    assert json.loads(out)["family"] == "dcgan"
    code, out, err = end_of(capsys, main, "sample", address[:-1], "--n=1")
    assert code == 1
    assert err.startswith("error: A preset on a web server must be given with the sha256 of its ")
    assert err.count("\n") == 1


def test_names_of_files_follow_from_addresses() -> None:
    names = [
        "hf://user/repo@v1.0",
        "https://host/a/b?x=1#sha256=00",
        "gs://bucket/folder/",
    ]
    assert [remote.short_name(name) for name in names] == ["repo", "b", "folder"]


@pytest.mark.parametrize("ranges", [True, False])
def test_broken_connections_are_resumed(
    server: Server, preset: pathlib.Path, cache: pathlib.Path, ranges: bool
) -> None:
    address = server.put("mine", preset)
    server.state.breaks["model.weights.h5"] = [20_000, 30_000]
    server.state.ranges = ranges
    content = (preset / "model.weights.h5").read_bytes()
    assert weights_of(address) == content
    extra = 0 if ranges else 20_000 + 30_000
    assert server.state.sent("model.weights.h5") == len(content) + extra
    assert not list(cache.rglob("*.part"))


def test_many_breaks_are_no_damage(
    server: Server, preset: pathlib.Path, cache: pathlib.Path
) -> None:
    """As long as each try brings some bytes; one that brings none keeps what has arrived."""
    address = server.put("mine", preset)
    content = (preset / "model.weights.h5").read_bytes()
    server.state.breaks["model.weights.h5"] = [1_000] * 25 + [0]
    assert "could not be reached: the connection broke after 25,000 of" in refused(address)
    (part,) = cache.rglob("*.part")
    assert part.read_bytes() == content[:25_000]
    server.state.breaks["model.weights.h5"] = [100] * 25
    assert weights_of(address) == content


def test_a_later_try_goes_on(server: Server, preset: pathlib.Path, cache: pathlib.Path) -> None:
    address = server.put("mine", preset)
    server.state.breaks["model.weights.h5"] = [20_000, 0]
    with pytest.raises(PresetError, match="could not be reached: the connection broke after 20,0"):
        sources.resolve(address)
    (part,) = cache.rglob("*.part")
    assert part.stat().st_size == 20_000
    before = server.state.sent("model.weights.h5")
    content = (preset / "model.weights.h5").read_bytes()
    assert weights_of(address) == content
    assert server.state.sent("model.weights.h5") - before == len(content) - 20_000


def test_a_part_of_something_else_is_thrown_away(
    server: Server, preset: pathlib.Path, cache: pathlib.Path
) -> None:
    address = server.put("mine", preset)
    folder = cache / address.rpartition("=")[2]
    folder.mkdir(parents=True)
    for content in (b"x" * 20_000, b"x" * 10_000_000):
        (folder / "model.weights.h5.part").write_bytes(content)
        try:
            sources.resolve(address)
        except PresetError as error:
            assert "The sha256 of model.weights.h5 of" in str(error)  # noqa: PT017
        assert weights_of(address) == (preset / "model.weights.h5").read_bytes()
        (folder / "model.weights.h5").unlink()


def test_damage_in_the_cache_is_repaired(
    server: Server, preset: pathlib.Path, cache: pathlib.Path
) -> None:
    address = server.put("mine", preset)
    weights = sources.resolve(address).weights
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert weights_of(address) == (preset / "model.weights.h5").read_bytes()


def refused(address: str) -> str:
    begun = time.monotonic()
    with pytest.raises(PresetError) as raised:
        sources.resolve(address)
    assert time.monotonic() - begun < 10.0  # no waiting for what will not come
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_what_is_not_there_is_refused(server: Server, preset: pathlib.Path) -> None:
    address = server.put("mine", preset)
    assert f"{server.url}/other/card.json answers HTTP 404" in refused(
        address.replace("mine", "other")
    )
    del server.state.files["/mine/config.json"]
    assert f"{server.url}/mine/config.json answers HTTP 404" in refused(address)


def test_exchanged_files_are_refused(
    server: Server, preset: pathlib.Path, cache: pathlib.Path
) -> None:
    address = server.put("mine", preset)
    whole = server.state.files["/mine/model.weights.h5"]
    server.state.files["/mine/model.weights.h5"] = whole[:-1] + b"x"
    message = refused(address)
    assert message.startswith(f"The sha256 of model.weights.h5 of {address} must be ")
    assert hashlib.sha256(whole[:-1] + b"x").hexdigest() in message
    shutil.rmtree(cache)
    server.state.files["/mine/card.json"] += b" "
    assert "The sha256 of card.json of" in refused(address)


def test_files_that_are_too_large_are_refused(
    server: Server, preset: pathlib.Path, cache: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = server.put("mine", preset)
    monkeypatch.setattr(remote, "WEIGHTS_BYTES", 10_000)
    assert "model.weights.h5 of a preset is too large" in refused(address)
    shutil.rmtree(cache)
    server.state.files["/mine/card.json"] = b"x" * (5 << 20)
    assert "card.json of a preset is too large" in refused(address)


def test_without_a_network(server: Server, preset: pathlib.Path) -> None:
    address = server.put("mine", preset)
    nobody = address.replace(str(server.server_port), "1")
    message = refused(nobody)
    assert "could not be reached: no answer of 127.0.0.1:1: " in message
    assert "Connection refused" in message


def test_offline(server: Server, preset: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = server.put("mine", preset)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set, and it is not in the cache" in refused(address)
    assert not server.state.log
    monkeypatch.delenv("HF_HUB_OFFLINE")
    sources.resolve(address)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    asked = len(server.state.log)
    sources.resolve(address)
    assert len(server.state.log) == asked


def test_a_full_disk(
    server: Server, preset: pathlib.Path, cache: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = server.put("mine", preset)
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10_000))
    expected = f"could not be kept in {cache}: the disk is full. Set GAN_ZOO_CACHE to another"
    assert expected in refused(address)
    monkeypatch.undo()
    monkeypatch.setenv("GAN_ZOO_CACHE", str(cache))

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(remote, "_append", full)
    assert expected in refused(address)


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("https://host/x", "must be given with the sha256 of its card.json"),
        ("https://host/x#sha256=00", "must be given with the sha256 of its card.json"),
        ("hf://user", "The hub's addresses are hf://user/repo or hf://user/repo@revision"),
        ("hf://user/repo@../../x y", "The hub's addresses are"),
    ],
)
def test_addresses_of_a_wrong_form(address: str, rule: str) -> None:
    assert rule in refused(address)
    with pytest.raises(PresetError, match="Received: "):
        sources.check_name(address)


# ---- the hub


def on_the_hub(server: Server, preset: pathlib.Path) -> dict[str, bytes]:
    files = {file.name: file.read_bytes() for file in preset.iterdir()}
    server.state.repositories["user/repo"] = {"main": files}
    return files


def test_the_hub(server: Server, preset: pathlib.Path) -> None:
    files = on_the_hub(server, preset)
    same(zoo.load("hf://user/repo"), zoo.load(preset))
    gets = server.state.sent("model.weights.h5")
    sources.resolve("hf://user/repo@main")
    assert server.state.sent("model.weights.h5") == gets  # the same card
    with pytest.raises(PresetError, match="hf://user/repo@v2 must be .*HTTP 404 .Revision"):
        sources.resolve("hf://user/repo@v2")
    with pytest.raises(PresetError, match="hf://user/other must be .*HTTP 404 .Repository"):
        sources.resolve("hf://user/other")
    del files["config.json"]
    (pathlib.Path(os.environ["GAN_ZOO_CACHE"])).rename(preset.parent / "moved")
    with pytest.raises(PresetError, match="must be .*HTTP 404 .*Entry"):
        sources.resolve("hf://user/repo")
    shutil.rmtree(preset.parent / "moved")


def test_a_newer_commit_is_found_and_the_older_one_kept_offline(
    server: Server, preset: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = on_the_hub(server, preset)
    sources.resolve("hf://user/repo")
    card = json.loads(files["card.json"]) | {"name": "newer"}
    files["card.json"] = json.dumps(card).encode()
    assert sources.resolve("hf://user/repo").card["name"] == "newer"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert sources.resolve("hf://user/repo/").card["name"] == "newer"
    assert "HF_HUB_OFFLINE is set" in refused("hf://user/other")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.warns(UserWarning, match="hf://user/repo is loaded from the cache: no answer"):
        assert sources.resolve("hf://user/repo").card["name"] == "newer"
    assert "could not be reached: no answer of the hub" in refused("hf://user/other")


def test_broken_connections_to_the_hub_are_resumed(server: Server, preset: pathlib.Path) -> None:
    files = on_the_hub(server, preset)
    server.state.breaks["model.weights.h5"] = [20_000]
    sources.resolve("hf://user/repo")
    assert server.state.sent("model.weights.h5") == len(files["model.weights.h5"])


def test_without_the_hubs_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(PresetError, match="needs .* pip install huggingface_hub"):
        sources.resolve("hf://user/repo")


# ---- TensorFlow's file systems


def test_tensorflows_file_systems(preset: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow's ram:// stands for gs://: the same calls reach both."""
    tf.io.gfile.makedirs("ram://bucket/mine")
    for file in preset.iterdir():
        tf.io.gfile.copy(str(file), f"ram://bucket/mine/{file.name}", overwrite=True)
    assert weights_of("ram://bucket/mine/") == (preset / "model.weights.h5").read_bytes()
    with pytest.raises(PresetError, match="ram://bucket/other could not be fetched"):
        sources.resolve("ram://bucket/other")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    sources.resolve("ram://bucket/mine")


def test_they_go_on_where_they_were(preset: pathlib.Path, cache: pathlib.Path) -> None:
    tf.io.gfile.makedirs("ram://bucket/part")
    for file in preset.iterdir():
        tf.io.gfile.copy(str(file), f"ram://bucket/part/{file.name}", overwrite=True)
    content = (preset / "model.weights.h5").read_bytes()
    folder = cache / hashlib.sha256((preset / "card.json").read_bytes()).hexdigest()
    folder.mkdir(parents=True)
    (folder / "model.weights.h5.part").write_bytes(content[:10_000])
    assert weights_of("ram://bucket/part") == content


# ---- several processes

RESOLVE = """
import sys
sys.path.insert(0, {root!r})
from zoo.core import sources
print(sources.resolve(sys.argv[1]).weights)
"""


def fetching(address: str) -> subprocess.Popen:
    root = str(pathlib.Path(zoo.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", RESOLVE.format(root=root), address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("where", ["web", "hub"])
def test_a_killed_process_is_resumed_and_two_fetch_once(
    server: Server, preset: pathlib.Path, tmp_path: pathlib.Path, where: str
) -> None:
    big = tmp_path / "big"
    shutil.copytree(preset, big)
    with open(big / "model.weights.h5", "ab") as file:
        file.write(os.urandom(4 << 20))  # behind what HDF5 reads
    card = json.loads((big / "card.json").read_text())
    content = (big / "model.weights.h5").read_bytes()
    card["sha256"]["model.weights.h5"] = hashlib.sha256(content).hexdigest()
    (big / "card.json").write_text(json.dumps(card))
    address = server.put("big", big) if where == "web" else "hf://user/repo"
    on_the_hub(server, big)
    server.state.pause_s = 0.05  # 1.3 MB a second
    process = fetching(address)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        parts = list((tmp_path / "cache").rglob("model.weights.h5.part"))
        if parts and parts[0].stat().st_size > 1 << 20:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (part,) = (tmp_path / "cache").rglob("model.weights.h5.part")
    had = part.stat().st_size
    assert 1 << 20 < had < len(content)
    time.sleep(0.5)  # until the server has noticed
    before = server.state.sent("model.weights.h5")
    both = [fetching(address), fetching(address)]
    ends = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert ends[0][0] == ends[1][0]
    assert pathlib.Path(ends[0][0].strip()).read_bytes() == content
    assert server.state.sent("model.weights.h5") - before == len(content) - had


@pytest.mark.slow
def test_an_interrupted_command_ends_in_one_line(server: Server, preset: pathlib.Path) -> None:
    address = server.put("mine", preset)
    server.state.files["/mine/card.json"] = bytes(1 << 20)
    server.state.pause_s = 1.0  # 16 s for that
    process = subprocess.Popen(
        [warm.python(), "-m", "zoo", "show", address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not server.state.sending:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "\nInterrupted.\n"
