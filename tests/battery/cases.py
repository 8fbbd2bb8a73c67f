"""What the battery needs to know of a family: one line each."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Case:
    """The test size of a family.

    Attributes:
        config: Constructor arguments; seconds to train, every kind of layer in it.
        image_shape: (H, W, C) that they declare.
        quiet: Changes of `config` without draws of dropout and the like, which two replicas make
            otherwise than one.
        rate: Of the SGD with which replicas are compared: five steps must move the weights, or a
            wrong scale of the gradient would not show.
    """

    config: dict[str, Any]
    image_shape: tuple[int, int, int]
    quiet: dict[str, Any] = dataclasses.field(default_factory=dict)
    rate: float = 0.05


# A family that is registered and not listed here fails the battery.
CASES = {
    "vanilla": [
        Case(
            dict(resolution=8, latent_dim=8, generator_width=16, discriminator_width=8, pieces=3),
            (8, 8, 1),
            quiet=dict(dropout=False),
            rate=5.0,
        ),
    ],
    "dcgan": [
        Case(dict(resolution=16, channels=3, latent_dim=8, width=8), (16, 16, 3)),
        Case(
            dict(resolution=28, channels=1, latent_dim=8, width=8, architecture="small"),
            (28, 28, 1),
        ),
    ],
}
