"""The toy's presets: pure data."""

from zoo.core.presets import Preset

PRESETS = [
    Preset(
        name="toy_text_8",
        family="toy_text",
        config={"resolution": 8, "channels": 1},
        description="A vector as a condition, 8x8 grey. Untrained.",
        parameters={"generator": 1_264, "discriminator": 1_153},
    ),
]
