"""DCGAN (Radford, Metz & Chintala 2016)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.dcgan.model import DCGAN

__all__ = ["DCGAN"]


def __getattr__(name: str) -> Any:
    # On first use: listing presets imports this package and must not wait for TensorFlow.
    if name == "DCGAN":
        from zoo.dcgan.model import DCGAN

        return DCGAN
    raise AttributeError(f"module 'zoo.dcgan' has no attribute {name!r}")
