"""A training run's report: WORKDIR/report.html, one file that opens without a network."""

import os
import pathlib

from trainers.report import diagnosis, grids, page, reading
from zoo.core.storage import whole_file

FILE = "report.html"


def write_report(workdir: str | os.PathLike[str]) -> pathlib.Path:
    """Writes WORKDIR/report.html, whole or not at all, from what the run has left so far.

    Returns:
        The file.

    Raises:
        ValueError: The folder holds nothing of a run.
    """
    workdir = pathlib.Path(workdir).expanduser()
    left = reading.read(workdir)
    found = diagnosis.warnings(left.history, left.samples, left.events, left.metrics, left.best)
    text = page.page(left, grids.pictures(left.grids), found, str(workdir))
    file = workdir / FILE
    with whole_file(file) as unfinished:
        # The names of files may not be UTF-8.
        unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")
    return file
