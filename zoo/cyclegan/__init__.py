"""CycleGAN (Zhu, Park, Isola & Efros 2017)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.cyclegan.model import CycleGAN

__all__ = ["CycleGAN"]


def __getattr__(name: str) -> Any:
    # On first use: listing presets imports this package and must not wait for TensorFlow.
    if name == "CycleGAN":
        from zoo.cyclegan.model import CycleGAN

        return CycleGAN
    raise AttributeError(f"module 'zoo.cyclegan' has no attribute {name!r}")
