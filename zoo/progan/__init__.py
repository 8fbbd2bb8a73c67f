"""ProGAN (Karras et al. 2018)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.progan.model import ProGAN

__all__ = ["ProGAN"]


def __getattr__(name: str) -> Any:
    # On first use: listing presets imports this package and must not wait for TensorFlow.
    if name == "ProGAN":
        from zoo.progan.model import ProGAN

        return ProGAN
    raise AttributeError(f"module 'zoo.progan' has no attribute {name!r}")
