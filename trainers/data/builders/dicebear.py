"""People drawn by DiceBear's npm packages, each from options that its caller has drawn.

DiceBear picks options by a seed as well, but not evenly: consecutive seeds repeat the last hair of
some styles three times as often as chance would. Node.js makes the SVG files.
"""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from trainers.data import DataError
from trainers.data.builders.packages import Package, npm_package, unpack_tar

VERSION = "9.4.3"
_SHA256 = {
    "core": "6ca7dae651c74ad547e548fbe7c41f49aaa377cf4617259277518389bf6b1a3d",
    "open-peeps": "65b664ec00dc69c068051461f2b5bd97c8335af676e36c284e906a3017c23d4f",
}
_SCRIPT = pathlib.Path(__file__).with_suffix(".mjs")


def fetch(styles: Sequence[str], folder: str | os.PathLike) -> list[Package]:
    """Fetches DiceBear's core and `styles` into `folder`.

    Raises:
        DataError: without Node.js, or as `npm_package`.
    """
    if not shutil.which("node"):
        raise DataError(f"DiceBear {VERSION} needs Node.js: install it first")
    return [
        npm_package(f"@dicebear/{name}", VERSION, _SHA256[name], folder)
        for name in ("core", *styles)
    ]


def install(packages: Iterable[Package], folder: pathlib.Path) -> None:
    """Unpacks what `fetch` fetched into `folder`, where `drawings` and `schema` find it."""
    for package in packages:
        name = package.name.split()[1]  # "npm @dicebear/core 9.4.3"
        target = folder / "node_modules" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        unpack_tar(package, folder).rename(target)
    shutil.copy(_SCRIPT, folder)


def drawings(requests: Iterable[tuple[str, dict[str, Any]]], folder: pathlib.Path) -> Iterator[str]:
    """Yields an SVG text for each (style, DiceBear's options).

    Raises:
        DataError: if Node.js fails.
    """
    lines = ({"style": style, "options": options} for style, options in requests)
    return _answers(lines, folder)


def schema(style: str, folder: pathlib.Path) -> dict[str, Any]:
    """Returns the options that a style has: name -> JSON schema."""
    (answer,) = _answers([{"style": style}], folder)
    return answer["properties"]


def _answers(requests: Iterable[dict[str, Any]], folder: pathlib.Path) -> Iterator[Any]:
    asked = 0
    with tempfile.TemporaryFile() as errors, tempfile.NamedTemporaryFile("w") as file:
        for request in requests:
            file.write(json.dumps(request) + "\n")
            asked += 1
        file.flush()
        command = ["node", str(folder / _SCRIPT.name), file.name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as node:
            try:
                for line in node.stdout:
                    yield json.loads(line)
                    asked -= 1
            finally:
                node.stdout.close()  # Node ends if nobody reads on
        if node.returncode or asked:
            errors.seek(0)
            told = [line for line in errors.read().decode().splitlines() if "Error" in line]
            raise DataError(f"Node.js could not draw an avatar. Received: {(told or ['none'])[0]}")
