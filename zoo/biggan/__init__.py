"""BigGAN (Brock, Donahue & Simonyan 2019)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.biggan.model import BigGAN

__all__ = ["BigGAN"]


def __getattr__(name: str) -> Any:
    # On first use: listing presets imports this package and must not wait for TensorFlow.
    if name == "BigGAN":
        from zoo.biggan.model import BigGAN

        return BigGAN
    raise AttributeError(f"module 'zoo.biggan' has no attribute {name!r}")
