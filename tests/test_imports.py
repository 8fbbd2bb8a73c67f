"""Imports go one way, and the client never needs TensorFlow."""

import ast
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

import zoo
from zoo.core.presets import FAMILIES, package_of

ROOT = pathlib.Path(__file__).parent.parent
HOUSE = {"zoo", "trainers", "export", "serving", "tests"}
MAY_IMPORT = {"zoo": set(), "trainers": {"zoo"}, "export": {"zoo"}, "serving": set()}


def imported_modules(path: pathlib.Path) -> Iterator[str]:
    """Modules that a file imports, anywhere in it; of `from a import b` both a and a.b, if any."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
            for alias in node.names:
                inner = ROOT / node.module.replace(".", "/") / alias.name
                if inner.is_dir() or inner.with_suffix(".py").is_file():
                    yield f"{node.module}.{alias.name}"


def imported(path: pathlib.Path) -> Iterator[str]:
    """Top-level packages that a file imports."""
    yield from (module.split(".")[0] for module in imported_modules(path))


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_go_one_way(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        foreign = set(imported(path)) & HOUSE - {package}
        assert foreign <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {foreign}"


def folder_of(family: str) -> pathlib.Path:
    """Of a family's package: in zoo/, or a toy's in tests/."""
    return ROOT / package_of(family)[0].replace(".", "/")


@pytest.mark.parametrize("family", FAMILIES)
def test_families_import_no_other_family(family: str) -> None:
    others = {package_of(other)[0] for other in FAMILIES if other != family}
    files = list(folder_of(family).rglob("*.py"))
    assert files
    for path in files:
        for module in imported_modules(path):
            assert not any(f"{module}.".startswith(f"{other}.") for other in others), (path, module)


def test_the_package_names_every_class() -> None:
    """For type checkers and `dir(zoo)`; toy families of the tests stand elsewhere."""
    classes = {name for name in FAMILIES.values() if ":" not in name}
    assert classes <= set(zoo.__all__)


@pytest.mark.parametrize("shared", ["core", "nn", "pictures"])
def test_what_is_shared_imports_no_family(shared: str) -> None:
    for path in (ROOT / "zoo" / shared).rglob("*.py"):
        for module in imported_modules(path):
            assert not any(f"{module}.".startswith(f"zoo.{f}.") for f in FAMILIES), (path, module)


@pytest.mark.parametrize("family", FAMILIES)
def test_presets_are_pure_data(family: str) -> None:
    path = folder_of(family) / "presets.py"
    assert set(imported_modules(path)) <= {"zoo.core.presets"}


@pytest.mark.parametrize(
    "module", ["zoo", "trainers", "trainers.data", "trainers.evaluate", "trainers.demo", "export"]
)
def test_commands_of_a_bare_install_say_what_to_install(module: str) -> None:
    """Without site-packages (-S) nothing is installed, absl and TensorFlow least of all."""
    script = f"import sys; sys.argv[0] = '/usr/bin/gan-zoo-x'; import {module}.__main__"
    for arguments in (["-m", module], ["-c", script]):
        done = subprocess.run(
            [sys.executable, "-S", *arguments], capture_output=True, text=True, cwd=ROOT
        )
        assert done.returncode == 1
        assert done.stderr.startswith("error: zoo needs TensorFlow and Keras")
        assert done.stderr.endswith(
            "pip install '.[train]' (or a wheel's path in place of the dot)\n"
        )
        assert done.stderr.count("\n") == 1


def test_without_tensorflow_zoo_says_what_to_install() -> None:
    probe = (
        "import importlib.util as u, sys\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'tensorflow' else find(name, *a)\n"
        "import zoo\n"
        "zoo.runtime  # needs neither\n"
        "zoo.DCGAN"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert "ImportError: zoo needs TensorFlow" in done.stderr
    assert "pip install '.[train]'" in done.stderr
