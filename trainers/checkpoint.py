"""Checkpoints: written whole or not at all, hashed, verified before they are read."""

import json
import pathlib
import shutil
import sys
import tempfile

import tensorflow as tf

from zoo import GAN
from zoo.presets import replace_folder, sha256, write_json

KEEP = 3
MANIFEST = "manifest.json"


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or written."""


class Checkpoints:
    """The checkpoints of one run: `folder/<step>/`, the newest `KEEP` of them.

    Each holds the whole state of training (networks, EMA, optimizers, step) and a manifest with
    the sha256 of its files.

    Args:
        folder: Made when the first one is written.
        gan: A compiled model.
    """

    def __init__(self, folder: pathlib.Path, gan: GAN) -> None:
        self.folder = folder
        self._state = tf.train.Checkpoint(gan=gan)
        self._last_good: int | None = None

    def steps(self) -> list[int]:
        """Steps of all checkpoints that are there, ascending; not yet verified."""
        if not self.folder.is_dir():
            return []
        return sorted(int(child.name) for child in self.folder.iterdir() if child.name.isdigit())

    def path(self, step: int) -> pathlib.Path:
        """Folder of the checkpoint at `step`."""
        return self.folder / f"{step:08d}"

    def describe_last_good(self) -> str:
        """A sentence that names the newest checkpoint written or verified by this process."""
        if self._last_good is None:
            return "No checkpoint had been written yet."
        return (
            f"The last good checkpoint is {self.path(self._last_good)} (step {self._last_good}); "
            "the same command goes on from there."
        )

    def save(self, step: int) -> pathlib.Path:
        """Writes the model's state; drops what is older than the newest `KEEP`.

        Raises:
            CheckpointError: It cannot be written; the earlier ones stand.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for rest in self.folder.glob(".unfinished.*"):  # of a run that was killed
            shutil.rmtree(rest)
        fresh = pathlib.Path(tempfile.mkdtemp(prefix=".unfinished.", dir=self.folder))
        try:
            self._state.write(str(fresh / "state"))
            hashes = {file.name: sha256(file) for file in sorted(fresh.iterdir())}
            write_json(fresh / MANIFEST, {"step": step, "sha256": hashes})
            replace_folder(fresh, self.path(step))
        except (OSError, tf.errors.OpError) as error:
            raise CheckpointError(
                f"The checkpoint at step {step} must fit on the disk of {self.folder}. Received: "
                f"{getattr(error, 'message', error)}. {self.describe_last_good()}"
            ) from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        self._last_good = step
        for old in self.steps()[:-KEEP]:
            shutil.rmtree(self.path(old))
        return self.path(step)

    def restore(self) -> int:
        """Reads the newest checkpoint that is whole, naming each damaged one that it passes over.

        Returns:
            Its step, or 0 where there is no checkpoint.

        Raises:
            CheckpointError: There are checkpoints, and none can be read.
        """
        steps = self.steps()
        for step in reversed(steps):
            damage = _damage(self.path(step))
            if damage:
                print(
                    f"warning: checkpoint {self.path(step)} is damaged: {damage}", file=sys.stderr
                )
                continue
            self._state.read(str(self.path(step) / "state")).assert_consumed()
            self._last_good = step
            return step
        if steps:
            raise CheckpointError(
                f"None of the {len(steps)} checkpoints in {self.folder} can be read. "
                "Delete the folder to train from the start."
            )
        return 0


def _damage(path: pathlib.Path) -> str | None:
    """What is wrong with a checkpoint's files, or None."""
    try:
        hashes = json.loads((path / MANIFEST).read_text())["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its {MANIFEST} cannot be read ({error})"
    if not isinstance(hashes, dict) or not hashes:
        return f"its {MANIFEST} names no files"
    for file, expected in hashes.items():
        if not (path / file).is_file():
            return f"{file} is missing"
        if sha256(path / file) != expected:
            return f"{file} does not match its sha256"
    return None
