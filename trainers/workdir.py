"""The folder of a run: allows one process at a time, and always the same run."""

import contextlib
import dataclasses
import datetime
import fcntl
import importlib.metadata
import json
import pathlib
import platform
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import PIL
import tensorflow as tf

from trainers.data import naming
from trainers.run import Run
from zoo.core import sources

CONFIG = "config.json"
ABOUT = "about.json"
LOCK = ".lock"

# Fields that no resume can change: they would change the variables or their type.
FIXED = ("preset", "family", "mixed_precision")

_DEFAULTS = {
    field.name: field.default
    for field in dataclasses.fields(Run)
    if field.default is not dataclasses.MISSING
}


@contextlib.contextmanager
def locked(workdir: pathlib.Path) -> Iterator[None]:
    """Locks the folder for this process; the OS releases the lock however the process ends.

    Raises:
        ValueError: Another process is training in it.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    with open(workdir / LOCK, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"One process at a time may train in a workdir. Received: {workdir}, where "
                "another one is at work. Wait for it, or use another --workdir."
            ) from None
        yield


def check_same_run(
    workdir: pathlib.Path,
    identity: dict[str, Any],
    *,
    config: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
    accept_changes: bool = False,
) -> list[str]:
    """Compares the settings that determine a run's result with those of an earlier process.

    Args:
        workdir: The run's folder; may not exist yet.
        identity: Name -> current value.
        config: Current arguments of the networks.
        defaults: Values of arguments that `config` does not contain.
        accept_changes: Whether to return differences instead of raising.

    Returns:
        The differences, in words.

    Raises:
        ValueError: They differ, or the earlier configuration cannot be read.
    """
    path = workdir / CONFIG
    if not path.is_file():
        return []
    try:
        # Fields that an earlier version did not write have their defaults.
        earlier = {**_DEFAULTS, **json.loads(path.read_text(encoding="utf-8-sig"))}
        identity, config = json.loads(json.dumps([identity, config or {}]))  # like the earlier ones
        changed = {
            name: value
            for name, value in identity.items()
            if not _same(name, earlier[name], value, workdir)
        }
        differences = [f"{name} {earlier[name]!r}, now {changed[name]!r}" for name in changed]
        before, now = ({**(defaults or {}), **(c or {})} for c in (earlier.get("config"), config))
        arguments = [
            f"{name} {before.get(name)!r}, now {now.get(name)!r}"
            for name in {**before, **now}
            if before.get(name) != now.get(name)
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} must be what a run wrote. Received: {error!r}.") from None
    fixed = arguments or any(name in changed for name in FIXED)
    differences += arguments
    if differences and (fixed or not accept_changes):
        raise ValueError(
            f"{workdir} holds another run: {'; '.join(differences)}. Give the same values to "
            "resume it, --accept_changes to resume with these (never with another "
            f"{' or '.join(FIXED)}, or other arguments of the networks), or another --workdir."
        )
    return differences


def _same(name: str, earlier: Any, now: Any, workdir: pathlib.Path) -> bool:
    """Whether two values are the same; paths may be spelled differently."""
    if earlier == now or not (isinstance(earlier, str) and isinstance(now, str)):
        return earlier == now
    if name == "preset":
        return sources.canonical(earlier) == sources.canonical(now)
    if name != "dataset":
        return False
    # A relative path was relative to where the run started; `about.json` has the absolute path.
    meant = (read_earlier(workdir / ABOUT).get("data") or {}).get("source")
    known = {naming.canonical(earlier), *([meant] if meant and naming.is_path(meant) else [])}
    return naming.canonical(now) in known


def read_earlier(path: pathlib.Path) -> dict[str, Any]:
    """What an earlier process wrote to `CONFIG` or `ABOUT`; empty if that cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def check_same_data(
    workdir: pathlib.Path, about: dict[str, Any], *, accept_changes: bool = False
) -> list[str]:
    """Like `check_same_run`, for what is known later: pixels, replicas, the preset's arguments.

    Args:
        workdir: The run's folder.
        about: The new content of about.json.
        accept_changes: Whether to return differences instead of raising.

    Returns:
        The differences, in words.

    Raises:
        ValueError: They differ.
    """
    try:
        earlier = read_earlier(workdir / ABOUT)
        about = json.loads(json.dumps(about))  # through JSON, like the earlier record
        common = earlier.get("config", {}).keys() & about["config"].keys()
        before, now = (
            {
                "images": f"{record['data']['count']} ({record['data']['fingerprint'][:12]})",
                "replicas": record["replicas"],
                # The preset may have changed. Arguments that it did not have are ignored.
                **{key: record["config"][key] for key in common},
            }
            for record in (earlier, about)
        )
    except (KeyError, TypeError):
        return []  # without a complete record there is nothing to compare with
    differences = [
        f"{name} {before[name]}, now {now[name]}" for name in now if before[name] != now[name]
    ]
    if differences and not accept_changes:
        raise ValueError(
            f"{workdir} was trained on other images or replicas: {'; '.join(differences)}. Its "
            "batches and random draws would differ: give --accept_changes to resume, or another "
            "--workdir."
        )
    return differences


def environment() -> dict[str, Any]:
    """Versions and devices, for the record."""
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    names = [
        tf.config.experimental.get_device_details(device).get("device_name", "GPU")
        for device in tf.config.list_physical_devices("GPU")
    ]
    return {
        "versions": {"python": platform.python_version(), **versions()},
        "devices": names or [device.device_type for device in devices],
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def versions() -> dict[str, str | None]:
    """Versions of the libraries; the own version is None when run from a checkout."""
    try:
        own = importlib.metadata.version("gan-zoo")
    except importlib.metadata.PackageNotFoundError:
        own = None
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "gan-zoo": own,
    }
