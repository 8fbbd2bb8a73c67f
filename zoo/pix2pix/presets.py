"""Pix2Pix's presets: pure data."""

from zoo.core.presets import Preset

# A quarter of the paper's width, and patches of half an image.
_SMALL = {"resolution": 64, "source_channels": 3, "channels": 3, "width": 16, "patch": 34}

PRESETS = [
    Preset(
        name="pix2pix_256",
        family="pix2pix",
        config={"resolution": 256, "source_channels": 3, "channels": 3},
        description="One picture from another, 256x256 RGB: the paper's networks. Untrained.",
        parameters={"generator": 54_413_955, "discriminator": 2_768_705},
    ),
    Preset(
        name="pix2pix_openmoji",
        family="pix2pix",
        config={**_SMALL, "overlay": True},
        description="Coloured emoji from outlines, 64x64 RGB: a quarter of the paper's width.",
        parameters={"generator": 1_831_076, "discriminator": 43_729},
    ),
    Preset(
        name="pix2pix_colorize",
        family="pix2pix",
        config={**_SMALL, "source_channels": 1, "tint": True, "l1": 1000.0},
        description="Colours for grey photographs, 64x64 RGB: a quarter of the paper's width.",
        parameters={"generator": 1_830_051, "discriminator": 43_217},
    ),
    Preset(
        name="pix2pix_inpaint",
        family="pix2pix",
        config={**_SMALL, "source_channels": 4, "fill": True},
        description="Missing parts of photographs, 64x64 RGB: a quarter of the paper's width.",
        parameters={"generator": 1_830_819, "discriminator": 43_985},
    ),
    Preset(
        name="pix2pix_satellite",
        family="pix2pix",
        config=_SMALL,
        description="Relief maps from satellite images, 64x64 RGB: a quarter of the paper's width.",
        parameters={"generator": 1_830_563, "discriminator": 43_729},
    ),
    Preset(
        name="pix2pix_day_night",
        family="pix2pix",
        config=_SMALL,
        description="The Earth's nights from days, 64x64 RGB: a quarter of the paper's width.",
        parameters={"generator": 1_830_563, "discriminator": 43_729},
    ),
    Preset(
        name="pix2pix_toons",
        family="pix2pix",
        config={**_SMALL, "overlay": True},
        description="Drawn faces from painted maps, 64x64 RGB: a quarter of the paper's width.",
        parameters={"generator": 1_831_076, "discriminator": 43_729},
    ),
]
