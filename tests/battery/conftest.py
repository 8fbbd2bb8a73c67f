"""What the battery leaves behind is let go: its graphs would fill the memory, test by test."""

from collections.abc import Iterator

import pytest

from tests.graphs import let_go


@pytest.fixture(autouse=True)
def let_go_of_each_test() -> Iterator[None]:
    yield
    let_go()
