"""StyleGAN2's presets: pure data."""

from zoo.core.presets import Preset

PRESETS = [
    Preset(
        name="stylegan2_ffhq_1024",
        family="stylegan2",
        config={"resolution": 1024, "channels": 3},
        description="Faces, as of FFHQ, 1024x1024 RGB: the paper's config F. Untrained.",
        parameters={"generator": 30_370_060, "discriminator": 29_012_513},
    ),
    Preset(
        name="stylegan2_fashion_mnist",
        family="stylegan2",
        config={
            "resolution": 32,
            "channels": 1,
            "latent_dim": 128,
            "fmap_base": 256,
            "fmap_max": 64,
            "mapping_layers": 2,
            "mixing": 0.0,
            "r1": 0.01,
            "path_length": 0.0,
            "learning_rate": 0.0025,
            "ema_images": 500_000.0,
            "ema_ramp": 0.05,
        },
        description="Clothes, 32x32 grey: narrow networks with the settings for small images.",
        parameters={"generator": 245_723, "discriminator": 218_417},
    ),
    Preset(
        name="stylegan2_peeps",
        family="stylegan2",
        config={
            "resolution": 64,
            "channels": 3,
            "latent_dim": 128,
            "fmap_base": 384,
            "fmap_max": 96,
            "mapping_layers": 2,
            "mixing": 0.0,
            "r1": 0.5,
            "path_length": 0.0,
            "learning_rate": 0.0025,
            "ema_images": 20_000.0,
        },
        description="Drawn faces, 64x64 RGB: narrow networks with the settings for small images.",
        parameters={"generator": 471_612, "discriminator": 494_845},
    ),
]
