"""Fills in unset settings of a run, from the machine, the images, or how the run started."""

import dataclasses
import math
import os
import pathlib
from typing import Any

import zoo
from trainers import precision
from trainers.data import DataError
from trainers.data.loading import no_classes
from trainers.data.naming import is_folder
from trainers.data.survey import Survey, survey
from trainers.run import Run
from trainers.workdir import CONFIG, read_earlier
from zoo.core.arguments import arguments_of
from zoo.core.presets import family_class

# A resolution that most networks train well on one GPU; for more, use --resolution.
LARGEST = 128


def fill_in(run: Run) -> tuple[Run, Survey | None]:
    """Returns the run with its precision and, for a family, its sizes; and a survey of its images.

    A "~" in its workdir is expanded.

    Settings with which a run in the same workdir started are kept.

    Raises:
        ValueError: The data set cannot be found, or lacks what the family needs.
    """
    workdir = os.path.expanduser(run.workdir)
    # A dry run may have none; the current folder is not its workdir.
    before = read_earlier(pathlib.Path(workdir) / CONFIG) if workdir else {}
    mixed = _precision(run.mixed_precision, before)
    run = dataclasses.replace(run, workdir=workdir, mixed_precision=mixed)
    if not run.family:
        folder = is_folder(run.dataset)
        return run, survey(run.dataset, run.data_dir) if folder else None
    pictures = survey(run.dataset, run.data_dir)
    config = dict(run.config or {})
    if before.get("family") == run.family:
        config = {**_sizes(before.get("config") or {}), **config}
    config = {**_from_pictures(run, config, pictures), **config}
    return dataclasses.replace(run, config=config), pictures


def build(run: Run) -> zoo.GAN:
    """Builds the model of a run, with new weights."""
    if run.family:
        return family_class(run.family)(**(run.config or {}))
    return zoo.load(run.preset, load_weights=False, **(run.config or {}))


def _precision(asked: str | None, before: dict[str, Any]) -> str | None:
    if asked != "auto":
        return None if asked == "none" else asked
    if before:
        mixed, reason = before.get("mixed_precision"), "as this run began"
    else:
        mixed, reason = precision.choose()
    print(f"--mixed_precision=auto: {mixed or 'float32'}, {reason}")
    return mixed


def _sizes(config: dict[str, Any]) -> dict[str, Any]:
    names = ("resolution", "channels", "source_channels", "num_classes")
    return {name: config[name] for name in names if name in config}


def _from_pictures(run: Run, config: dict[str, Any], pictures: Survey) -> dict[str, Any]:
    """Values of the arguments that depend on the images, for those that `config` lacks."""
    arguments = arguments_of(run.family)
    takes = family_class(run.family).takes
    found: dict[str, Any] = {}
    if takes != "low_high":  # these train on crops, whose size does not depend on the images
        if "resolution" not in config and pictures.typical is None:
            raise DataError(
                "The pictures of this set have many sizes: give --resolution. "
                f"Received: {run.dataset!r}."
            )
        if pictures.typical is not None:
            found["resolution"] = min(2 ** round(math.log2(pictures.typical)), LARGEST)
    found["channels"] = pictures.channels
    if "source_channels" in arguments and not run.task:
        found["source_channels"] = config.get("channels", pictures.channels)
    conditional = "num_classes" in arguments and arguments["num_classes"].default
    if conditional and "num_classes" not in config:
        if not pictures.num_classes:
            raise no_classes(run.dataset)
        found["num_classes"] = pictures.num_classes
    return found
