"""SRGAN's presets: pure data."""

from zoo.presets import Preset

PRESETS = [
    Preset(
        name="srgan_x4",
        family="srgan",
        config={"scale": 4, "channels": 3, "resolution": 96},
        description="The paper's networks: four times the size, crops of 96x96 RGB. Untrained.",
        parameters={"generator": 1_550_659, "discriminator": 23_565_505},
    ),
]
