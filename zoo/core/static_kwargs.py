"""The arguments that a network of NVIDIA's TensorFlow code was built with, from its pickle.

`static_kwargs` says what differs from the function's defaults. Much of it leaves no trace in the
arrays, such as the activation, so it is compared with what our networks compute.
"""

from collections.abc import Mapping
from typing import Any

from zoo.core import published
from zoo.core.readers import CheckpointError, Record


def of(network: Any) -> Mapping[str, Any]:
    """The arguments of a network; none where the file has none."""
    state = network.state if isinstance(network, Record) else None
    given = state.get("static_kwargs") if isinstance(state, Mapping) else None
    return given if isinstance(given, Mapping) else {}


def check(network: Any, name: str, supported: Mapping[str, Any]) -> None:
    """Refuses a network that ours does not compute.

    Args:
        network: Its record.
        name: What the message calls it.
        supported: By argument the one value that ours has, which is also the code's default.

    Raises:
        CheckpointError: An argument has another value.
    """
    for key, value in supported.items():
        received = of(network).get(key, value)
        if isinstance(received, tuple):
            received = list(received)
        if received != value:
            raise CheckpointError(f"{name}'s {key} must be {value!r}. Received: {received!r:.60}.")


def group_of(network: Any) -> int:
    """The group size of D's minibatch standard deviation, which ours has in any case.

    Raises:
        CheckpointError: D is without.
    """
    group = published.plain(of(network), "mbstd_group_size", int, 4)
    if group < 2:
        raise CheckpointError(f"D's mbstd_group_size must be at least 2. Received: {group}.")
    return group
