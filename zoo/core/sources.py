"""Where presets come from: a name, a folder, hf:// or gs://, with hashes checked.

A preset folder holds `config.json` (family and constructor arguments), `model.weights.h5` (EMA
generator and discriminator) and `card.json` (data, licence, recipe, sha256, scores). Nothing in it
is code: the class comes from the registry, the weights are plain HDF5 arrays.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import tempfile
from typing import Any

from zoo.core.presets import (
    CARD_FILE,
    CONFIG_FILE,
    SAMPLES_FILE,
    WEIGHTS_FILE,
    PresetError,
    get_preset,
    list_families,
    registry,
    unknown,
)
from zoo.core.storage import replace_folder, sha256, write_json

JSON_BYTES = 4 << 20  # a card with all that was measured has a few thousand
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
    if "://" not in name and not pathlib.Path(name).expanduser().is_dir():
        get_preset(name)


def canonical(name: str) -> str:
    """One string for every way to write the same preset: a folder's real path, a name as it is."""
    if "://" in name:
        return name.rstrip("/")
    folder = pathlib.Path(name).expanduser()
    return str(folder.resolve()) if name not in registry() and folder.is_dir() else name


def of_run(workdir: str) -> pathlib.Path:
    """The preset that a training run has left in its workdir.

    Raises:
        PresetError: It has left none.
    """
    preset = pathlib.Path(workdir).expanduser() / "preset"
    if not preset.is_dir():
        raise PresetError(
            "--run must be a workdir in which a run has left preset/, as each checkpoint does. "
            f"Received: {workdir}."
        )
    return preset


def family_of(name: str) -> str:
    """The family of a named preset, or of one in a folder, which is not read further.

    Raises:
        PresetError: An unknown name, or a folder that holds no preset.
    """
    folder = pathlib.Path(name).expanduser()
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
            "A preset must be a name from zoo.list_presets(), a folder, hf://user/repo or "
            f"gs://bucket/path. Received: {name!r}."
        )
    if "://" in name:
        return _read_folder(_download(name), name)
    if name in registry():
        preset = registry()[name]
        if preset.pretrained:
            return _read_folder(preset.folder, name)
        return Source(name, preset.family, dict(preset.config), None, None)
    folder = pathlib.Path(name).expanduser()
    if folder.is_dir():
        inner = folder / "preset"
        if (inner / CONFIG_FILE).is_file() and not (folder / WEIGHTS_FILE).is_file():
            raise PresetError(f"{name!r} is the workdir of a training run: load {str(inner)!r}.")
        return _read_folder(folder, name)
    raise unknown(name)


def _read_folder(folder: pathlib.Path, name: str) -> Source:
    family, arguments, class_name = _read_config(folder)
    card = _read_json(card_path(folder))
    hashes = card.get("sha256")
    if not isinstance(hashes, dict) or WEIGHTS_FILE not in hashes:
        raise PresetError(f"{card_path(folder)} must give the sha256 of {WEIGHTS_FILE}.")
    for file, expected in hashes.items():
        if not PLAIN_NAME.fullmatch(file):
            raise PresetError(
                f"{card_path(folder)} may name files of its folder alone. Received: {file[:100]!r}."
            )
        if not (folder / file).is_file():
            raise PresetError(f"{card_path(folder)} names {file}, which is not there.")
        received = sha256(folder / file)
        if received != expected:
            raise PresetError(
                f"The sha256 of {folder / file} must be {expected}, as {CARD_FILE} says. "
                f"Received: {received}. The file is damaged or was exchanged: fetch it again."
            )
    return Source(name, family, arguments, folder / WEIGHTS_FILE, card, class_name)


def shapes_of(weights: pathlib.Path) -> list[tuple[int, ...]]:
    """The shapes of a weights file's arrays, all of which are in the file itself.

    Raises:
        PresetError: Links to elsewhere, or arrays that are not there.
    """
    from zoo.core.readers import CheckpointError, hdf5  # h5py and NumPy, which names do not need

    try:
        return hdf5.check(weights)
    except CheckpointError as error:
        raise PresetError(str(error)) from None


def _read_config(folder: pathlib.Path) -> tuple[str, dict[str, Any], str | None]:
    """(family, constructor arguments, Keras's name of a class derived from the family's)."""
    config = _read_json(folder / CONFIG_FILE)
    family, arguments = config.get("family"), config.get("config")
    if family not in list_families() or not isinstance(arguments, dict):
        raise PresetError(
            f"{folder / CONFIG_FILE} must hold a 'family' of {list_families()} and its 'config'. "
            f"Received family: {family!r}."
        )
    side = arguments.get("resolution", 0)
    if isinstance(side, int) and side > LARGEST_SIDE:
        raise PresetError(f"A resolution must be at most {LARGEST_SIDE:,}. Received: {side}.")
    return family, arguments, config.get("class")


def card_path(folder: pathlib.Path) -> pathlib.Path:
    """Where a preset folder keeps its card."""
    return folder / CARD_FILE


def _read_json(path: pathlib.Path) -> dict[str, Any]:
    if path.is_file() and path.stat().st_size > JSON_BYTES:
        raise PresetError(
            f"{path} must have at most {JSON_BYTES:,} bytes. Received: {path.stat().st_size:,}."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise PresetError(
            f"A preset folder must hold {CONFIG_FILE}, {WEIGHTS_FILE} and {CARD_FILE}. "
            f"Received: {path.parent}, without {path.name}."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise PresetError(f"{path} must be readable JSON. Received: {error}.") from None
    if not isinstance(content, dict):
        raise PresetError(f"{path} must hold a JSON object. Received: {type(content).__name__}.")
    return content


def _download(address: str) -> pathlib.Path:
    """Fetches a remote preset's three files; returns their folder.

    Hugging Face's client keeps its own cache; other addresses are fetched again each time.
    """
    if address.startswith("hf://"):
        try:
            from huggingface_hub import snapshot_download
        except ImportError:
            raise PresetError(
                f"{address} needs the Hugging Face client: pip install huggingface_hub"
            ) from None
        try:
            return pathlib.Path(
                snapshot_download(
                    address.removeprefix("hf://"),
                    allow_patterns=[CONFIG_FILE, WEIGHTS_FILE, CARD_FILE],
                )
            )
        except Exception as error:  # the hub's errors share no base class
            raise PresetError(f"{address} could not be fetched: {error}") from error

    import tensorflow as tf  # its file systems know gs://

    key = hashlib.sha256(address.encode()).hexdigest()[:16]
    cache = pathlib.Path.home() / ".cache" / "gan_zoo" / key
    cache.parent.mkdir(parents=True, exist_ok=True)
    fresh = pathlib.Path(tempfile.mkdtemp(prefix=f"{key}.", dir=cache.parent))
    try:
        for file in (CONFIG_FILE, CARD_FILE, WEIGHTS_FILE):
            tf.io.gfile.copy(f"{address.rstrip('/')}/{file}", str(fresh / file), overwrite=True)
        replace_folder(fresh, cache)
    except tf.errors.OpError as error:
        raise PresetError(f"{address} could not be fetched: {error.message}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return cache


def write(
    folder: pathlib.Path,
    *,
    family: str,
    config: dict[str, Any],
    weights: pathlib.Path,
    card: dict[str, Any],
    samples: bytes | None,
    class_name: str | None = None,
) -> None:
    """Writes a preset folder, whole or not at all.

    Args:
        folder: Where; replaced if it is there.
        family: Key of `FAMILIES`.
        config: Constructor arguments.
        weights: A finished weights file, moved into the folder.
        card: Content of `card.json`; `sha256` is added here.
        samples: A PNG, or None.
        class_name: Keras's name of a class derived from the family's, or None.

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
        shutil.move(weights, fresh / WEIGHTS_FILE)
        derived = {} if class_name is None else {"class": class_name}
        write_json(fresh / CONFIG_FILE, {"family": family, **derived, "config": config})
        if samples is not None:
            (fresh / SAMPLES_FILE).write_bytes(samples)
        hashes = {file: sha256(fresh / file) for file in (CONFIG_FILE, WEIGHTS_FILE)}
        write_json(card_path(fresh), {**card, "sha256": hashes})
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
