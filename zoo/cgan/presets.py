"""The conditional GAN's presets: pure data."""

from zoo.core.presets import Preset

PRESETS = [
    Preset(
        name="cgan_mirza",
        family="cgan",
        config={"resolution": 28, "channels": 1, "num_classes": 10, "architecture": "mlp"},
        description="Digits of ten classes, 28x28 grey: the paper's networks. Untrained.",
        parameters={"generator": 2_413_984, "discriminator": 1_224_351},
    ),
    Preset(
        name="cgan_fashion_mnist",
        family="cgan",
        config={
            "resolution": 28,
            "channels": 1,
            "num_classes": 10,
            "architecture": "conv",
            "width": 32,
            "dense_units": 256,
        },
        description="Clothes of ten classes, 28x28 grey: half the convolutional form's width.",
        parameters={"generator": 922_586, "discriminator": 881_642},
    ),
]
