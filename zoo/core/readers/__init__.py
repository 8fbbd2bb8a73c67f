"""Reads published checkpoints as plain data: nothing that a file holds is ever executed.

    format                      recognised by            read by
    torch.save, zip             PK and data.pkl          torch_files.py
    torch.save before 1.6       its magic number         torch_files.py
    other pickles               a pickle's first byte    pickles.py
    safetensors                 its header's length      safetensors_files.py
    Keras weights (.h5)         HDF5's signature         hdf5.py
    JSON                        {                        the standard library

A name's ending means nothing: files are recognised by their content. PyTorch is not needed. What a
file claims is compared with what it holds before memory is spent on it.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from zoo.core.readers import hdf5, pickles, safetensors_files, torch_files
from zoo.core.readers.pickles import Record
from zoo.core.readers.refusal import CheckpointError

__all__ = ["Checkpoint", "CheckpointError", "Record", "read", "tensors_of"]

JSON_BYTES = 1 << 20  # a configuration is never larger

FORMATS = (
    "a PyTorch file (.pth, .pt, .bin), a pickle (.pkl), safetensors, Keras weights (.h5), or a "
    "config.json that belongs to one of them"
)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A file that has been read.

    Attributes:
        path: Of the file.
        kind: "torch", "pickle", "safetensors", "keras" or "json".
        content: What it holds, as plain data. Arrays are `Tensor` or `Array` (`pickles.py`), or
            numpy's; objects of other classes are `Record`.
    """

    path: pathlib.Path
    kind: str
    content: Any


def read(path: pathlib.Path) -> Checkpoint:
    """Reads a file, whatever its name.

    Raises:
        CheckpointError: It cannot be read, is of none of the formats, is damaged, or holds
            something else than plain data.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(16)
        if start.startswith(b"PK\x03\x04"):
            return Checkpoint(path, "torch", torch_files.read_zip(path))
        if start.startswith(torch_files.MAGIC):
            return Checkpoint(path, "torch", torch_files.read_legacy(path))
        if start.startswith(hdf5.SIGNATURE):
            return Checkpoint(path, "keras", hdf5.read_keras_weights(path))
        if start[8:9] == b"{":
            return Checkpoint(path, "safetensors", safetensors_files.read(path))
        if start.startswith(b"\x80"):
            return Checkpoint(path, "pickle", pickles.read(path))
        if start.lstrip().startswith(b"{"):
            return Checkpoint(path, "json", read_json(path))
    except CheckpointError:
        raise
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist. A checkpoint must be {FORMATS}.") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (MemoryError, RecursionError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise CheckpointError(
            f"{path} must be an undamaged checkpoint. Received: {type(error).__name__}."
        ) from None
    raise CheckpointError(f"A checkpoint must be {FORMATS}. Received: {path}.")


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """A JSON object of at most `JSON_BYTES`."""
    if path.stat().st_size > JSON_BYTES:
        raise CheckpointError(
            f"A configuration must have at most {JSON_BYTES:,} bytes. "
            f"Received: {path} of {path.stat().st_size:,}."
        )
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} must hold a JSON object.")
    return content


def tensors_of(checkpoint: Checkpoint, content: Any) -> dict[str, np.ndarray]:
    """The arrays of a state dict, of a persistent module or of a TensorFlow network, by name.

    Args:
        checkpoint: The file.
        content: A part of its content.

    Raises:
        CheckpointError: Something that is no such thing, or arrays that together are larger than
            the file, as they are where many share one storage.
    """
    found = {}
    left = checkpoint.path.stat().st_size
    for name, value in _named(content):
        if isinstance(value, pickles.Tensor | pickles.Array | np.ndarray):
            left -= value.nbytes
            if left < 0:
                raise CheckpointError(
                    f"{checkpoint.path} must hold all the numbers that its arrays claim. "
                    f"Received: more at {name!r}."
                )
            try:
                found[name] = value if isinstance(value, np.ndarray) else value.array()
            except (OSError, ValueError, OverflowError, MemoryError) as error:
                if isinstance(error, CheckpointError):
                    raise
                raise CheckpointError(
                    f"{checkpoint.path} must be an undamaged checkpoint. Received: {error}."
                ) from None
    if not found:
        raise CheckpointError(f"{checkpoint.path} must hold arrays by name. Received: none.")
    return found


def _named(content: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    if depth > 16:
        raise CheckpointError("The modules of a checkpoint must be nested at most 16 deep.")
    if isinstance(content, Record) and isinstance(content.state, Mapping):
        state = content.state
        if "variables" in state:  # TensorFlow's networks
            for variable in _sequence(state["variables"]):
                name, value = _sequence(variable, 2)
                if type(value) in (int, float):
                    value = np.asarray(value, np.float32)
                yield f"{prefix}{name}", value
            for name, component in _mapping(state.get("components", {})).items():
                yield from _named(component, f"{prefix}{name}/", depth + 1)
            return
        for kind in ("_parameters", "_buffers"):
            for name, value in _mapping(state.get(kind, {})).items():
                yield f"{prefix}{name}", value
        for name, module in _mapping(state.get("_modules", {})).items():
            if module is not None:
                yield from _named(module, f"{prefix}{name}.", depth + 1)
        return
    yield from _mapping(content).items()


def _mapping(content: Any) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"A checkpoint must hold arrays by name. Received: {type(content).__name__}."
        )
    return content


def _sequence(content: Any, length: int | None = None) -> Any:
    if not isinstance(content, list | tuple) or length not in (None, len(content)):
        raise CheckpointError("The variables of a network must be pairs of a name and an array.")
    return content
