"""ProGAN's presets: pure data."""

from zoo.presets import Preset

PRESETS = [
    Preset(
        name="progan_celebahq_1024",
        family="progan",
        config={"resolution": 1024, "channels": 3},
        description="The paper's networks for 1024x1024 RGB (CelebA-HQ). Untrained.",
        parameters={"generator": 23_079_115, "discriminator": 23_087_249},
    ),
]
