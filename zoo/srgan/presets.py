"""SRGAN's presets: pure data."""

from zoo.core.presets import Preset

PRESETS = [
    Preset(
        name="srgan_x4",
        family="srgan",
        config={"scale": 4, "channels": 3, "resolution": 96},
        description="Photographs at four times the size, RGB: the paper's networks. Untrained.",
        parameters={"generator": 1_550_659, "discriminator": 23_565_505},
    ),
    Preset(
        name="srgan_photos_x4",
        family="srgan",
        config={
            "scale": 4,
            "channels": 3,
            "resolution": 48,
            "width": 32,
            "blocks": 8,
            "features": "none",
            "pretrain_steps": 24_000,
            "learning_rate": 4e-4,
            "decay_after": 1,  # the game at a tenth of that
        },
        description="Photographs at four times the size, RGB: half the paper's width and depth.",
        parameters={"generator": 248_227, "discriminator": 2_354_785},
    ),
]
