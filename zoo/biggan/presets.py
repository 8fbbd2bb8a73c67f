"""BigGAN's presets: pure data."""

from zoo.core.presets import Preset

PRESETS = [
    Preset(
        name="biggan_imagenet_128",
        family="biggan",
        config={"resolution": 128, "channels": 3, "num_classes": 1000, "width": 96},
        description="Things of ImageNet's classes, 128x128 RGB: the paper's networks. Untrained.",
        parameters={"generator": 70_433_988, "discriminator": 87_982_370},
    ),
    Preset(
        name="biggan_fashion_mnist",
        family="biggan",
        config={
            "resolution": 32,
            "channels": 1,
            "num_classes": 10,
            "width": 8,
            "shared_dim": 32,
            "d_steps": 1,
            "generator_rate": 2e-4,
            "discriminator_rate": 4e-4,
            "ema_decay": 0.999,
            "ema_start": 1000,
        },
        description="Clothes of ten classes, 32x32 grey: a twelfth of the paper's width.",
        parameters={"generator": 90_049, "discriminator": 66_529},
    ),
    Preset(
        name="biggan_avatars",
        family="biggan",
        config={
            "resolution": 32,
            "channels": 3,
            "num_classes": 12,
            "width": 12,
            "shared_dim": 32,
            "d_steps": 1,
            "generator_rate": 2e-4,
            "discriminator_rate": 4e-4,
            "ema_decay": 0.999,
            "ema_start": 1000,
        },
        description="Drawn people in twelve styles, 32x32 RGB: an eighth of the paper's width.",
        parameters={"generator": 179_619, "discriminator": 150_001},
    ),
]
