"""Which files of a folder are pictures."""

import os
import pathlib

import pytest

from zoo.pictures import folders


def touch(root: pathlib.Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def found(root: pathlib.Path, **options: bool) -> tuple[list[str], list[str]]:
    listing = folders.find(root, **options)
    return tuple(
        [path.relative_to(root).as_posix() for path in paths]
        for paths in (listing.files, listing.unused)
    )


def test_pictures_by_their_endings(tmp_path: pathlib.Path) -> None:
    touch(tmp_path, "b/deep/x.TIF", "a.png", "a.txt", "png", "c.jpg.part")
    assert found(tmp_path) == (["a.png", "b/deep/x.TIF"], ["a.txt", "c.jpg.part", "png"])
    assert found(tmp_path, subfolders=False) == (["a.png"], ["a.txt", "b", "c.jpg.part", "png"])


def test_what_systems_leave_is_no_picture(tmp_path: pathlib.Path) -> None:
    left = (
        *(".DS_Store", "._x.png", ".ipynb_checkpoints/x-checkpoint.png", "@eaDir/x.png/thumb.jpg"),
        *("Thumbs.db", "__MACOSX/._x.png", "deep/._y.png"),
    )
    touch(tmp_path, "x.png", *left)
    assert found(tmp_path) == (["x.png"], list(left))


def test_a_hidden_folder_may_be_the_root(tmp_path: pathlib.Path) -> None:
    touch(tmp_path / ".cache", "x.png")
    assert found(tmp_path / ".cache") == (["x.png"], [])


def test_links_are_followed_and_each_folder_is_read_once(tmp_path: pathlib.Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    touch(root, "cats/1.png")
    touch(elsewhere, "2.png", "deep/3.png")
    (root / "a_loop").symlink_to(root)
    (root / "above").symlink_to(tmp_path)
    (root / "again").symlink_to(root / "cats")
    (root / "cats" / "up").symlink_to("..")
    (root / "dogs").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(root / "cats")
    (elsewhere / "self").symlink_to(elsewhere)
    (root / "file.png").symlink_to(elsewhere / "2.png")
    (root / "gone.png").symlink_to(tmp_path / "nothing.png")
    files, unused = found(root)
    assert files == ["cats/1.png", "dogs/2.png", "dogs/deep/3.png", "file.png"]
    assert unused == [
        *("a_loop", "above", "again", "cats/up"),
        *("dogs/back", "dogs/self", "gone.png"),
    ]
    (tmp_path / "link").symlink_to(root)
    assert found(tmp_path / "link")[0] == files


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (["x.png"], ""),
        (["x.png", "a.txt"], "1 file is not a picture and was skipped: a.txt."),
        (
            [os.fsdecode(b"\xff.txt"), *(f"{i}.txt" for i in range(6))],
            "7 files are not pictures and were skipped: "
            "0.txt, 1.txt, 2.txt, 3.txt, 4.txt, and 2 more.",
        ),
    ],
)
def test_what_is_not_used_is_one_line(tmp_path: pathlib.Path, names: list, note: str) -> None:
    touch(tmp_path, *names)
    assert folders.find(tmp_path).note() == note


def test_names_can_be_compared_and_printed() -> None:
    assert folders.composed("e\u0301") == folders.composed("\u00e9") == "\u00e9"
    assert folders.shown(os.fsdecode(b"caf\xe9.png")) == "caf\\xe9.png"
    assert folders.shown("caf\u00e9.png") == "caf\u00e9.png"
