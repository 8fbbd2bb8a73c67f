"""The first GAN (Goodfellow et al. 2014)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.vanilla.model import VanillaGAN

__all__ = ["VanillaGAN"]


def __getattr__(name: str) -> Any:
    # On first use: listing presets imports this package and must not wait for TensorFlow.
    if name == "VanillaGAN":
        from zoo.vanilla.model import VanillaGAN

        return VanillaGAN
    raise AttributeError(f"module 'zoo.vanilla' has no attribute {name!r}")
