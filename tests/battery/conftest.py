"""The tests of a family run one after the other, in one process, since its model is trained once.

What the battery leaves behind is let go: its graphs would fill the memory, test by test.
"""

import pathlib
from collections.abc import Iterator

import pytest

from tests.battery.cases import CASES
from tests.graphs import let_go

HERE = pathlib.Path(__file__).parent
ORDER = [f"{family}-{i}" for family, cases in CASES.items() for i in range(len(cases))]


@pytest.fixture(autouse=True)
def let_go_of_each_test() -> Iterator[None]:
    yield
    let_go()


def case_of(item: pytest.Item) -> str | None:
    """The family and the case that a test is parametrized with, such as "dcgan-1"."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    if "trained" in parameters:
        family, case = parameters["trained"]
    elif "case" in parameters:
        family, case = parameters["family"], parameters["case"]
    else:
        return None
    return f"{family}-{CASES[family].index(case)}"


def pytest_itemcollected(item: pytest.Item) -> None:
    if name := case_of(item):
        item.add_marker(pytest.mark.xdist_group(name))


# Last, since pytest orders parametrized fixtures by the places of their values in each list.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = [i for i, item in enumerate(items) if HERE in item.path.parents and case_of(item)]
    ours = sorted((items[i] for i in places), key=lambda item: ORDER.index(case_of(item)))
    for place, item in zip(places, ours, strict=True):
        items[place] = item
