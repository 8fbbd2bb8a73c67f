"""Checkpoints: the full state of a run, written in the background, hashed, verified on reading."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from zoo import GAN
from zoo.core.commands import tell
from zoo.core.storage import replace_folder, sha256, write_json

KEEP = 3
STATE = "state.npz"
MANIFEST = "manifest.json"
BEST = "best.json"


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or written."""


def state_of(gan: GAN) -> dict[str, keras.Variable]:
    """All variables of a compiled model, under names that are the same in every process.

    These are the networks, averages, counters and any other Keras variables of the family, the
    running means of metrics, and the optimizers with their slots and loss scales.
    """
    groups = {
        "model": gan.variables,
        "metrics": gan.metrics_variables,
        **{
            name: value.variables
            for name, value in vars(gan).items()
            if isinstance(value, keras.optimizers.Optimizer)
        },
    }
    # By position, because Keras's layer names differ from one model of a process to the next.
    return {
        f"{group}/{i:04d}": variable
        for group, variables in groups.items()
        for i, variable in enumerate(variables)
    }


class Checkpoints:
    """The checkpoints of one run, `folder/<step>/`: the newest ones and the best.

    Each holds `state.npz` (plain arrays: nothing in it can run code) and a manifest with its
    sha256, and is renamed into place. `save` copies the state and returns; a thread writes it.

    Args:
        folder: Created with the first checkpoint.
        gan: A compiled model.
        keep: Number of newest checkpoints to keep.
        writes: Whether this process writes; with several workers only the chief does.
        find_best: Returns {"step", "metric", "value"} of the best of the given steps, or None.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        gan: GAN,
        *,
        keep: int = KEEP,
        writes: bool = True,
        find_best: Callable[[list[int]], dict[str, Any] | None] = lambda steps: None,
    ) -> None:
        self.folder = folder
        self.keep = keep
        self.writes = writes
        self.find_best = find_best
        self._gan = gan
        self._state = state_of(gan)
        self._metrics: dict[str, np.ndarray] = {}  # from the checkpoint that was read
        self._last_good: int | None = None
        self._damaged: set[int] = set()
        self._thread = concurrent.futures.ThreadPoolExecutor(1)
        self._writing: concurrent.futures.Future[None] | None = None

    def steps(self) -> list[int]:
        """Steps of all existing checkpoints, ascending; not yet verified."""
        if not self.folder.is_dir():
            return []
        return sorted(int(child.name) for child in self.folder.iterdir() if child.name.isdigit())

    def path(self, step: int) -> pathlib.Path:
        """Folder of the checkpoint at `step`."""
        return self.folder / f"{step:08d}"

    def describe_last_good(self) -> str:
        """A sentence that names the newest checkpoint written or verified by this process."""
        with contextlib.suppress(CheckpointError):
            self.wait()
        return self._last_good_sentence()

    def _last_good_sentence(self) -> str:
        if self._last_good is None:
            return "No checkpoint had been written yet."
        return (
            f"The last good checkpoint is {self.path(self._last_good)} (step {self._last_good}); "
            "the same command resumes from there."
        )

    def save(
        self,
        step: int,
        before: Callable[[], None] | None = None,
        after: Callable[[], None] | None = None,
    ) -> None:
        """Copies the state, waits for the previous write, and starts writing this one.

        Args:
            step: Name of the checkpoint.
            before: Called by the writing thread first. If it raises, the checkpoint has failed.
            after: Called by that thread when the checkpoint is complete. If it raises, a warning
                is printed.

        Raises:
            CheckpointError: The previous write failed; earlier checkpoints are intact.
        """
        # All workers must read: the values of metrics are sums over workers.
        arrays = {name: variable.numpy() for name, variable in self._state.items()}
        self.wait()
        if self.writes:
            self._writing = self._thread.submit(self._write, step, arrays, before, after)

    def wait(self) -> None:
        """Waits until the last checkpoint is complete.

        Raises:
            CheckpointError: It could not be written; earlier checkpoints are intact.
        """
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def close(self) -> None:
        """Waits for any write in progress."""
        self._thread.shutdown()

    def _write(
        self,
        step: int,
        arrays: dict[str, np.ndarray],
        before: Callable[[], None] | None,
        after: Callable[[], None] | None,
    ) -> None:
        try:
            if before:
                before()
            self.folder.mkdir(parents=True, exist_ok=True)
            for rest in self.folder.glob(".unfinished.*"):  # from a killed run
                shutil.rmtree(rest)
            fresh = pathlib.Path(tempfile.mkdtemp(prefix=".unfinished.", dir=self.folder))
            try:
                with open(fresh / STATE, "wb") as file:
                    np.savez(file, **arrays)
                    file.flush()
                    os.fsync(file.fileno())
                write_json(
                    fresh / MANIFEST, {"step": step, "sha256": {STATE: sha256(fresh / STATE)}}
                )
                replace_folder(fresh, self.path(step))
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
        except Exception as error:  # training continues after any error
            if isinstance(error, OSError):
                rule = f"must fit on the disk of {self.folder}"
                reason = os.strerror(error.errno) if error.errno else error
            else:
                rule = "could not be written"
                reason = f"{type(error).__name__}: {error}"
            raise CheckpointError(
                f"The checkpoint at step {step} {rule}. Received: {reason}. "
                f"{self._last_good_sentence()}"
            ) from error
        self._last_good = step
        self._tidy(step)
        try:
            if after:
                after()
        except Exception as error:
            tell(f"\nwarning: step {step}: {type(error).__name__}: {error}", file=sys.stderr)

    def _tidy(self, step: int) -> None:
        """After `step` is written: records the best, deletes damaged, stale and old checkpoints."""
        with contextlib.suppress(OSError):  # the next checkpoint tries again
            # Later ones were skipped when the run resumed, and their steps are repeated.
            earlier = [one for one in self.steps() if one < step]
            whole = [one for one in earlier if one not in self._damaged]
            best = self.find_best([*whole, step])
            if best:
                write_json(self.folder / BEST, best)
            else:
                (self.folder / BEST).unlink(missing_ok=True)
            newest = whole[max(0, len(whole) - (self.keep - 1)) :]
            kept = {step, *newest, *([best["step"]] if best else [])}
            for one in self.steps():
                if one not in kept:
                    shutil.rmtree(self.path(one))
            self._damaged.clear()

    def restore(self) -> int:
        """Reads the newest intact checkpoint and reports each damaged one that it skips.

        Returns:
            Its step, or 0 if there is no checkpoint.

        Raises:
            CheckpointError: None of the existing checkpoints can be read, or the checkpoint belongs
                to a model with different variables.
        """
        steps = self.steps()
        for step in reversed(steps):
            damage = _damage(self.path(step))
            if damage:
                print(
                    f"warning: checkpoint {self.path(step)} is damaged: {damage}", file=sys.stderr
                )
                self._damaged.add(step)
                continue
            self._read(self.path(step) / STATE)
            self._last_good = step
            return step
        if steps:
            raise CheckpointError(
                f"None of the {len(steps)} checkpoints in {self.folder} can be read. "
                "Delete the folder to train from the start."
            )
        return 0

    def _read(self, path: pathlib.Path) -> None:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        names = [name for name in self._state if name.startswith("model/")]
        if arrays.keys() >= set(names):
            values = self._gan.from_earlier([arrays[name] for name in names])
            arrays |= dict(zip(names, values, strict=True))
        expected = {name: tuple(variable.shape) for name, variable in self._state.items()}
        received = {name: array.shape for name, array in arrays.items()}
        if expected != received:
            differing = sorted(set(expected.items()) ^ set(received.items()))
            raise CheckpointError(
                f"{path} must hold the variables of this model. Received: a different "
                f"{differing[0][0]!r}, of {len(differing)} differences. Was it written by another "
                "version of the project? Use another --workdir."
            )
        for name, variable in self._state.items():
            variable.assign(arrays[name])
        self._metrics = {name: arrays[name] for name in arrays if name.startswith("metrics/")}

    def restore_metrics(self) -> None:
        """Restores the running means, which Keras resets when `fit` begins."""
        for name, value in self._metrics.items():
            self._state[name].assign(value)
        self._metrics = {}


def _damage(path: pathlib.Path) -> str | None:
    """What is wrong with a checkpoint's files, or None."""
    try:
        hashes = json.loads((path / MANIFEST).read_text())["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its {MANIFEST} cannot be read ({error})"
    if not isinstance(hashes, dict) or STATE not in hashes:
        return f"its {MANIFEST} does not name {STATE}"
    for file, expected in hashes.items():
        if not (path / file).is_file():
            return f"{file} is missing"
        if sha256(path / file) != expected:
            return f"{file} does not match its sha256"
    return None
