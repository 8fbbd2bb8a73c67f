"""Every command and example of the READMEs runs, in order, with fewer steps.

By default what loads, draws, exports, serves and asks; `pytest -m slow` runs all of them, those
that train too. Blocks marked `network` need one and minutes, blocks marked `slow` minutes.
"""

import json
import os
import pathlib
import re
import shlex
import socket
import subprocess
import time

import numpy as np
import pytest
from PIL import Image

import zoo
from tests import warm

ROOT = pathlib.Path(__file__).parent.parent
BLOCK = re.compile(r"(<!-- .* -->\n)?```(.+)\n((?:.*\n)*?)```")


def blocks(readme: pathlib.Path) -> list[tuple[str, str]]:
    """(language and marks, text) of each fenced block that is not a whole-machine command."""
    return [(kind, text) for mark, kind, text in BLOCK.findall(readme.read_text()) if not mark]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Shell:
    """Runs a README's lines in one folder; ends the servers that they start."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.servers: list[subprocess.Popen] = []
        self.environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}

    def adapt(self, text: str) -> str:
        """Another port, since 8500 may be taken, and runs of seconds instead of minutes."""
        return re.sub(
            r"--steps=\d+", "--steps=3 --batch_size=8", text.replace("8500", str(self.port))
        )

    def bash(self, text: str) -> None:
        for line in self.adapt(text).splitlines():
            words = shlex.split(line.removesuffix("&"))
            assert words[0] == "python", line
            words[0] = warm.python()
            if line.endswith("&"):
                server = subprocess.Popen(words, cwd=self.folder, env=self.environment)
                self.servers.append(server)
                continue
            subprocess.run(words, cwd=self.folder, env=self.environment, check=True, timeout=280)

    def python(self, text: str) -> None:
        subprocess.run(
            [warm.python(), "-c", self.adapt(text)],
            cwd=self.folder,
            env=self.environment,
            check=True,
            timeout=280,
        )

    def close(self) -> None:
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            assert server.wait(60) == 0


@pytest.fixture
def shell(tmp_path: pathlib.Path):
    shell = Shell(tmp_path)
    yield shell
    shell.close()


def test_what_the_readme_draws_exports_and_asks_for(shell: Shell) -> None:
    """What does not train. Runs train in tests/trainers, by `main` and by `fit`."""
    for kind, text in blocks(ROOT / "README.md"):
        if kind == "python" and ".fit(" not in text:
            shell.python(text)
        elif kind == "bash" and "python -m trainers" not in text:
            lines = [line for line in text.splitlines() if "--run=" not in line]
            shell.bash("\n".join(lines))
    for left in ("clothes.png", "models/dcgan_fashion_mnist/1", "images/00015.png"):
        assert (shell.folder / left).exists(), left


@pytest.mark.slow  # two minutes
def test_the_readme_runs_word_for_word(shell: Shell) -> None:
    kinds = []
    for kind, text in blocks(ROOT / "README.md"):
        kinds.append(kind)
        if kind == "python":
            shell.python(text)
        elif kind == "bash":
            shell.bash(text)
        else:
            assert kind in ("bash network", "bash slow", "python slow", "text")
    assert kinds.count("python") >= 3
    assert kinds.count("bash") >= 3
    for left in ("clothes.png", "runs/mine/preset", "my_gan", "models/mine/1", "images/00015.png"):
        assert (shell.folder / left).exists(), left


# The commands of the others differ little, and take minutes together.
QUICK_CARDS = ("dcgan",)
CARDS = [
    pytest.param(
        card,
        id=card.parent.name,
        marks=() if card.parent.name in QUICK_CARDS else pytest.mark.slow,
    )
    for card in sorted(ROOT.glob("zoo/*/README.md"))
]


@pytest.mark.parametrize("card", CARDS)
def test_the_commands_of_a_card_run(card: pathlib.Path, shell: Shell) -> None:
    found = blocks(card)
    assert found
    for kind, text in found:
        if kind == "bash":
            shell.bash(text)
        elif kind == "python":
            shell.python(text)
        else:
            assert kind == "bash network"


@pytest.mark.slow
def test_a_folder_of_photos_becomes_a_server_and_a_preset_an_onnx_file(shell: Shell) -> None:
    (shell.folder / "photos").mkdir()
    pixels = np.random.default_rng(0)
    for i in range(20):
        photo = Image.fromarray(pixels.integers(0, 256, (9, 12, 3), np.uint8))
        photo.resize((120, 90)).save(shell.folder / "photos" / f"{i}.jpg")
    smaller = {"resolution=64": "resolution=16", "fmap_base=1024": "fmap_base=64"}
    found = blocks(ROOT / "README.md")
    for large, small in smaller.items():
        assert any(kind == "bash slow" and large in text for kind, text in found)
        found = [(kind, text.replace(large, small)) for kind, text in found]
    for kind, text in found:
        if kind == "bash slow":
            shell.bash(text)
        elif kind == "python slow":
            shell.python(text)
    assert (shell.folder / "models/dcgan_fashion_mnist/onnx/1/manifest.json").exists()
    assert Image.open(shell.folder / "photos.png").size == (4 * 18 + 2, 4 * 18 + 2)


def test_the_whole_machine_commands_are_marked() -> None:
    """.ci/run finds them by these marks."""
    text = (ROOT / "README.md").read_text()
    for mark in ("main command", "test command"):
        assert re.search(rf"<!-- {mark} -->\n```bash\npython3 -m venv .*\n```", text), mark


@pytest.mark.slow
def test_the_bundled_dcgan_scores_below_350(shell: Shell) -> None:
    """The preset as it is loaded, against the test split: the whole measure anew."""
    shell.bash("python -m trainers.data prepare fashion_mnist")
    shell.bash(
        "python -m trainers.evaluate --preset=dcgan_fashion_mnist --network=mobilenet_v2 "
        "--out=score.json"
    )
    score = json.loads((shell.folder / "score.json").read_text())
    assert (score["split"], score["num_real"], score["num_fake"]) == ("test", 5000, 5000)
    (said,) = zoo.load("dcgan_fashion_mnist").card["scores"]
    assert score["metrics"]["kid"]["value_x1000"] < 350
    for name, tolerance in (("kid", 0.001), ("recall", 0.005), ("coverage", 0.005)):
        measured = score["metrics"][name]["value"]
        assert measured == pytest.approx(said["metrics"][name]["value"], abs=tolerance)


@pytest.mark.slow
def test_the_commands_that_need_a_network_run(shell: Shell) -> None:
    """Prepares all of Fashion-MNIST, trains for a moment, and scores it."""
    begun = time.monotonic()
    for kind, text in blocks(ROOT / "README.md"):
        if kind == "bash network":
            shell.bash(text.replace("--recipe=", "--steps=3 --recipe="))
    assert time.monotonic() - begun < 900


@pytest.mark.parametrize("card", sorted(ROOT.glob("zoo/*/README.md")), ids=lambda p: p.parent.name)
def test_each_card_warns_of_misuse(card: pathlib.Path) -> None:
    (paragraph,) = (
        text for text in card.read_text().split("\n\n") if text.startswith("**Misuse**")
    )
    assert "(../../README.md#use-and-misuse)" in paragraph
    assert len(re.findall(r"\.\s", paragraph)) > 1  # of this family, beside the link
    assert "\n## Use and misuse\n" in (ROOT / "README.md").read_text()
