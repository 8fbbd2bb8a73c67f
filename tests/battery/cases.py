"""What the battery needs to know of a family: one line each."""

import dataclasses
from typing import Any

from tests import (
    small_biggan,  # noqa: F401 (at 8 px)
    toys,
)
from zoo.core.conditions import Condition, Embedding, LabelMap, Labels, Picture, Source

toys.register()


@dataclasses.dataclass(frozen=True)
class Case:
    """The test size of a family.

    Attributes:
        config: Constructor arguments; seconds to train, every kind of layer in it.
        image_shape: (H, W, C) that they declare.
        condition: What the networks are given besides noise; None of none.
        source: What an image-to-image family makes an image of; None of others.
        scale: Pixels of an image for each of its source, in height and in width.
        quiet: Changes of `config` without draws of dropout and the like, which two replicas make
            otherwise than one.
        rate: Of the SGD with which replicas are compared: three steps must move the weights, or a
            wrong scale of the gradient would not show.
        first_updates: Of G and of D in the first step of the quiet model, regularizers' own among
            them.
        first_moves: Networks that the first step moves.
        moved_after: Steps after which all of their weights have moved: two where a branch ends in
            weights of 0, behind which nothing has a gradient at first.
    """

    config: dict[str, Any]
    image_shape: tuple[int, int, int]
    quiet: dict[str, Any] = dataclasses.field(default_factory=dict)
    rate: float = 0.05
    condition: Condition | None = None
    source: Source | None = None
    scale: int = 1
    first_updates: tuple[int, int] = (1, 1)
    first_moves: tuple[str, ...] = ("generator", "discriminator")
    moved_after: int = 1

    @property
    def source_shape(self) -> tuple[int, ...]:
        """Of one source of a training batch."""
        height, width, _ = self.image_shape
        return self.source.shape(height // self.scale, width // self.scale)


# A family that is registered and not listed here fails the battery.
CASES = {
    "vanilla": [
        Case(
            dict(resolution=8, latent_dim=8, generator_width=16, discriminator_width=32, pieces=3),
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
            condition=Labels(3),
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
            condition=Labels(3),
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
                resolution=8,
                channels=1,
                num_classes=3,
                width=4,
                latent_dim=8,
                shared_dim=4,
                attention=0,
                ema_start=2,
            ),
            (8, 8, 1),
            condition=Labels(3),
            rate=0.002,
            first_updates=(1, 2),
        ),
        Case(
            dict(
                architecture="deep",
                resolution=8,
                channels=3,
                num_classes=3,
                width=4,
                latent_dim=8,
                shared_dim=4,
                skip_z=False,
                attention=8,
                ema_start=2,
            ),
            (8, 8, 3),
            condition=Labels(3),
            rate=0.002,
            first_updates=(1, 2),
            moved_after=2,
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
                stored_noise=True,
                conv_clamp=256.0,
                residual=False,
                path_length=0.0,
                ema_ramp=0.05,
            ),
            (16, 16, 1),
            condition=Labels(3),
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
            condition=Labels(3),
            quiet=dict(noise=False, mixing=0.0),
            rate=0.005,
        ),
    ],
    "r3gan": [
        Case(
            dict(
                resolution=8,
                channels=3,
                latent_dim=8,
                fmap_base=32,
                fmap_max=12,
                blocks=1,
                group_size=4,
                augment=0.0,
                ema_images=100.0,
                decay_kimg=0.1,
            ),
            (8, 8, 3),
            moved_after=2,
        ),
        Case(
            dict(
                resolution=16,
                channels=1,
                latent_dim=8,
                num_classes=3,
                fmap_base=64,
                fmap_max=8,
                blocks=1,
                group_size=8,
                ema_images=100.0,
                decay_kimg=0.1,
            ),
            (16, 16, 1),
            condition=Labels(3),
            quiet=dict(augment=0.0),
            moved_after=2,
        ),
    ],
    "pix2pix": [
        Case(
            dict(resolution=16, source_channels=1, width=4, patch=16),
            (16, 16, 3),
            source=Picture(1),
            # As CycleGAN's: an L1 as heavy as the paper's makes of rounding a step of its own.
            quiet=dict(dropout=0.0, l1=1.0),
        ),
    ],
    "cyclegan": [
        Case(
            dict(resolution=16, width=4, blocks=1, patch=16, pool=4),
            (16, 16, 3),
            source=Picture(3),
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
            source=Picture(3),
            scale=2,
            quiet=dict(pretrain_steps=0),
            first_moves=("generator",),
        ),
    ],
    "toy_text": [
        Case(
            dict(resolution=8, channels=1, latent_dim=4, dim=6, width=16),
            (8, 8, 1),
            condition=Embedding(6),
            rate=0.1,
        ),
    ],
    "toy_map": [
        Case(
            dict(resolution=8, channels=3, num_classes=4, width=8),
            (8, 8, 3),
            source=LabelMap(4),
            quiet=dict(dropout=0.0),
            rate=0.1,
        ),
    ],
}
