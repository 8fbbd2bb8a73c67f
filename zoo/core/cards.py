"""The JSON files of a preset, and the sha256 that its card gives of the others."""

import json
import os
import pathlib
from typing import Any

from zoo.core.presets import CARD_FILE, CONFIG_FILE, SAFETENSORS_FILE, WEIGHTS_FILE, PresetError

WEIGHTS_FILES = (WEIGHTS_FILE, SAFETENSORS_FILE)
JSON_BYTES = 4 << 20  # a card with all that was measured has a few thousand


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """A JSON object of a preset's.

    Raises:
        PresetError: It is missing, too large or not JSON.
    """
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


def dataset_of(card: dict[str, Any]) -> dict[str, Any]:
    """What a card says of the data set; {} if nothing. A text, which anyone may give, is a name."""
    dataset = card.get("dataset") or {}
    return dataset if isinstance(dataset, dict) else {"name": dataset}


def training_of(card: dict[str, Any]) -> dict[str, Any]:
    """What a card says of its training; {} if nothing, or a text that anyone may have written."""
    training = card.get("training")
    return training if isinstance(training, dict) else {}


def hashes_of(card: dict[str, Any], path: str | os.PathLike[str]) -> tuple[dict[str, str], str]:
    """(sha256 by file, name of the weights file), as a card says.

    Raises:
        PresetError: Not the sha256 of one weights file. `path` is the card's, for the message.
    """
    hashes = card.get("sha256")
    named = [file for file in WEIGHTS_FILES if isinstance(hashes, dict) and file in hashes]
    if len(named) != 1:
        raise PresetError(
            f"{path} must give the sha256 of {' or of '.join(WEIGHTS_FILES)}, and of one of them. "
            f"Received: {' and '.join(named) or 'neither'}."
        )
    return hashes, named[0]
