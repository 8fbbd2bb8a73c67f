"""python -m zoo, mostly in this process."""

import importlib.metadata
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import zoo
from tests.commands import end_of
from zoo import __main__ as zoo_main
from zoo.core import commands
from zoo.pictures.images import grid

NAME = "dcgan_fashion_mnist"


def test_list_and_show_are_complete(capsys: pytest.CaptureFixture) -> None:
    code, listed, _ = end_of(capsys, zoo_main.main, "list")
    assert code == 0
    assert [line.split()[0] for line in listed.splitlines()] == zoo.list_presets()
    _, shown, _ = end_of(capsys, zoo_main.main, "show", "dcgan_lsun_64")
    assert json.loads(shown)["parameters"] == {
        "generator": 18_885_760,
        "discriminator": 17_232_768,
    }


def test_listing_needs_no_tensorflow() -> None:
    probe = (
        "import sys, zoo; from zoo.__main__ import main\n"
        "main(['show', 'dcgan_lsun_64'])\n"
        "zoo.list_presets()\n"
        "print(zoo.__version__, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    version = importlib.metadata.version("gan-zoo")
    assert done.stdout.splitlines()[-1] == f"{version} False"


def test_sample_draws_what_generate_draws(tmp_path: pathlib.Path) -> None:
    """As a person runs it, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "zoo", "sample", NAME, "--n=9", "--seed=5"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == "Wrote dcgan_fashion_mnist.png: 9 images (seeds 5 to 13), 92x92 px\n"
    drawn = np.asarray(Image.open(tmp_path / "dcgan_fashion_mnist.png"))
    expected = grid(zoo.load(NAME).generate(9, seed=5))[..., 0]
    assert np.abs(drawn.astype(int) - expected).max() <= 1


def test_many_images_show_how_far_they_are(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def sample(*arguments: str) -> tuple[np.ndarray, str, str]:
        out = tmp_path / "sheet.png"
        zoo_main.main(["sample", NAME, f"--out={out}", *arguments])
        printed = capsys.readouterr()
        return np.asarray(Image.open(out)), printed.out, printed.err

    whole, _, nothing = sample("--n=5", "--seed=0")
    monkeypatch.setattr(zoo_main, "CHUNK", 2)
    in_parts, _, progress = sample("--n=5", "--seed=0")
    assert np.abs(whole.astype(int) - in_parts).max() <= 1
    assert nothing == ""
    parts = [line.split(",")[0] for line in progress.split("\r")[1:]]
    assert parts == ["2 of 5 images", "4 of 5 images", "5 of 5 images"]
    # A fresh seed is named, and draws the same again.
    one, told, _ = sample("--n=1")
    seed = re.search(r": 1 image \(seed (\d+)\), 32x32 px\n", told)[1]
    np.testing.assert_array_equal(sample("--n=1", f"--seed={seed}")[0], one)


@pytest.mark.slow
def test_sample_of_a_class(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture) -> None:
    gan = zoo.CGAN(resolution=4, num_classes=3, latent_dim=2, width=48)
    gan.save_to_preset(tmp_path / "mine")

    def sample(*arguments: str) -> tuple[np.ndarray, str]:
        out = tmp_path / "sheet.png"
        zoo_main.main(["sample", str(tmp_path / "mine"), f"--out={out}", *arguments])
        return np.asarray(Image.open(out)), capsys.readouterr().out

    for arguments, n, labels in [
        (["--labels=2"], 16, 2),
        (["--labels=2,0,1"], 3, [2, 0, 1]),
        (["--labels=1", "--n=5"], 5, 1),
        (["--n=2"], 2, None),
    ]:
        drawn, printed = sample(*arguments, "--seed=0")
        assert f": {n} images (seeds 0 to {n - 1}), " in printed
        expected = grid(gan.generate(n, seed=0, labels=labels))[..., 0]
        assert np.abs(drawn.astype(int) - expected).max() <= 1
    for arguments, message in [
        (["--labels=3"], "Labels must be integers from 0 to 2"),
        (["--labels=a,1"], "such as 0,1,2. Received: 'a,1'"),
        (["--labels=0,1", "--n=3"], "one label, or as many as --n. Received: 2 for --n=3"),
        (["--truncation=.5"], "CGAN has no truncation: leave it out."),
    ]:
        with pytest.raises(SystemExit):
            zoo_main.main(["sample", str(tmp_path / "mine"), f"--out={tmp_path}/x.png", *arguments])
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert message in error
    zoo_main.main(["show", str(tmp_path / "mine")])
    assert json.loads(capsys.readouterr().out)["num_classes"] == 3


def test_ctrl_c_without_a_message_is_one_word(capsys: pytest.CaptureFixture) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        commands.run(interrupted)
    assert end.value.code == 130
    assert capsys.readouterr().err == "\nInterrupted.\n"


def test_errors_are_one_line(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    several = tmp_path / "x.npz"
    np.savez(several, np.zeros((16, 8)))
    for arguments, message in [
        (
            ("sample", "dcgan_fashion_mnist", "--embeddings=x.npz"),
            "--embeddings must be a .npy file. Received: x.npz: the magic string is not correct;",
        ),
        (("sample", "dcgan_lsun_64"), "no pretrained weights"),
        (("sample", "nonsense"), "Received: 'nonsense'"),
        (("sample", "dcgan_fashion_mnist", "--out=one.jpg"), "must end in .png. Received: one.jpg"),
        (("sample", "dcgan_fashion_mnist", "--n=0"), "--n must be at least 1. Received: 0"),
        (("list", "--family=dcga"), "Received: 'dcga'. Did you mean 'dcgan"),
    ]:
        code, _, error = end_of(capsys, zoo_main.main, *arguments)
        assert code == 1
        assert error.startswith("error: ")
        assert message in error
        assert error.count("\n") == 1
        assert list(tmp_path.iterdir()) == [several]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["sampl"],
            "COMMAND must be one of list, show, sample, mix, translate, upscale, paint, push, "
            "verify, convert. Received: 'sampl'. Did you mean 'sample'? See python -m zoo --help.",
        ),
        (
            ["sample", NAME, "--sed=1"],
            "Unknown flag --sed. Did you mean '--seed'? See python -m zoo sample --help.",
        ),
        (["list", "all"], "Unexpected arguments. Received: all. See python -m zoo list --help."),
        (
            ["sample", NAME, "--n=a"],
            "--n must be a whole number. Received: 'a'. See python -m zoo sample",
        ),
        (["translate", NAME, "a", "b", "--direction=a_to_c"], "Did you mean 'a_to_b'"),
        (["sample"], "the following arguments are required: NAME."),
    ],
)
def test_usage_errors_end_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    code, output, error = end_of(capsys, zoo_main.main, *arguments)
    assert (code, output) == (2, "")
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_help_shows_defaults(capsys: pytest.CaptureFixture) -> None:
    code, text, _ = end_of(capsys, zoo_main.main, "sample", "--help")
    assert code == 0
    assert "Draw images into one PNG." in text
    words = " ".join(text.split())
    assert "image i is made from seed + i (default: a fresh one)" in words
    assert "(default: NAME.png)" in words


@pytest.mark.slow
def test_mix_is_the_figure_of_the_paper(tmp_path: pathlib.Path) -> None:
    """Rows have the coarse styles of a, columns the fine ones of b."""
    gan = zoo.StyleGAN2(resolution=8, channels=1, latent_dim=8, fmap_base=32, fmap_max=8)
    gan.save_to_preset(tmp_path / "styles")
    out = tmp_path / "mixed.png"
    arguments = ["--seeds_a=3", "--seeds_b=4,5", "--cutoff=2", f"--out={out}"]
    zoo_main.main(["mix", str(tmp_path / "styles"), *arguments])
    sheet = np.asarray(Image.open(out))
    cells = [
        [
            sheet[2 + 10 * row : 10 + 10 * row, 2 + 10 * column : 10 + 10 * column]
            for column in range(3)
        ]
        for row in range(2)
    ]
    assert np.all(cells[0][0] == 255)
    for column, seed in ((1, 4), (2, 5)):
        np.testing.assert_array_equal(cells[0][column], gan.generate(1, seed=seed)[0, ..., 0])
        mixed = gan.mix(3, seed, 2)[0, ..., 0]
        np.testing.assert_array_equal(cells[1][column], mixed)
    np.testing.assert_array_equal(cells[1][0], gan.generate(1, seed=3)[0, ..., 0])


def test_mix_wants_styles(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        zoo_main.main(["mix", "dcgan_fashion_mnist"])
    assert "mix needs a StyleGAN. Received: 'dcgan_fashion" in capsys.readouterr().err
