"""The first GAN's presets: pure data."""

from zoo.core.presets import Preset

PRESETS = [
    Preset(
        name="vanilla_goodfellow",
        family="vanilla",
        config={"resolution": 28, "channels": 1, "latent_dim": 100},
        description="The paper's networks for MNIST, 28x28 grey. Untrained.",
        parameters={"generator": 2_503_984, "discriminator": 1_231_441},
    ),
    Preset(
        name="vanilla_fashion_mnist",
        family="vanilla",
        config={"resolution": 28, "channels": 1, "latent_dim": 100, "ema_decay": 0.9998},
        description="The paper's networks trained on Fashion-MNIST, 28x28 grey.",
        parameters={"generator": 2_503_984, "discriminator": 1_231_441},
    ),
]
