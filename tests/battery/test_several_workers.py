"""Two workers on loopback equal one process."""

import pathlib

import numpy as np
import pytest

from tests import warm
from tests.battery.cases import CASES, Case
from tests.battery.test_every_family import TRACED, all_but, distance, quick, weights_by_sgd
from tests.battery.workers import Workers
from tests.shared import folder_made_once

SLOW = all_but(TRACED)


@quick(TRACED)
def test_two_workers_equal_one_process(
    family: str,
    case: Case,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> None:
    ids = TRACED if request.node.callspec.id in TRACED else SLOW

    def train(folder: pathlib.Path) -> None:
        """Both workers write the weights of all these families."""
        command = [warm.python(), "-m", "tests.battery.workers", str(folder), *ids]
        with Workers(command, folder) as workers:
            codes = workers.wait(timeout_s=900)
            assert codes == [0, 0], workers.output(0) + workers.output(1)

    folder = folder_made_once(tmp_path_factory, f"workers_{ids[0]}", train)
    first, second = (
        list(np.load(folder / f"{request.node.callspec.id}.{i}.npz").values()) for i in (0, 1)
    )
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    expected, _ = weights_by_sgd(family, CASES[family].index(case))
    print(f"workers against one device: {distance(first, expected):.1e}")
    assert distance(first, expected) < 1e-4
