"""A training run's report: WORKDIR/report.html, one self-contained file."""

import os
import pathlib

from trainers.report import diagnosis, grids, page, reading
from zoo.core.storage import whole_file

FILE = "report.html"


def write_report(workdir: str | os.PathLike[str]) -> pathlib.Path:
    """Writes WORKDIR/report.html atomically, from the files that the run has written so far.

    Returns:
        The path of the file.

    Raises:
        ValueError: The folder contains no files of a run.
    """
    workdir = pathlib.Path(workdir).expanduser()
    left = reading.read(workdir)
    found = diagnosis.warnings(left.history, left.samples, left.events, left.metrics, left.best)
    text = page.page(left, grids.pictures(left.grids), found, str(workdir))
    file = workdir / FILE
    with whole_file(file) as unfinished:
        # File names may not be valid UTF-8.
        unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")
    return file
