"""What names a data set: a bundled sample, a name of TFDS, or a folder. No TensorFlow is needed."""

import os
import pathlib

from trainers.data import bundled, image_folder


def check(spec: str, data_dir: str | os.PathLike | None = None) -> None:
    """Raises DataError for what can be no data set, so that a command can ask first.

    An existing folder, a bundled sample or a known name passes; nothing is read.
    """
    if spec.startswith("sample:"):
        bundled.check(spec.removeprefix("sample:"))
    elif not pathlib.Path(spec).expanduser().is_dir():
        from trainers.data import tfds_sets  # TFDS takes a second

        if is_folder(spec):
            image_folder.open_folder(spec)  # raises: it does not exist
        tfds_sets.check(spec, data_dir)


def is_folder(spec: str) -> bool:
    """Whether a spec is the path of a folder, there or not, rather than a name of TFDS."""
    from trainers.data import tfds_sets

    if not spec or spec.startswith("sample:") or tfds_sets.is_known(spec):
        return False
    if pathlib.Path(spec).expanduser().is_dir():
        return True
    # "name/config" of TFDS has a separator too: there the config must be wrong, not the folder.
    looks_like_path = os.sep in spec or spec.startswith(("~", "."))
    return looks_like_path and not tfds_sets.is_known(spec.split("/")[0])


def folder_source(spec: str) -> str:
    """The absolute path of a folder, as the source of a set."""
    return str(pathlib.Path(spec).expanduser().resolve())


def is_path(source: str) -> bool:
    """Whether the source of a set is a folder, rather than a name."""
    return os.path.isabs(source)


def canonical(spec: str) -> str:
    """One string for every way to write the same set: a folder's real path, a name as it is."""
    return folder_source(spec) if is_folder(spec) else spec
