"""What the file system holds: models below a folder, versions below a base path. No TensorFlow."""

from pathlib import Path

from serving.server.status import StartError

_LARGEST = 2**63 - 1


def versions_at(base_path: Path) -> dict[int, Path]:
    """Returns version number -> folder, of the children of `base_path` with a decimal name.

    `00000123` is version 123. Other children are skipped.

    Raises:
        OSError: `base_path` cannot be read.
    """
    found = {}
    for path in sorted(base_path.iterdir()):
        name = path.name
        if name.isascii() and name.isdecimal() and int(name) <= _LARGEST and path.is_dir():
            found[int(name)] = path
    return found


def described(path: str | Path) -> str:
    """A path for a message, which says so if it does not exist."""
    return f"{path}" if Path(path).exists() else f"{path}, which does not exist"


def models_below(root: Path) -> dict[str, Path]:
    """Returns model name -> base path, of every `root/<model>/<version>/`.

    Raises:
        OSError: `root` cannot be read.
    """
    found = {}
    for path in sorted(root.iterdir()):
        if path.is_dir() and versions_at(path):
            found[path.name] = path
    return found


def check_models(root: str) -> None:
    """Raises `StartError` if `root` is not a folder with at least one model in it."""
    if not Path(root).is_dir():
        raise StartError(
            f"--models must be a folder of <model>/<version>/. Received: {described(root)}"
        )
    if not models_below(Path(root)):
        raise StartError(
            f"--models must hold at least one <model>/<version>/ with a decimal version."
            f" Received: {root}, which has none (`python -m export` writes them)"
        )
