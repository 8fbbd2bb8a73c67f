"""People drawn by DiceBear's npm packages, from options that the caller samples.

DiceBear can pick options from a seed too, but not uniformly: consecutive seeds repeat the last hair
of some styles three times as often as chance would. Node.js makes the SVG files.
"""

import abc
import json
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

from trainers.data import DataError
from trainers.data.builders.base import Examples, PackagesBuilder
from trainers.data.builders.packages import npm_package

VERSION = "9.4.3"
_SHA256 = {
    "core": "6ca7dae651c74ad547e548fbe7c41f49aaa377cf4617259277518389bf6b1a3d",
    "adventurer": "6edeac04f94ef6177c946918dce012e530200dfcc274b4f954239e33ecbe590c",
    "big-ears": "02fc47ff824b783142e6c85c2ba182ff535a7b40f65bfddfafa2b4f8d86eef50",
    "big-smile": "8dbd7b96c9ceaf9dd7c280cdae4f0bb3e43ab2798b7bedbe355fbb3ce30e87bb",
    "dylan": "761ebf9e973b71753af489d03b3aa67818bd17068b7f3fec9963dac91272e176",
    "lorelei": "78cbba0a6c4d14e1af7c62ffa9a73bd98a8cda02e28690110e199348cd6a9c06",
    "micah": "b948931f01e97147ce8cdcfc4dfdad5c029bcb1ad57420dc0b22bc0aeb1d3fa7",
    "miniavs": "cebf19ca30a49e88a60824f994f5fa2d9f9f7e2cbc7eb3bcad5b5af166f78274",
    "open-peeps": "65b664ec00dc69c068051461f2b5bd97c8335af676e36c284e906a3017c23d4f",
    "personas": "6f5b4765c4d54444ab0330c4a89da53636662de3b04118b827f005a31332d002",
    "pixel-art": "1252d798c632c20f194e7d8b2fbc18b23ad76b2511e668668d0051084bfaa754",
    "thumbs": "87b95a01503debb55e8e98a55e06cd0f19f3951864da08b89a682b4b009df766",
    "toon-head": "b9cd3b5def9fb2c37a9acba2e4b9bd00268b6eaff705d596756e8d921a4580c8",
}
# Plain, light backgrounds; without one an avatar is transparent.
BACKGROUNDS = {
    "white": "ffffff",
    "sky": "b6e3f4",
    "lavender": "d1d4f9",
    "peach": "ffdfbf",
    "blush": "ffd5dc",
    "mint": "c8ecd4",
}
_SCRIPT = pathlib.Path(__file__).with_suffix(".mjs")


class DrawnBuilder(PackagesBuilder, skip_registration=True):
    """A set that DiceBear draws in the styles `STYLES`; the config's name is the size."""

    STYLES: ClassVar[Sequence[str]]

    @property
    def size(self) -> int:
        """Height and width of the images."""
        return int(self.builder_config.name)

    def packages(self) -> list[tuple]:
        if not shutil.which("node"):
            raise DataError(
                f"DiceBear {VERSION} needs Node.js: install it first, or take the bundled sample"
            )
        return [
            (npm_package, f"@dicebear/{name}", VERSION, _SHA256[name])
            for name in ("core", *self.STYLES)
        ]

    @abc.abstractmethod
    def draw(self, folder: pathlib.Path) -> dict[str, Examples]:
        """Returns the examples of each split; `folder` is passed to `drawings` and `schema`."""

    def read(self, roots: list[pathlib.Path], folder: pathlib.Path) -> dict[str, Examples]:
        (folder / "node_modules" / "@dicebear").mkdir(parents=True)
        for name, root in zip(("core", *self.STYLES), roots, strict=False):
            root.rename(folder / "node_modules" / "@dicebear" / name)
        shutil.copy(_SCRIPT, folder)
        return self.draw(folder)


def drawings(requests: Iterable[tuple[str, dict[str, Any]]], folder: pathlib.Path) -> Iterator[str]:
    """Yields an SVG text for each (style, DiceBear's options).

    Raises:
        DataError: if Node.js fails.
    """
    lines = ({"style": style, "options": options} for style, options in requests)
    return _answers(lines, folder)


def schema(style: str, folder: pathlib.Path) -> dict[str, Any]:
    """Returns the options of a style: name -> JSON schema."""
    (answer,) = _answers([{"style": style}], folder)
    return answer["properties"]


def draw_options(known: dict[str, Any], draw: Callable[[], float]) -> dict[str, Any]:
    """Samples a style's options: each part and each colour uniformly from its defaults.

    Args:
        known: As `schema` returns it.
        draw: Returns a new random number in [0, 1) on each call.
    """
    options = {"seed": str(draw()), "backgroundColor": [pick(list(BACKGROUNDS.values()), draw)]}
    for name, rule in known.items():
        default = rule.get("default")
        if name.endswith("Probability"):
            options[name] = 100 if 100 * draw() < default else 0
        elif rule["type"] == "array" and default and isinstance(default[0], str):
            options.setdefault(name, [pick(default, draw)])
    return options


def pick(values: Sequence[str], draw: Callable[[], float]) -> str:
    """One of `values`, chosen by a random number in [0, 1)."""
    return values[int(draw() * len(values))]


def _answers(requests: Iterable[dict[str, Any]], folder: pathlib.Path) -> Iterator[Any]:
    asked = answered = 0
    with tempfile.TemporaryFile() as errors, tempfile.NamedTemporaryFile("w") as file:
        for request in requests:
            file.write(json.dumps(request) + "\n")
            asked += 1
        file.flush()
        command = ["node", str(folder / _SCRIPT.name), file.name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as node:
            for line in node.stdout:
                yield json.loads(line)
                answered += 1
        if node.returncode or answered < asked:
            errors.seek(0)
            told = [line for line in errors.read().decode().splitlines() if "Error" in line]
            told = (told or [f"{answered} of {asked} drawings"])[0]
            raise DataError(f"Node.js could not draw an avatar. Received: {told}.")
