"""The model of every server of `serving_peers.py`: a SavedModel's session, as ours runs it."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from serving.server.servable import Servable

SIGNATURE = "generate_png"
# The largest batch, as `python -m serving` has it.
MAX_ROWS = 32


class Model:
    """The version in the folder VERSION of the environment."""

    def __init__(self) -> None:
        path = Path(os.environ["VERSION"])
        self._signature = Servable(path.parent.name, path).signatures[SIGNATURE]
        for rows in (1, MAX_ROWS):
            self.draw(range(rows))

    def draw(self, seeds: Sequence[int]) -> list[bytes]:
        """One PNG for each seed."""
        return list(self._signature.run([np.asarray(seeds, np.int64)])[0])
