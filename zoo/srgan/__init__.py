"""SRGAN (Ledig et al. 2017)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.srgan.model import SRGAN

__all__ = ["SRGAN"]


def __getattr__(name: str) -> Any:
    # On first use: listing presets imports this package and must not wait for TensorFlow.
    if name == "SRGAN":
        from zoo.srgan.model import SRGAN

        return SRGAN
    raise AttributeError(f"module 'zoo.srgan' has no attribute {name!r}")
