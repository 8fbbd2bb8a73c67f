"""Presets for others: in a repository of Hugging Face's hub, or in a folder.

What is written is a preset as `zoo.load` reads it, with weights as safetensors and a README.md
whose front matter has the hub's fields (https://huggingface.co/docs/hub/model-cards).
"""

import os
import pathlib
import re
import tempfile
from collections.abc import Iterator
from typing import Any

from zoo.core import cards, presets, remote, sources, storage
from zoo.core.presets import CARD_FILE, SAFETENSORS_FILE, SAMPLES_FILE, WEIGHTS_FILE, PresetError

# The hub's names of licences, by SPDX's; any other is "other", with its text as a name.
LICENCES = {
    "Apache-2.0": "apache-2.0",
    "BSD-3-Clause": "bsd-3-clause",
    "CC-BY-4.0": "cc-by-4.0",
    "CC-BY-NC-4.0": "cc-by-nc-4.0",
    "CC-BY-NC-SA-4.0": "cc-by-nc-sa-4.0",
    "CC-BY-SA-4.0": "cc-by-sa-4.0",
    "CC0-1.0": "cc0-1.0",
    "GPL-3.0-only": "gpl-3.0",
    "GPL-3.0-or-later": "gpl-3.0",
    "MIT": "mit",
    "OpenRAIL": "openrail",
}

# The hub's names of what a family does; all others draw from noise.
TASKS = dict.fromkeys(("cyclegan", "pix2pix", "srgan"), "image-to-image")
NOISE_TASK = "unconditional-image-generation"

# README.md has the same words, and the families' cards point there.
MISUSE = """\
- **Consent**: do not make or alter pictures of a real person who has not agreed. Photographs of
  people are personal data, in training too.
- **Deception**: do not present a generated picture as a photograph or as evidence. Leave the mark
  in the file, and say that the picture was generated: in many places the law requires it.
- **Copyright**: check whether you may train on the pictures. A model can copy its training images
  (the metric `nearest` measures that), and what it draws may resemble a protected work.
- **Bias**: a model draws what its data show, and rare things even more rarely, as `recall` and
  `coverage` measure."""


def push(name: str, to: str) -> str:
    """Writes a preset with weights to the hub or to a folder.

    Args:
        name: A preset, as `zoo.load` takes it.
        to: hf://user/repo, made if it is not there (hf://user/repo@branch for a branch), or a
            folder, which is written whole or not at all.

    Returns:
        How it is loaded from there.

    Raises:
        PresetError: A preset without weights, an address that cannot be written to.
    """
    if "://" in to and not remote.HUB.fullmatch(to):
        raise PresetError(
            f"A preset is pushed to hf://user/repo, hf://user/repo@branch or a folder. "
            f"Received: {to}."
        )
    source = sources.resolve(name)
    if source.weights is None or source.card is None:
        raise PresetError(
            f"A preset must have weights to be pushed. Received: {name!r}, an architecture alone."
        )
    if "://" not in to:
        folder = storage.expanded(to)
        _write(source, folder, to)
        return f"zoo.load({to!r}), or https://HOST/PATH#sha256={storage.sha256(folder / CARD_FILE)}"
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "preset"
        _write(source, folder, to)
        _upload(folder, to)
    return f"zoo.load({to!r})"


def _upload(folder: pathlib.Path, to: str) -> None:
    """One commit with all files. Large ones that an interrupted try has sent are not sent again."""
    hub = remote.import_hub(to)
    repository, branch = remote.parse_hub(to)
    with remote.reached(to), remote.hub_errors(to):
        api = hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
        api.create_repo(repository, exist_ok=True)
        if branch is not None:
            api.create_branch(repository, branch=branch, exist_ok=True)
        operations = [
            hub.CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=file)
            for file in sorted(folder.iterdir())
        ]
        if api.file_exists(repository, WEIGHTS_FILE, revision=branch):  # of another way to push
            operations.append(hub.CommitOperationDelete(path_in_repo=WEIGHTS_FILE))
        api.create_commit(
            repository,
            operations,
            revision=branch,
            commit_message=f"Preset of gan-zoo, sha256 {storage.sha256(folder / CARD_FILE)}",
        )


def _write(source: sources.Source, folder: pathlib.Path, to: str) -> None:
    from safetensors.numpy import save_file

    from zoo.core.readers import CheckpointError, hdf5, safetensors_files

    assert source.weights is not None
    assert source.card is not None
    samples = source.weights.with_name(SAMPLES_FILE)
    with tempfile.TemporaryDirectory() as scratch:
        weights = pathlib.Path(scratch) / SAFETENSORS_FILE
        try:
            safe = source.weights.name == SAFETENSORS_FILE
            arrays = safetensors_files.read(source.weights) if safe else hdf5.read(source.weights)
        except CheckpointError as error:
            raise PresetError(str(error)) from None
        save_file(arrays, weights)
        sources.write(
            folder,
            family=source.family,
            class_name=source.class_name,
            config=source.config,
            weights=weights,
            card={key: value for key, value in source.card.items() if key != "sha256"},
            samples=samples.read_bytes() if samples.is_file() else None,
            page=page(source, to, samples.is_file()),
        )


# ---- the page


def page(source: sources.Source, to: str, samples: bool) -> str:
    """The README.md of a preset on the hub.

    Args:
        source: The preset.
        to: Where it will be.
        samples: Whether there is a samples.png.
    """
    hub = remote.import_hub(to)
    card = source.card or {}
    name = _text(card.get("name") or remote.short_name(to))
    dataset = cards.dataset_of(card)
    licence = _text(card.get("licence") or "not stated")
    task = TASKS.get(source.family, NOISE_TASK)
    known = LICENCES.get(licence)
    set_name = _text(dataset.get("name") or "")
    plain = re.fullmatch(r"[\w.-]+(/[\w.-]+)?", set_name)
    results = [
        hub.EvalResult(
            task_type=task,
            dataset_type=_text(record.get("dataset") or "unknown"),
            dataset_name=_text(record.get("dataset") or "unknown"),
            dataset_split=_text(record["split"]) if record.get("split") else None,
            metric_type=kind,
            metric_name=metric,
            metric_value=value,
        )
        for record, kind, metric, value in _scores(card)
    ]
    head = hub.ModelCardData(
        license=known or "other",
        license_name=None if known else _slug(licence),
        license_link=None if known else CARD_FILE,
        library_name="gan-zoo",
        pipeline_tag=task,
        tags=["gan", source.family, "keras", "tensorflow"],
        datasets=[set_name] if plain else None,
        model_name=name if results else None,
        eval_results=results or None,
    )
    parts = [f"---\n{head.to_yaml()}\n---", f"# {name}"]
    parts.append(_text(card.get("description") or _shape(source)))
    if samples:
        parts.append(f"![What it makes]({SAMPLES_FILE})")
    parts.append(f"## Use\n\n```python\nimport zoo\n\ngan = zoo.load({to!r})\n{_call(source)}\n```")
    parts.append(f"## What it makes\n\n{_shape(source)}")
    if dataset:
        count = dataset.get("images")
        images = f", {count:,} images" if isinstance(count, int) else ""
        of = _text(dataset.get("licence") or "not stated")
        parts.append(f"## Data\n\n{set_name}{images}. Licence of the data: {of}.")
    if isinstance(card.get("converted_from"), dict):
        parts.append(_origin(card["converted_from"]))
    parts.append(f"## Licence of the weights\n\n{licence}")
    if results:
        rows = [f"| {r.dataset_name} | {r.metric_name} | {r.metric_value:.4g} |" for r in results]
        parts.append(
            "## Scores\n\n| images compared with | measure | value |\n|---|---|---|\n"
            + "\n".join(rows)
            + f"\n\n`{CARD_FILE}` says how each was measured."
        )
    parts.append(f"## Misuse\n\n{MISUSE}")
    return "\n\n".join(parts) + "\n"


def _scores(card: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str, float]]:
    """(record, key of the measure, its name, value), of the model and not of the baselines."""
    records = card.get("scores")
    for record in records if isinstance(records, list) else []:
        metrics = record.get("metrics") if isinstance(record, dict) else None
        for key, metric in metrics.items() if isinstance(metrics, dict) else []:
            value = metric.get("value") if isinstance(metric, dict) else None
            if isinstance(value, int | float):
                yield record, _text(key), _text(metric.get("name") or key), float(value)
        rows = record.get("scores") if isinstance(record, dict) else None
        for row in ("model", "a_to_b", "b_to_a"):
            values = rows.get(row) if isinstance(rows, dict) else None
            for key, value in values.items() if isinstance(values, dict) else []:
                if isinstance(value, int | float):
                    name = _text(key) if row == "model" else f"{_text(key)}, {row}"
                    yield record, _text(key), name, float(value)


def _shape(source: sources.Source) -> str:
    config = source.config
    side, channels = config.get("resolution"), config.get("channels", 3)
    colours = "grey" if channels == 1 else "RGB"
    what = f"Pictures of {side}x{side} px, {colours}" if isinstance(side, int) else "Pictures"
    classes = config.get("num_classes")
    of = f", of {classes:,} classes" if isinstance(classes, int) and classes else ""
    how = "made from pictures" if source.family in TASKS else "drawn from noise"
    return f"{what}{of}, {how} by {presets.FAMILIES[source.family].rpartition(':')[2]}."


def _call(source: sources.Source) -> str:
    if source.family == "srgan":
        return "large = gan.upscale(images)  # uint8 [N, H, W, 3]"
    if source.family in TASKS:
        return "translated = gan.translate(images)  # uint8 [N, H, W, C]"
    return "images = gan.generate(16, seed=0)  # uint8 [16, H, W, C]"


def _origin(converted: dict[str, Any]) -> str:
    files = [file for file in converted.get("files") or [] if isinstance(file, dict)]
    rows = [f"- `{_text(f.get('file'))}`, sha256 `{_text(f.get('sha256'))}`" for f in files]
    code = _text(converted.get("code") or "others' code")
    return "\n".join([f"## Origin\n\nConverted from a checkpoint of {code}:\n", *rows])


def _text(value: Any) -> str:
    """One line."""
    return " ".join(str(value).split())


def _slug(text: str) -> str:
    """A name as the hub takes it for a licence of its own."""
    return re.sub(r"[^a-z0-9.]+", "-", text.partition(". ")[0].lower()).strip("-.")[:60] or "other"
