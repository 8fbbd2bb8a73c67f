"""ProGAN's presets: pure data."""

from zoo.core.presets import Preset

PRESETS = [
    Preset(
        name="progan_celebahq_1024",
        family="progan",
        config={"resolution": 1024, "channels": 3, "group": 16},
        description="The paper's networks for 1024x1024 RGB (CelebA-HQ). Untrained.",
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
        description="Narrow networks on Fashion-MNIST, 32x32 grey.",
        parameters={"generator": 276_756, "discriminator": 212_081},
    ),
]
