"""What the battery needs to know of a family: one line each."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Case:
    """The test size of a family.

    Attributes:
        config: Constructor arguments; seconds to train, every kind of layer in it.
        image_shape: (H, W, C) that they declare.
    """

    config: dict[str, Any]
    image_shape: tuple[int, int, int]


# A family that is registered and not listed here fails the battery.
CASES = {
    "dcgan": [
        Case(dict(resolution=16, channels=3, latent_dim=8, width=8), (16, 16, 3)),
        Case(
            dict(resolution=28, channels=1, latent_dim=8, width=8, architecture="small"),
            (28, 28, 1),
        ),
    ],
}
