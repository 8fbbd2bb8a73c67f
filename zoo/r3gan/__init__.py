"""R3GAN (Huang et al. 2024)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.r3gan.model import R3GAN

__all__ = ["R3GAN"]


def __getattr__(name: str) -> Any:
    # On first use: listing presets imports this package and must not wait for TensorFlow.
    if name == "R3GAN":
        from zoo.r3gan.model import R3GAN

        return R3GAN
    raise AttributeError(f"module 'zoo.r3gan' has no attribute {name!r}")
