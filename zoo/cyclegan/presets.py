"""CycleGAN's presets: pure data."""

from zoo.presets import Preset

PRESETS = [
    Preset(
        name="cyclegan_256",
        family="cyclegan",
        config={"resolution": 256, "source_channels": 3, "channels": 3},
        description="The paper's networks for 256x256 RGB, two of each. Untrained.",
        parameters={"generator": 2 * 11_378_179, "discriminator": 2 * 2_764_737},
    ),
]
