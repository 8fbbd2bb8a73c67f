"""`python -m trainers.data prepare`: the command, and Fashion-MNIST from Debian's package."""

import gzip
import hashlib
import os
import pathlib
import shutil

import pytest
import tensorflow_datasets as tfds

from trainers import data
from trainers.data import __main__ as command
from trainers.data.builders import fashion_mnist

# The smallest of the four files (MIT, Zalando SE) as Debian ships it: its gzip header has no name
# and no time.
DEBIAN_FILE = pathlib.Path(__file__).parent / "t10k-labels-idx1-ubyte.gz"


def exit_code(arguments: list[str]) -> int:
    """Of `python -m trainers.data`, run in this process."""
    try:
        command.main(arguments)
    except SystemExit as end:
        return end.code
    return 0


def published_sha256() -> dict[str, str]:
    infos = tfds.builder_cls("fashion_mnist").url_infos.values()
    return {info.filename: info.checksum for info in infos}


def debian_files(folder: pathlib.Path) -> dict[str, str]:
    """Writes four gzip files with bare headers; returns the sha256 of their published form."""
    folder.mkdir(parents=True)
    sha256 = {}
    for name, mtime in fashion_mnist.FILES.items():
        data_ = gzip.compress(name.encode() * 9, mtime=0)
        (folder / name).write_bytes(data_)
        sha256[name] = hashlib.sha256(
            b"\x1f\x8b\x08\x08"
            + mtime.to_bytes(4, "little")
            + data_[8:10]
            + name.removesuffix(".gz").encode()
            + b"\0"
            + data_[10:]
        ).hexdigest()
    return sha256


def test_the_restored_header_gives_the_sha256_that_tfds_expects():
    received = DEBIAN_FILE.read_bytes()
    restored = fashion_mnist.restore_header(
        received, DEBIAN_FILE.name, fashion_mnist.FILES[DEBIAN_FILE.name]
    )
    assert hashlib.sha256(restored).hexdigest() == published_sha256()[DEBIAN_FILE.name]
    assert gzip.decompress(restored) == gzip.decompress(received)


def test_the_files_are_those_that_tfds_asks_for():
    assert set(fashion_mnist.FILES) == set(published_sha256())


def test_a_restored_header_holds_name_and_time(tmp_path):
    bare = gzip.compress(b"content", mtime=0)
    restored = fashion_mnist.restore_header(bare, "labels.gz", 1504176627)
    assert restored[:8] == b"\x1f\x8b\x08\x08" + (1504176627).to_bytes(4, "little")
    assert restored[10:17] == b"labels\0"
    assert gzip.decompress(restored) == b"content"


@pytest.mark.parametrize("broken", [b"", b"plain text, no gzip at all"])
def test_a_header_that_cannot_be_restored(broken):
    with pytest.raises(data.DataError, match=r"'labels\.gz' is not a gzip file.*Received:"):
        fashion_mnist.restore_header(broken, "labels.gz", 0)


def test_collect_takes_published_and_debian_files(tmp_path):
    sha256 = debian_files(tmp_path / "debian")
    for target, source in [("once", "debian"), ("twice", "once")]:
        (tmp_path / target).mkdir()
        fashion_mnist.collect(tmp_path / source, tmp_path / target, sha256)
        for name in fashion_mnist.FILES:
            received = (tmp_path / target / name).read_bytes()
            assert hashlib.sha256(received).hexdigest() == sha256[name]


def test_collect_refuses_other_content(tmp_path):
    sha256 = debian_files(tmp_path / "debian")
    name = "t10k-labels-idx1-ubyte.gz"
    (tmp_path / "debian" / name).write_bytes(gzip.compress(b"other labels"))
    with pytest.raises(data.DataError, match=f"{name}' is not the published file: its sha256"):
        fashion_mnist.collect(tmp_path / "debian", tmp_path, sha256)


@pytest.fixture
def fake_apt(tmp_path, monkeypatch):
    """apt-get and dpkg-deb that serve a package from a folder; apt's lists begin empty."""
    debian_files(tmp_path / "served")
    tools = tmp_path / "bin"
    tools.mkdir()
    scripts = {
        "apt-get": f'case "$2" in update) touch {tmp_path}/lists;; '
        f"download) [ -e {tmp_path}/lists ] && : > $3_1_all.deb;; esac",
        "dpkg-deb": f"mkdir -p $3/usr/share && cp -r {tmp_path}/served $3/usr/share/",
    }
    for name, script in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_the_package_through_apt(fake_apt, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(data.DataError, match="`sudo apt-get update` may help"):
        fashion_mnist.unpack_package(tmp_path / "work")
    monkeypatch.setattr(os, "geteuid", lambda: 0)  # root fetches missing lists
    assert fashion_mnist.has_files(fashion_mnist.unpack_package(tmp_path / "work"))


def test_no_source_at_all(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert exit_code(["prepare", "fashion_mnist", f"--data_dir={tmp_path}"]) == 1
    output = capsys.readouterr()
    assert "Downloading fashion_mnist through TFDS" in output.out
    (line,) = [line for line in output.err.splitlines() if line.startswith("error:")]
    assert "cannot be reached" in line
    assert "has no apt" in line
    assert str(tmp_path / "downloads" / "manual") in line
    assert "t10k-labels-idx1-ubyte.gz" in line
    assert not list(tmp_path.iterdir())


def test_wrong_files_put_there_by_hand(tmp_path, capsys):
    debian_files(tmp_path / "downloads" / "manual")
    assert exit_code(["prepare", "fashion_mnist", f"--data_dir={tmp_path}"]) == 1
    assert "is not the published file" in capsys.readouterr().err


def test_a_prepared_set_is_left_alone(tiny_tfds, capsys):
    assert exit_code(["prepare", "fashion_mnist", f"--data_dir={tiny_tfds}"]) == 0
    output = capsys.readouterr().out
    assert "already prepared" in output
    assert "train 200 images, test 100 images" in output
    assert str(tiny_tfds) in output


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fashon_mnist", "Did you mean 'fashion_mnist'"),
        ("cifar10", "cannot be reached"),
    ],
)
def test_a_name_that_cannot_be_prepared(name, message, tmp_path, capsys):
    assert exit_code(["prepare", name, f"--data_dir={tmp_path}"]) == 1
    assert message in capsys.readouterr().err
