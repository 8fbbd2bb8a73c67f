"""`python -m serving.client`."""

import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import serving
from serving.client import main
from tests.serving import models
from tests.serving.conftest import ROOT


def _run(capsys, *arguments: str) -> tuple[object, str, str]:
    """Runs the command in this process; returns exit code (or message), stdout, stderr."""
    code = 0
    try:
        main(arguments)
    except SystemExit as end:
        code = end.code
    output = capsys.readouterr()
    return code, output.out, output.err


def test_generate(tmp_path, server, capsys):
    out = tmp_path / "new" / "images"
    arguments = ["generate", "toy", f"--server={server.address}", "--n=3", "--seed=7"]
    code, output, _ = _run(capsys, *arguments, f"--out={out}")
    assert code == 0
    assert output == f"Wrote 3 images: {out}/00000.png ... 00002.png (seeds 7 to 9)\n"
    files = sorted(out.iterdir())
    assert [file.name for file in files] == ["00000.png", "00001.png", "00002.png"]
    toy = models.Toy()
    expected = toy.generate_png(tf.constant([7, 8, 9], tf.int64))["image_bytes"].numpy()
    assert [file.read_bytes() for file in files] == expected.tolist()


def test_many_images_are_written_as_they_come(tmp_path, server, capsys):
    arguments = ["generate", "toy", f"--server={server.address}", f"--out={tmp_path}"]
    code, output, errors = _run(capsys, *arguments, "--n=70", "--seed=-5")
    assert code == 0
    assert output == f"Wrote 70 images: {tmp_path}/00000.png ... 00069.png (seeds -5 to 64)\n"
    assert [line.split(",")[0] for line in errors.split("\r")[1:]] == [
        "32 of 70 images",
        "64 of 70 images",
        "70 of 70 images",
    ]
    toy = models.Toy()
    expected = toy.generate_png(tf.range(-5, 65, dtype=tf.int64))["image_bytes"].numpy()
    assert [file.read_bytes() for file in sorted(tmp_path.iterdir())] == expected.tolist()
    _, output, errors = _run(capsys, *arguments)
    told = re.fullmatch(rf"Wrote 1 image: {tmp_path}/00000.png \(seed (\d+)\)\n", output)
    assert errors == ""
    # The fresh seed that it names draws the same image again.
    expected = toy.generate_png(tf.constant([int(told[1])], tf.int64))["image_bytes"].numpy()
    assert (tmp_path / "00000.png").read_bytes() == expected[0]


def test_labels_and_truncation(tmp_path, server, capsys):
    """One for all, or one for each; --n follows from them."""
    toy = models.Labelled()
    for arguments, seeds, labels, truncation in [
        (["--labels=3", "--truncation=.5", "--seed=0"], [0], [3], [0.5]),
        (["--labels=2,0", "--seed=1"], [1, 2], [2, 0], [np.nan] * 2),
        (["--labels=4", "--n=3", "--seed=0"], [0, 1, 2], [4] * 3, [np.nan] * 3),
    ]:
        out = tmp_path / str(len(seeds))
        command = ["generate", "labelled", f"--server={server.address}", f"--out={out}"]
        code, _, _ = _run(capsys, *command, *arguments)
        assert code == 0
        inputs = tf.constant(seeds, tf.int64), tf.constant(labels), tf.constant(truncation)
        expected = toy.generate_png(*inputs)["image_bytes"].numpy().tolist()
        assert [file.read_bytes() for file in sorted(out.iterdir())] == expected


def test_ctrl_c_is_one_word(tmp_path, capsys, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(serving.Client, "metadata", interrupted)
    code, _, errors = _run(capsys, "generate", "toy", f"--out={tmp_path}")
    assert (code, errors) == (130, "\nInterrupted.\n")


def test_status_and_metadata(server, capsys):
    _, output, _ = _run(capsys, "status", "scale", f"--server={server.address}")
    assert output == "scale version 10 is AVAILABLE\n"
    _, output, _ = _run(capsys, "metadata", "toy", f"--server={server.address}")
    lines = output.splitlines()
    assert lines[0] == "toy, version 3"
    assert "  serving_default(latents: float32[N, 6]) -> images: float32[N, 2, 3, 1]" in lines
    assert "  generate_png(seed: int64[N]) -> image_bytes: string[N]" in lines
    assert "  identity(x: float32[...]) -> y: float32[...]" in lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["status", "nope"], "has no model 'nope'. It has: "),
        (["generate", "scale"], "Received: 'generate_png'"),
        (["generate", "toy", "--n=2", f"--seed={2**63 - 1}"], "must be 64-bit integers. Received"),
        (["generate", "toy", "--n=0"], "n must be at least 1. Received: n=0"),
        (["generate", "toy", "--labels=1"], "labels must be omitted for signature 'generate_png'"),
        (["generate", "labelled", "--labels=1,x"], "such as 0,1,2. Received: '1,x'"),
        (["generate", "labelled", "--labels=1,2", "--n=3"], "Received: 2 for --n=3"),
        (["generate", "labelled", "--labels=-1"], "at least 0, or one for each image. Received"),
        (["generate", "labelled", "--truncation=-1"], "truncation must be a number of at least 0"),
    ],
)
def test_errors_are_one_line(server, capsys, tmp_path, arguments, message):
    out = [f"--out={tmp_path / 'out'}"] if arguments[0] == "generate" else []
    code, output, _ = _run(capsys, *arguments, *out, f"--server={server.address}")
    assert code.startswith("serving.client: ")  # sys.exit prints it and ends with 1
    assert message in code
    assert "\n" not in code
    assert output == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--ca=none"], "--ca must be a file that can be read. Received: 'none': No such file"),
        (["--key=."], "--key must be a file that can be read. Received: '.': Is a directory"),
        (["--cert=key"], "--cert must be a PEM file with a certificate. Received: 'key', which"),
        (["--key=cert"], "--key must be a PEM file with a private key. Received: 'cert', which"),
        (["--cert=cert"], "--cert and --key must be given together. Received: --cert alone"),
        (["--ca=cert", "--key=key"], "--cert and --key must be given together. Received: --key"),
    ],
)
def test_certificates_that_cannot_be_used(capsys, tmp_path, monkeypatch, flags, message):
    """A mistake in the command: nothing is sent."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serving.Client, "status", None)
    (tmp_path / "cert").write_text("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
    (tmp_path / "key").write_text("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n")
    code, output, errors = _run(capsys, "status", "m", *flags)
    assert (code, output) == (2, "")
    assert errors.startswith(f"serving.client: {message}")
    assert errors.count("\n") == 1


def test_a_folder_that_cannot_be_written(server, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    arguments = ["generate", "toy", f"--server={server.address}", f"--out={tmp_path / 'file'}"]
    code, _, _ = _run(capsys, *arguments)
    assert "File exists" in code
    assert str(tmp_path / "file") in code


def test_as_a_process():
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "serving.client",
            "status",
            "m",
            "--server=127.0.0.1:1",
            "--timeout=1",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 1
    assert result.stderr.startswith("serving.client: A server must be answering at 127.0.0.1:1;")
    assert result.stderr.count("\n") == 1


def test_help(capsys):
    code, output, _ = _run(capsys, "generate", "--help")
    assert code == 0
    for text in (
        "--server HOST:PORT",
        "localhost:8500",
        "--n N",
        "--seed",
        "--labels",
        "--truncation",
        "--ca FILE",
        "--cert FILE",
        "--key FILE",
    ):
        assert text in output


def test_a_folder_of_pictures(tmp_path, server, capsys, monkeypatch):
    asked = []

    def upscale(self, model, image, version, timeout):
        asked.append(image.name)
        if image.name == "bad.png":
            raise serving.InvalidRequest("no picture")
        return image.name.encode()
        yield

    monkeypatch.setattr(serving.client.core.Core, "upscale", upscale)
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in ("a.png", "b.JPG", "b.png", "bad.png", "notes.txt"):
        (source / name).write_bytes(b"")
    arguments = ["upscale", "m", str(source), f"--out={out}", f"--server={server.address}"]
    code, output, errors = _run(capsys, *arguments)
    assert code == "serving.client: All pictures must be readable. Received: 1 that are not"
    assert output == f"Wrote 3 of 4 pictures to {out}\n"
    assert f"{source}/bad.png: no picture" in errors
    assert "4 of 4 images, 0 s left" in errors
    made = {path.name: path.read_text() for path in out.iterdir()}
    assert made == {"a.png": "a.png", "b.JPG.png": "b.JPG", "b.png.png": "b.png"}
    code, _, _ = _run(capsys, "upscale", "m", str(out / ".."), f"--out={out}")
    assert "IN must be a picture, or a folder of pictures" in code
    for command in ("upscale", "translate"):
        code, _, _ = _run(capsys, command, "m", "nofile.png", "--out=x.png")
        assert code.startswith("serving.client: nofile.png does not exist. IN must be a picture, ")


def test_models(server, capsys):
    code, output, _ = _run(capsys, "models", f"--server={server.address}")
    assert code == 0
    assert "scale version 10 is AVAILABLE" in output.splitlines()
