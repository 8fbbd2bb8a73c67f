"""Names of data sets: bundled samples, TFDS names and folders. Does not need TensorFlow."""

import os
import pathlib

from trainers.data import bundled, image_folder


def check(spec: str, data_dir: str | os.PathLike | None = None) -> None:
    """Raises DataError for a spec that cannot be a data set, so that commands can fail early.

    Existing folders, bundled samples and known names pass; no data are read.
    """
    if spec.startswith("sample:"):
        bundled.check(spec.removeprefix("sample:"))
    elif not pathlib.Path(spec).expanduser().is_dir():
        from trainers.data import tfds_sets  # TFDS takes a second

        if is_folder(spec):
            image_folder.open_folder(spec)  # raises, because it does not exist
        tfds_sets.check(spec, data_dir)


def is_folder(spec: str) -> bool:
    """Whether a spec is the path of a folder, existing or not, rather than a TFDS name."""
    from trainers.data import tfds_sets

    if not spec or spec.startswith("sample:") or tfds_sets.is_known(spec):
        return False
    if pathlib.Path(spec).expanduser().is_dir():
        return True
    # TFDS's "name/config" has a separator too: then report a wrong config, not a missing folder.
    looks_like_path = os.sep in spec or spec.startswith(("~", "."))
    return looks_like_path and not tfds_sets.is_known(spec.split("/")[0])


def folder_source(spec: str) -> str:
    """The absolute path of a folder, as the source of a set."""
    return str(pathlib.Path(spec).expanduser().resolve())


def is_path(source: str) -> bool:
    """Whether the source of a set is a folder, rather than a name."""
    return os.path.isabs(source)


def canonical(spec: str) -> str:
    """Canonical form of a spec: the real path of a folder, a name unchanged."""
    return folder_source(spec) if is_folder(spec) else spec
