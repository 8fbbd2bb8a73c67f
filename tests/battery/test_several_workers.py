"""Two workers on loopback equal one process, for every family."""

import pathlib
import sys

import numpy as np
import pytest

from tests.battery.cases import CASES, Case
from tests.battery.shared import folder_made_once
from tests.battery.test_every_family import distance, every_family, weights_by_sgd
from tests.battery.workers import Workers


@pytest.fixture(scope="module")
def by_workers(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder where both workers have written the weights of every case."""

    def train(folder: pathlib.Path) -> None:
        command = [sys.executable, "-m", "tests.battery.workers", str(folder)]
        with Workers(command, folder) as workers:
            codes = workers.wait(timeout_s=900)
            assert codes == [0, 0], workers.output(0) + workers.output(1)

    return folder_made_once(tmp_path_factory, "workers", train)


@every_family
def test_two_workers_equal_one_process(
    family: str, case: Case, by_workers: pathlib.Path, request: pytest.FixtureRequest
) -> None:
    first, second = (
        list(np.load(by_workers / f"{request.node.callspec.id}.{i}.npz").values()) for i in (0, 1)
    )
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    expected, _ = weights_by_sgd(family, CASES[family].index(case))
    print(f"workers against one device: {distance(first, expected):.1e}")
    assert distance(first, expected) < 1e-4
