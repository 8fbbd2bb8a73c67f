"""What the battery needs to know of a family: one line each."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Case:
    """The test size of a family.

    Attributes:
        config: Constructor arguments; seconds to train, every kind of layer in it.
        image_shape: (H, W, C) that they declare.
        source_shape: Likewise of what an image-to-image family is given; empty of others.
        quiet: Changes of `config` without draws of dropout and the like, which two replicas make
            otherwise than one.
        rate: Of the SGD with which replicas are compared: three steps must move the weights, or a
            wrong scale of the gradient would not show.
        first_updates: Of G and of D in the first step of the quiet model, regularizers' own among
            them.
        first_moves: Networks that the first step moves.
    """

    config: dict[str, Any]
    image_shape: tuple[int, int, int]
    quiet: dict[str, Any] = dataclasses.field(default_factory=dict)
    rate: float = 0.05
    source_shape: tuple[int, ...] = ()
    first_updates: tuple[int, int] = (1, 1)
    first_moves: tuple[str, ...] = ("generator", "discriminator")


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
    "cgan": [
        Case(
            dict(resolution=8, num_classes=3, latent_dim=8, width=240),
            (8, 8, 1),
            quiet=dict(dropout=False),
            rate=5.0,
        ),
        Case(
            dict(
                architecture="conv",
                resolution=12,
                channels=3,
                num_classes=3,
                latent_dim=8,
                width=8,
                dense_units=16,
            ),
            (12, 12, 3),
        ),
    ],
    "progan": [
        # Fading in for two steps, whole for one.
        Case(
            dict(
                resolution=8,
                channels=3,
                latent_dim=8,
                fmap_base=32,
                stable_kimg=0.0,
                fade_kimg=0.016,
            ),
            (8, 8, 3),
            quiet=dict(penalty_weight=0.0),
        ),
    ],
    "biggan": [
        Case(
            dict(
                resolution=32,
                channels=1,
                num_classes=3,
                width=4,
                latent_dim=8,
                shared_dim=4,
                attention=0,
                ema_start=2,
            ),
            (32, 32, 1),
            rate=0.001,
            first_updates=(1, 2),
        ),
    ],
    "stylegan2": [
        Case(
            dict(
                resolution=8,
                channels=3,
                latent_dim=8,
                fmap_base=32,
                fmap_max=12,
                mapping_layers=2,
                group=2,
                r1_interval=2,
                path_length_interval=2,
            ),
            (8, 8, 3),
            quiet=dict(noise=False, mixing=0.0, path_length=0.0),
            first_updates=(1, 2),
        ),
        Case(
            dict(
                resolution=16,
                channels=1,
                latent_dim=8,
                num_classes=3,
                fmap_base=64,
                fmap_max=12,
                mapping_layers=2,
                augment="ada",
                path_length=0.0,
                ema_ramp=0.05,
            ),
            (16, 16, 1),
            quiet=dict(noise=False, mixing=0.0, augment=None),
            first_updates=(1, 2),
        ),
    ],
    "stylegan": [
        # Fading in for two steps, whole for one.
        Case(
            dict(
                resolution=8,
                channels=3,
                latent_dim=8,
                num_classes=3,
                fmap_base=32,
                mapping_layers=2,
                first_resolution=4,
                stable_kimg=0.0,
                fade_kimg=0.016,
            ),
            (8, 8, 3),
            quiet=dict(noise=False, mixing=0.0),
            rate=0.005,
        ),
    ],
    "pix2pix": [
        Case(
            dict(resolution=16, source_channels=1, width=4, patch=16),
            (16, 16, 3),
            source_shape=(16, 16, 1),
            # As CycleGAN's: an L1 as heavy as the paper's makes of rounding a step of its own.
            quiet=dict(dropout=0.0, l1=1.0),
        ),
    ],
    "cyclegan": [
        Case(
            dict(resolution=16, width=4, blocks=1, patch=16, pool=4),
            (16, 16, 3),
            source_shape=(16, 16, 3),
            # An L1 as heavy as the paper's makes of rounding a step of its own: its gradient is a
            # sign.
            quiet=dict(pool=0, cycle=0.1),
            rate=0.002,
        ),
    ],
    "srgan": [
        # Two steps alone, then the game.
        Case(
            dict(
                scale=2,
                resolution=16,
                width=4,
                blocks=1,
                features="none",
                adversarial=0.1,
                pretrain_steps=2,
            ),
            (16, 16, 3),
            source_shape=(8, 8, 3),
            quiet=dict(pretrain_steps=0),
            first_moves=("generator",),
        ),
    ],
}
