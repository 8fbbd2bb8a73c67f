"""StyleGAN's presets: pure data."""

from zoo.core.presets import Preset

PRESETS = [
    Preset(
        name="stylegan_ffhq_1024",
        family="stylegan",
        config={"resolution": 1024, "channels": 3},
        description="The paper's networks for 1024x1024 RGB (FFHQ). Untrained.",
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
        description="Narrow networks on Fashion-MNIST, 32x32 grey.",
        parameters={"generator": 303_924, "discriminator": 212_081},
    ),
]
