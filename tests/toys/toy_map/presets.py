"""The toy's presets: pure data."""

from zoo.core.presets import Preset

PRESETS = [
    Preset(
        name="toy_map_8",
        family="toy_map",
        config={"resolution": 8, "channels": 3, "num_classes": 4},
        description="A map of four classes as a source, 8x8 RGB. Untrained.",
        parameters={"generator": 515, "discriminator": 521},
    ),
]
