"""StyleGAN's presets: pure data."""

from zoo.core.presets import Preset

PRESETS = [
    Preset(
        name="stylegan_ffhq_1024",
        family="stylegan",
        config={"resolution": 1024, "channels": 3},
        description="Faces, as of FFHQ, 1024x1024 RGB: the paper's networks. Untrained.",
        parameters={"generator": 26_219_627, "discriminator": 23_087_249},
    ),
    Preset(
        name="stylegan_fashion_mnist",
        family="stylegan",
        config={
            "resolution": 32,
            "channels": 1,
            "latent_dim": 128,
            "fmap_base": 256,
            "fmap_max": 64,
            "mapping_layers": 4,
            "r1": 0.5,
            "stable_kimg": 40,
            "fade_kimg": 40,
        },
        description="Clothes, 32x32 grey: narrow networks on Fashion-MNIST.",
        parameters={"generator": 303_924, "discriminator": 212_081},
    ),
]
