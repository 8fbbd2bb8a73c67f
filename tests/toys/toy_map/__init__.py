"""A GAN that paints a map of classes."""

from typing import Any

__all__ = ["ToyMap"]


def __getattr__(name: str) -> Any:
    # On first use: listing presets imports this package and must not wait for TensorFlow.
    if name == "ToyMap":
        from tests.toys.toy_map.model import ToyMap

        return ToyMap
    raise AttributeError(f"module 'tests.toys.toy_map' has no attribute {name!r}")
