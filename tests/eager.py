"""Training steps that run eagerly: a few steps are sooner made than traced.

`pytestmark = EAGER` makes those of a module so, but for tests with the marker `traced`, whose
subject is a graph. The battery traces each family, and commands in processes of their own trace.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import pytest

from zoo.core.gan import GAN


@contextlib.contextmanager
def steps(*, eager: bool) -> Iterator[None]:
    """How models that are compiled in here train, unless `compile` or XLA says otherwise."""
    compile_model = GAN.compile

    @functools.wraps(compile_model)
    def compile_so(self: GAN, *args: Any, **kwargs: Any) -> None:
        if not kwargs.get("jit_compile"):
            kwargs.setdefault("run_eagerly", eager)
        compile_model(self, *args, **kwargs)

    GAN.compile = compile_so
    try:
        yield
    finally:
        GAN.compile = compile_model


EAGER = pytest.mark.usefixtures("eagerly", "unless_traced")


@pytest.fixture(scope="module")
def eagerly() -> Iterator[None]:
    with steps(eager=True):
        yield


@pytest.fixture
def unless_traced(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.node.get_closest_marker("traced") is None:
        yield
        return
    with steps(eager=False):
        yield
