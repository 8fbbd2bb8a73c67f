"""`python -m export serving_config`: what it writes is read by TF Serving's own messages."""

import pathlib

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from export.__main__ import main
from serving.server import configuration, text_files
from tests.commands import end_of


@pytest.fixture
def models(tmp_path: pathlib.Path) -> pathlib.Path:
    for folder in ("faces/1", "faces/00000003", "faces/onnx/9", 'a "b"/7', "onnx_only/onnx/1"):
        (tmp_path / "models" / folder).mkdir(parents=True)
    (tmp_path / "models/.faces.unfinished/1").mkdir(parents=True)
    (tmp_path / "models/notes.txt").write_text("")
    return tmp_path / "models"


def written(capsys: pytest.CaptureFixture, models: pathlib.Path, *flags: str) -> pathlib.Path:
    to = models.parent / "new" / "config"
    main(["serving_config", f"--models={models}", f"--to={to}", *flags])
    names = ("models.config", "batching.config", "monitoring.config")
    assert capsys.readouterr().out == "".join(f"Wrote {to / name}\n" for name in names)
    assert sorted(file.name for file in to.iterdir()) == sorted(names)
    return to


def read(file: pathlib.Path) -> dict[str, model_server_config_pb2.ModelConfig]:
    config = text_format.Parse(file.read_text(), model_server_config_pb2.ModelServerConfig())
    return {model.name: model for model in config.model_config_list.config}


def test_every_model_is_served_in_its_latest_version(capsys, models) -> None:
    to = written(capsys, models)
    found = read(to / "models.config")
    assert {name: model.base_path for name, model in found.items()} == {
        name: str(models / name) for name in ("faces", 'a "b"')
    }
    for model in found.values():
        assert model.model_platform == "tensorflow"
        assert not model.HasField("model_version_policy")
        assert not model.version_labels
    assert set(configuration.of_file(str(to / "models.config"))()) == set(found)


def test_a_tilde_is_the_home_folder(capsys, models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(models.parent))
    main(["serving_config", "--models=~/models", "--to=~/config"])
    found = read(models.parent / "config" / "models.config")
    assert found["faces"].base_path == str(models / "faces")


def test_labels_choose_versions(capsys, models) -> None:
    written(capsys, models)
    to = written(
        capsys,
        models,
        "--base_path=gs://bucket/models/",
        "--label=faces:stable=1",
        "--label=faces:canary=3",
        "--label=faces:next=3",
    )
    faces = read(to / "models.config")["faces"]
    assert faces.base_path == "gs://bucket/models/faces"
    assert list(faces.model_version_policy.specific.versions) == [1, 3]
    assert dict(faces.version_labels) == {"stable": 1, "canary": 3, "next": 3}


def test_batching_and_monitoring_are_what_the_server_reads(capsys, models) -> None:
    to = written(capsys, models)
    batching = text_files.read_batching(str(to / "batching.config"))
    assert batching == text_files.Batching(
        request_rows=1024, batch_rows=32, waiting=100, ignored=("num_batch_threads",)
    )
    path = text_files.read_monitoring(str(to / "monitoring.config"))
    assert path == "/monitoring/prometheus/metrics"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--label=faces:stable"], "--label must be MODEL:LABEL=VERSION. Received: 'faces:stable'"),
        (["--label=face:stable=1"], "Received: 'face'. Did you mean 'faces'?"),
        (["--label=faces:stable=2"], "a version of faces: 1, 3. Received: 'faces:stable=2'"),
        (
            ["--label=faces:stable=1", "--label=faces:stable=3"],
            "Each label of a model must be given once. Received: 'faces:stable=3' too",
        ),
        (["--base_path=models"], "--base_path must be absolute, or a URI. Received: 'models'"),
        (["--models=nowhere"], "Received: nowhere, which does not exist."),
    ],
)
def test_what_is_refused(capsys, models, flags: list[str], message: str) -> None:
    to = models.parent / "config"
    code, _, error = end_of(
        capsys, main, "serving_config", f"--models={models}", f"--to={to}", *flags
    )
    assert code == 1
    assert message in error
    assert error.count("\n") == 1
    assert not to.exists()
