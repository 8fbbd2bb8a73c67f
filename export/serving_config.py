"""The files that TF Serving reads: which models it serves, how it batches, what it measures.

TF Serving reads models.config again while it runs (`--model_config_file_poll_wait_seconds`), so
each file is replaced whole.
"""

import json
import pathlib
import re
from collections.abc import Sequence

from zoo.core.spelling import near_misses
from zoo.core.storage import described, expanded

_LABEL = re.compile(r"(?P<model>[^:=]+):(?P<name>[^:=]+)=(?P<version>\d+)")

_BATCHING = """\
# The most images of one request.
max_batch_size { value: 1024 }
# Requests that wait are run together, up to this many images; a larger request runs in pieces.
enable_large_batch_splitting { value: true }
max_execution_batch_size { value: 32 }
# A request that finds a free thread runs at once: 0 microseconds.
batch_timeout_micros { value: 0 }
# Batches that run at a time, of all models: about as many as there are cores.
num_batch_threads { value: 4 }
# Batches of a model that may wait. Callers beyond them get UNAVAILABLE.
max_enqueued_batches { value: 100 }
"""
_MONITORING = """\
# Metrics for Prometheus, on the port of the REST API.
prometheus_config {
  enable: true
  path: "/monitoring/prometheus/metrics"
}
"""


def write(
    models: str, to: str, base_path: str | None = None, labels: Sequence[str] = ()
) -> list[pathlib.Path]:
    """Writes models.config, batching.config and monitoring.config.

    A model without labels is served in its latest version. A model with labels is served in the
    versions that they name.

    Args:
        models: The folder of `<model>/<version>/` that `python -m export` writes.
        to: The folder of the files; it is made, and existing files are replaced.
        base_path: Where TF Serving finds `models`; by default where it is now.
        labels: "MODEL:LABEL=VERSION" each.

    Returns:
        The files.

    Raises:
        ValueError: There is no model, or a label names something that is not there.
    """
    exported = expanded(models)
    found = _versions(exported)
    if not found:
        raise ValueError(
            f"--models must be a folder of <model>/<version>/, as python -m export writes it. "
            f"Received: {described(exported)}."
        )
    chosen: dict[str, dict[str, int]] = {}
    for text in labels:
        model, label, version = _label(text, found)
        if chosen.setdefault(model, {}).setdefault(label, version) != version:
            raise ValueError(f"Each label of a model must be given once. Received: {text!r} too.")
    root = base_path or str(exported.absolute())
    if not (root.startswith("/") or "://" in root):
        raise ValueError(f"--base_path must be absolute, or a URI. Received: {root!r}.")
    files = {
        "models.config": _models(sorted(found), root.rstrip("/"), chosen),
        "batching.config": _BATCHING,
        "monitoring.config": _MONITORING,
    }
    folder = expanded(to)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        fresh = folder / f".{name}.unfinished"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(folder / name)
    return [folder / name for name in files]


def _versions(models: pathlib.Path) -> dict[str, set[int]]:
    """The versions of each model, as TF Serving finds them: folders with decimal names."""
    if not models.is_dir():
        return {}
    found = {
        model.name: {
            int(child.name)
            for child in model.iterdir()
            if child.is_dir() and child.name.isascii() and child.name.isdecimal()
        }
        for model in models.iterdir()
        if model.is_dir() and not model.name.startswith(".")
    }
    return {model: versions for model, versions in found.items() if versions}


def _label(text: str, found: dict[str, set[int]]) -> tuple[str, str, int]:
    match = _LABEL.fullmatch(text)
    if not match:
        raise ValueError(f"--label must be MODEL:LABEL=VERSION. Received: {text!r}.")
    model, version = match["model"], int(match["version"])
    if model not in found:
        raise ValueError(
            f"--label must name a model of --models. Received: {model!r}."
            f"{near_misses(model, found)}"
        )
    if version not in found[model]:
        raise ValueError(
            f"--label must name a version of {model}: {', '.join(map(str, sorted(found[model])))}. "
            f"Received: {text!r}."
        )
    return model, match["name"], version


def _models(names: Sequence[str], root: str, labels: dict[str, dict[str, int]]) -> str:
    lines = ["model_config_list {"]
    for name in names:
        lines += [
            "  config {",
            f"    name: {_string(name)}",
            f"    base_path: {_string(f'{root}/{name}')}",
            '    model_platform: "tensorflow"',
        ]
        if name in labels:
            versions = " ".join(f"versions: {v}" for v in sorted(set(labels[name].values())))
            lines.append(f"    model_version_policy {{ specific {{ {versions} }} }}")
            lines += [
                f"    version_labels {{ key: {_string(label)} value: {version} }}"
                for label, version in labels[name].items()
            ]
        lines.append("  }")
    return "\n".join([*lines, "}", ""])


def _string(text: str) -> str:
    """A string of a text proto; JSON's escapes are among its own."""
    return json.dumps(text, ensure_ascii=False)
