"""CycleGAN's presets: pure data."""

from zoo.core.presets import Preset

PRESETS = [
    Preset(
        name="cyclegan_256",
        family="cyclegan",
        config={"resolution": 256, "source_channels": 3, "channels": 3},
        description="Photographs in another style, 256x256 RGB: the paper's networks. Untrained.",
        parameters={"generator": 2 * 11_378_179, "discriminator": 2 * 2_764_737},
    ),
    Preset(
        name="cyclegan_emoji",
        family="cyclegan",
        config={
            "resolution": 64,
            "source_channels": 3,
            "channels": 3,
            "width": 16,
            "discriminator_width": 32,
            "blocks": 4,
            "upsampling": "nearest",
            "skips": True,
            "patch": 34,
            "learning_rate": 4e-4,
            "flat_steps": 2_500,
            "decay_steps": 4_500,
        },
        description="Flat emoji as solid, and back, 64x64 RGB: a quarter of the width, half in D.",
        parameters={"generator": 707_544, "discriminator": 335_298},
    ),
]
