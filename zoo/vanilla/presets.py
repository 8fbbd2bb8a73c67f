"""The first GAN's presets: pure data."""

from zoo.core.presets import Preset

PRESETS = [
    Preset(
        name="vanilla_goodfellow",
        family="vanilla",
        config={"resolution": 28, "channels": 1, "latent_dim": 100},
        description="Digits, 28x28 grey: the paper's networks. Untrained.",
        parameters={"generator": 2_503_984, "discriminator": 1_231_441},
    ),
    Preset(
        name="vanilla_fashion_mnist",
        family="vanilla",
        config={"resolution": 28, "channels": 1, "latent_dim": 100, "ema_decay": 0.9998},
        description="Clothes, 28x28 grey: the paper's networks on Fashion-MNIST.",
        parameters={"generator": 2_503_984, "discriminator": 1_231_441},
    ),
]
