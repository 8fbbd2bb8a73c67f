"""The conditional GAN (Mirza & Osindero 2014)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.cgan.model import CGAN

__all__ = ["CGAN"]


def __getattr__(name: str) -> Any:
    # On first use: listing presets imports this package and must not wait for TensorFlow.
    if name == "CGAN":
        from zoo.cgan.model import CGAN

        return CGAN
    raise AttributeError(f"module 'zoo.cgan' has no attribute {name!r}")
