"""Pix2Pix (Isola, Zhu, Zhou & Efros 2017)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.pix2pix.model import Pix2Pix

__all__ = ["Pix2Pix"]


def __getattr__(name: str) -> Any:
    # On first use: listing presets imports this package and must not wait for TensorFlow.
    if name == "Pix2Pix":
        from zoo.pix2pix.model import Pix2Pix

        return Pix2Pix
    raise AttributeError(f"module 'zoo.pix2pix' has no attribute {name!r}")
