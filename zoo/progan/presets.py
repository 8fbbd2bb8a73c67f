"""ProGAN's presets: pure data."""

from zoo.core.presets import Preset

PRESETS = [
    Preset(
        name="progan_celebahq_1024",
        family="progan",
        config={"resolution": 1024, "channels": 3, "group": 16},
        description="Faces, as of CelebA-HQ, 1024x1024 RGB: the paper's networks. Untrained.",
        parameters={"generator": 23_079_115, "discriminator": 23_087_249},
    ),
    Preset(
        name="progan_fashion_mnist",
        family="progan",
        config={
            "resolution": 32,
            "channels": 1,
            "latent_dim": 128,
            "fmap_base": 256,
            "fmap_max": 64,
            "stable_kimg": 40,
            "fade_kimg": 40,
        },
        description="Clothes, 32x32 grey: narrow networks on Fashion-MNIST.",
        parameters={"generator": 276_756, "discriminator": 212_081},
    ),
]
