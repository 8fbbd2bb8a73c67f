"""Which model versions a folder holds. No TensorFlow here: a wrong folder is reported at once."""

from pathlib import Path

from serving.server.status import StartError


def find_models(root: str) -> dict[str, Path]:
    """Returns model name -> folder of its latest version, of all `root/<model>/<version>/`.

    Raises:
        StartError: `root` is not a folder, or has no model with a numbered version.
    """
    if not Path(root).is_dir():
        raise StartError(f"--models must be a folder of <model>/<version>/. Received: {root}")
    found = {}
    for folder in sorted(path for path in Path(root).iterdir() if path.is_dir()):
        versions = [
            path
            for path in folder.iterdir()
            if path.is_dir() and path.name.isascii() and path.name.isdecimal()
        ]
        if versions:
            found[folder.name] = max(versions, key=lambda path: int(path.name))
    if not found:
        raise StartError(
            f"--models must hold at least one <model>/<version>/ with a decimal version."
            f" Received: {root}, which has none (`python -m export` writes them)"
        )
    return found
