"""DCGAN's presets: pure data."""

from zoo.core.presets import Preset

PRESETS = [
    Preset(
        name="dcgan_lsun_64",
        family="dcgan",
        config={"resolution": 64, "channels": 3, "latent_dim": 100, "architecture": "paper"},
        description="The paper's networks for 64x64 RGB (LSUN bedrooms). Untrained.",
        parameters={"generator": 18_885_760, "discriminator": 17_232_768},
    ),
    Preset(
        name="dcgan_fashion_mnist",
        family="dcgan",
        config={"resolution": 28, "channels": 1, "latent_dim": 100, "architecture": "small"},
        description="The small networks on Fashion-MNIST, 28x28 grey.",
        parameters={"generator": 2_305_472, "discriminator": 212_865},
    ),
    Preset(
        name="dcgan_mnist",
        family="dcgan",
        config={"resolution": 28, "channels": 1, "latent_dim": 100, "architecture": "small"},
        description="The small networks on MNIST's handwritten digits, 28x28 grey.",
        parameters={"generator": 2_305_472, "discriminator": 212_865},
    ),
    Preset(
        name="dcgan_peeps",
        family="dcgan",
        config={
            "resolution": 64,
            "channels": 3,
            "latent_dim": 100,
            "width": 24,
            "architecture": "paper",
        },
        description="A fifth of the paper's width: drawn faces in colour, 64x64 RGB.",
        parameters={"generator": 920_280, "discriminator": 610_344},
    ),
]
