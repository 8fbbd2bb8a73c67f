"""The wheel `gan-zoo-client`: what it holds, and the client in an environment of its own."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.serving import models
from tests.serving.conftest import ROOT
from tests.test_imports import imported_modules

PYPROJECT = tomllib.loads((ROOT / "serving/pyproject.toml").read_text("utf-8"))
WHOLE = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PATTERNS = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["include"]
FILES = {
    file.relative_to(ROOT).as_posix()
    for pattern in PATTERNS
    for file in (ROOT / "serving").glob(pattern.removeprefix("/"))
}


def test_every_pattern_finds_a_file():
    assert all(list((ROOT / "serving").glob(pattern.removeprefix("/"))) for pattern in PATTERNS)


def test_the_wheel_holds_what_its_modules_import():
    for file in FILES:
        if file.endswith(".py"):
            for module in imported_modules(ROOT / file):
                path = module.replace(".", "/")
                if module.split(".")[0] == "serving" and module != "serving":
                    assert {f"{path}.py", f"{path}/__init__.py"} & FILES, (file, module)


def test_the_wheel_needs_what_the_base_install_needs():
    assert PYPROJECT["project"]["dependencies"] == WHOLE["dependencies"]
    assert PYPROJECT["project"]["requires-python"] == WHOLE["requires-python"]
    for name, target in PYPROJECT["project"]["scripts"].items():
        assert WHOLE["scripts"][name] == target


@pytest.mark.slow
def test_the_client_works_in_an_environment_of_its_own(tmp_path, server):
    pip = [sys.executable, "-m", "pip", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", tmp_path, ROOT / "serving"], check=True)
    (wheel,) = tmp_path.iterdir()
    assert wheel.name == f"gan_zoo_client-{WHOLE['version']}-py3-none-any.whl"
    assert wheel.stat().st_size < 1_000_000
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == FILES | {"serving/LICENSE.txt"}

    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    scripts = tmp_path / "venv/bin"
    subprocess.run([scripts / "pip", "install", "-q", wheel], check=True)
    environment = {"PATH": "/usr/bin:/bin"}

    def run(*command: str | Path) -> str:
        return subprocess.run(
            command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
        ).stdout

    probe = (
        "import importlib.util as u, serving.client;"
        "print([n for n in ('zoo', 'trainers', 'export', 'tensorflow', 'serving.server')"
        " if u.find_spec(n)])"
    )
    assert run(scripts / "python", "-c", probe) == "[]\n"
    to_server = f"--server={server.address}"
    run(scripts / "gan-zoo-client", "generate", "toy", to_server, "--n=2", "--seed=7", "--out=out")
    toy = models.Toy()
    expected = toy.generate_png([7, 8])["image_bytes"].numpy()
    files = sorted((tmp_path / "out").iterdir())
    assert [file.read_bytes() for file in files] == expected.tolist()
