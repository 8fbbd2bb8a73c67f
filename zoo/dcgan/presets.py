"""DCGAN's presets: pure data."""

from zoo.core.presets import Preset

PRESETS = [
    Preset(
        name="dcgan_lsun_64",
        family="dcgan",
        config={"resolution": 64, "channels": 3, "latent_dim": 100, "architecture": "paper"},
        description="Bedrooms, as of LSUN, 64x64 RGB: the paper's networks. Untrained.",
        parameters={"generator": 18_885_760, "discriminator": 17_232_768},
    ),
    Preset(
        name="dcgan_fashion_mnist",
        family="dcgan",
        config={"resolution": 28, "channels": 1, "latent_dim": 100, "architecture": "small"},
        description="Clothes, 28x28 grey: the small networks on Fashion-MNIST.",
        parameters={"generator": 2_305_472, "discriminator": 212_865},
    ),
    Preset(
        name="dcgan_mnist",
        family="dcgan",
        config={"resolution": 28, "channels": 1, "latent_dim": 100, "architecture": "small"},
        description="Handwritten digits, 28x28 grey: the small networks on MNIST.",
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
        description="Drawn faces, 64x64 RGB: a fifth of the paper's width.",
        parameters={"generator": 920_280, "discriminator": 610_344},
    ),
]
