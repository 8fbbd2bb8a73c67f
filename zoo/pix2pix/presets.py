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
    Preset(
        name="pix2pix_openmoji",
        family="pix2pix",
        config={
            "resolution": 64,
            "source_channels": 3,
            "channels": 3,
            "width": 16,
            "patch": 34,
        },
        description="A quarter of the paper's width: black outlines to coloured emoji, 64x64 RGB.",
        parameters={"generator": 1_830_563, "discriminator": 43_729},
    ),
]
