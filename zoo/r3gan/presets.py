"""R3GAN's presets: pure data. The first five are those of the paper's code."""

from typing import Any

from zoo.core.presets import Preset


def _papers(
    name: str, data: str, config: dict[str, Any], generator: int, discriminator: int
) -> Preset:
    return Preset(
        name=f"r3gan_{name}",
        family="r3gan",
        config={"channels": 3, "latent_dim": 64, "blocks": 2, "expansion": 2, **config},
        description=f"The paper's networks and schedules for {data}. Untrained.",
        parameters={"generator": generator, "discriminator": discriminator},
    )


PRESETS = [
    _papers(
        "cifar10",
        "CIFAR-10 with labels",
        {
            "resolution": 32,
            "num_classes": 10,
            "fmap_base": 12288,
            "fmap_max": 768,
            "group_size": 16,
            "gamma": 0.05,
            "ema_images": 5e6,
            "augment": 0.55,
            "decay_kimg": 2e4,
        },
        20_781_952,
        21_280_512,
    ),
    _papers(
        "ffhq_64",
        "FFHQ at 64 px",
        {
            "resolution": 64,
            "fmap_base": 12288,
            "fmap_max": 768,
            "group_size": 16,
            "gamma": 2.0,
            "ema_images": 5e5,
            "augment": 0.3,
            "decay_kimg": 2e4,
        },
        22_429_824,
        22_381_440,
    ),
    _papers(
        "ffhq_256",
        "FFHQ at 256 px",
        {
            "resolution": 256,
            "fmap_base": 12288,
            "fmap_max": 768,
            "group_size": 16,
            "gamma": 150.0,
            "ema_images": 5e5,
            "augment": 0.3,
            "decay_kimg": 2e4,
        },
        23_057_952,
        23_009_568,
    ),
    _papers(
        "imagenet_32",
        "ImageNet at 32 px",
        {
            "resolution": 32,
            "num_classes": 1000,
            "fmap_base": 24576,
            "fmap_max": 1536,
            "group_size": 32,
            "gamma": 0.5,
            "ema_images": 5e7,
            "augment": 0.5,
            "decay_kimg": 2e5,
        },
        82_914_304,
        86_548_992,
    ),
    _papers(
        "imagenet_64",
        "ImageNet at 64 px",
        {
            "resolution": 64,
            "num_classes": 1000,
            "fmap_base": 49152,
            "fmap_max": 1536,
            "group_size": 32,
            "gamma": 1.0,
            "ema_images": 5e7,
            "augment": 0.4,
            "decay_kimg": 2e5,
        },
        103_570_432,
        107_205_120,
    ),
    Preset(
        name="r3gan_fashion_mnist",
        family="r3gan",
        config={
            "resolution": 32,
            "channels": 1,
            "latent_dim": 64,
            "fmap_base": 512,
            "fmap_max": 128,
            "blocks": 1,
            "group_size": 16,
            "expansion": 2,
            "gamma": 0.5,
            "learning_rate": 4e-4,
            "ema_images": 2e4,
            "augment": 0.0,
            "decay_kimg": 400.0,
        },
        description="Narrow networks on Fashion-MNIST, 32x32 grey.",
        parameters={"generator": 274_848, "discriminator": 266_784},
    ),
    Preset(
        name="r3gan_peeps",
        family="r3gan",
        config={
            "resolution": 64,
            "channels": 3,
            "latent_dim": 64,
            "fmap_base": 1024,
            "fmap_max": 128,
            "blocks": 1,
            "group_size": 16,
            "expansion": 2,
            "gamma": 2.0,
            "learning_rate": 4e-4,
            "ema_images": 2e4,
            "augment": 0.0,
            "decay_kimg": 300.0,
        },
        description="Narrow networks on Open Peeps, 64x64 colour.",
        parameters={"generator": 377_824, "discriminator": 369_760},
    ),
]
