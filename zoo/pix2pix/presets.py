"""Pix2Pix's presets: pure data."""

from zoo.presets import Preset

PRESETS = [
    Preset(
        name="pix2pix_256",
        family="pix2pix",
        config={"resolution": 256, "source_channels": 3, "channels": 3},
        description="The paper's networks for 256x256 RGB. Untrained.",
        parameters={"generator": 54_413_955, "discriminator": 2_768_705},
    ),
]
