"""Where presets come from: a name, a folder or an address (`remote.py`), with hashes checked.

A preset folder holds `config.json` (family and constructor arguments), `model.weights.h5` or
`model.safetensors` (EMA generator and discriminator; the arrays have the same names in both) and
`card.json` (data, licence, recipe, sha256, scores). Nothing in it is code: the class comes from the
registry, the weights are plain arrays.
"""

import dataclasses
import os
import pathlib
import re
import shutil
import tempfile
from typing import Any

from zoo.core import cards, remote
from zoo.core.presets import (
    CARD_FILE,
    CONFIG_FILE,
    SAFETENSORS_FILE,
    SAMPLES_FILE,
    PresetError,
    get_preset,
    list_families,
    registry,
    unknown,
)
from zoo.core.storage import described, expanded, replace_folder, sha256, write_json

PAGE_FILE = "README.md"
LARGEST_SIDE = 4096
PLAIN_NAME = re.compile(r"[\w-][\w.-]*")


@dataclasses.dataclass(frozen=True)
class Source:
    """What a name resolved to.

    `weights` is None where the preset is an architecture alone; `card` likewise. `class_name` is
    Keras's name of a class derived from the family's, if that is what was saved.
    """

    name: str
    family: str
    config: dict[str, Any]
    weights: pathlib.Path | None
    card: dict[str, Any] | None
    class_name: str | None = None


def check_name(name: str) -> None:
    """Raises PresetError for what can be no preset: neither a known name, a folder nor an address.

    Reads no file of it and imports no TensorFlow, so that a command can ask first.
    """
    if "://" in name:
        remote.check(name)
    elif not expanded(name).is_dir():
        get_preset(name)


def canonical(name: str) -> str:
    """One string for every way to write the same preset: a folder's real path, a name as it is."""
    if "://" in name:
        return name.rstrip("/")
    folder = expanded(name)
    return str(folder.resolve()) if name not in registry() and folder.is_dir() else name


def of_run(workdir: str) -> pathlib.Path:
    """The preset that a training run has left in its workdir.

    Raises:
        PresetError: It has left none.
    """
    preset = expanded(workdir) / "preset"
    if not preset.is_dir():
        raise PresetError(
            "--run must be a workdir in which a run has left preset/, as each checkpoint does. "
            f"Received: {described(expanded(workdir))}."
        )
    return preset


def family_of(name: str) -> str:
    """The family of a named preset, or of one in a folder, which is not read further.

    Raises:
        PresetError: An unknown name, or a folder that holds no preset.
    """
    folder = expanded(name)
    if not folder.is_dir() or name in registry():
        return get_preset(name).family
    return _read_config(folder)[0]


def resolve(name: str | os.PathLike[str]) -> Source:
    """Finds and checks what stands behind a preset's name.

    Raises:
        PresetError: Unknown name, unreadable or incomplete files, a hash that does not match.
    """
    if isinstance(name, os.PathLike):
        name = os.fspath(name)
    if not isinstance(name, str):
        raise PresetError(
            "A preset must be a name that `python -m zoo list` shows, a folder, hf://user/repo, "
            f"gs://bucket/path or https://host/path#sha256=... Received: {name!r}."
        )
    if "://" in name:
        return _read_folder(remote.fetch(name), name)
    if name in registry():
        preset = registry()[name]
        if preset.pretrained:
            return _read_folder(preset.folder, name)
        return Source(name, preset.family, dict(preset.config), None, None)
    folder = expanded(name)
    if folder.is_dir():
        inner = folder / "preset"
        weights = any((folder / file).is_file() for file in cards.WEIGHTS_FILES)
        if (inner / CONFIG_FILE).is_file() and not weights:
            raise PresetError(f"{name!r} is the workdir of a training run: load {str(inner)!r}.")
        return _read_folder(folder, name)
    raise unknown(name)


def _read_folder(folder: pathlib.Path, name: str) -> Source:
    family, arguments, class_name = _read_config(folder)
    path = folder / CARD_FILE
    card = cards.read_json(path)
    hashes, weights = cards.hashes_of(card, path)
    for file, expected in hashes.items():
        if not PLAIN_NAME.fullmatch(file):
            raise PresetError(
                f"{path} may only name files in its own folder. Received: {file[:100]!r}."
            )
        if not (folder / file).is_file():
            raise PresetError(f"{path} names {file}, which is not there.")
        received = sha256(folder / file)
        if received != expected:
            raise PresetError(
                f"The sha256 of {folder / file} must be {expected}, as {CARD_FILE} says. "
                f"Received: {received}. The file is damaged or was replaced: fetch it again."
            )
    return Source(name, family, arguments, folder / weights, card, class_name)


def shapes_of(weights: pathlib.Path) -> list[tuple[int, ...]]:
    """The shapes of a weights file's arrays, all of which are in the file itself.

    Raises:
        PresetError: Links to elsewhere, or arrays that are not there.
    """
    # h5py and NumPy, which names do not need.
    from zoo.core.readers import CheckpointError, hdf5, safetensors_files

    try:
        safe = weights.name == SAFETENSORS_FILE
        return safetensors_files.check(weights) if safe else hdf5.check(weights)
    except CheckpointError as error:
        raise PresetError(str(error)) from None


def _read_config(folder: pathlib.Path) -> tuple[str, dict[str, Any], str | None]:
    """(family, constructor arguments, Keras's name of a class derived from the family's)."""
    config = cards.read_json(folder / CONFIG_FILE)
    family, arguments = config.get("family"), config.get("config")
    if family not in list_families() or not isinstance(arguments, dict):
        raise PresetError(
            f"{folder / CONFIG_FILE} must hold a 'family' of "
            f"{', '.join(list_families())} and its 'config'. Received family: {family!r}."
        )
    side = arguments.get("resolution", 0)
    if isinstance(side, int) and side > LARGEST_SIDE:
        raise PresetError(f"A resolution must be at most {LARGEST_SIDE:,}. Received: {side}.")
    return family, arguments, config.get("class")


def write(
    folder: pathlib.Path,
    *,
    family: str,
    config: dict[str, Any],
    weights: pathlib.Path,
    card: dict[str, Any],
    samples: bytes | None,
    class_name: str | None = None,
    page: str | None = None,
) -> None:
    """Writes a preset folder, whole or not at all.

    Args:
        folder: Where; replaced if it is there.
        family: Key of `FAMILIES`.
        config: Constructor arguments.
        weights: A finished weights file, moved into the folder; its name says its format.
        card: Content of `card.json`; `sha256` is added here.
        samples: A PNG, or None.
        class_name: Keras's name of a class derived from the family's, or None.
        page: A README.md, or None.

    Raises:
        PresetError: `folder` holds something that is not a preset.
    """
    folder = folder.resolve()
    if folder.exists() and not (folder / CONFIG_FILE).is_file() and any(folder.iterdir()):
        raise PresetError(
            "A preset is written to a new folder, or in place of an older preset. "
            f"Received: {folder}, which holds something else."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = pathlib.Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        fresh.chmod(0o755)  # mkdtemp makes it private
        shutil.move(weights, fresh / weights.name)
        derived = {} if class_name is None else {"class": class_name}
        write_json(fresh / CONFIG_FILE, {"family": family, **derived, "config": config})
        if samples is not None:
            (fresh / SAMPLES_FILE).write_bytes(samples)
        if page is not None:
            (fresh / PAGE_FILE).write_text(page, encoding="utf-8")
        hashes = {file: sha256(fresh / file) for file in (CONFIG_FILE, weights.name)}
        write_json(fresh / CARD_FILE, {**card, "sha256": hashes})
        replace_folder(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def sweep(folder: pathlib.Path) -> None:
    """Clears what a killed `write` of `folder` left beside it; what it had moved away comes back.

    Only where no other process writes it.
    """
    for rest in folder.parent.glob(f".{folder.name}.*"):
        if rest.name.endswith(".old") and not folder.exists():
            rest.rename(folder)
        else:
            shutil.rmtree(rest, ignore_errors=True)
