"""The conditional GAN's presets: pure data."""

from zoo.presets import Preset

PRESETS = [
    Preset(
        name="cgan_mirza",
        family="cgan",
        config={"resolution": 28, "channels": 1, "num_classes": 10, "architecture": "mlp"},
        description="The paper's networks for MNIST's ten classes, 28x28 grey. Untrained.",
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
            "dense_units": 256,
        },
        description="The convolutional form on Fashion-MNIST's ten classes, 28x28 grey.",
        parameters={"generator": 1_919_162, "discriminator": 1_862_858},
    ),
]
