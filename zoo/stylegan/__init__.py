"""StyleGAN (Karras et al. 2019)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.stylegan.model import StyleGAN

__all__ = ["StyleGAN"]


def __getattr__(name: str) -> Any:
    # On first use: listing presets imports this package and must not wait for TensorFlow.
    if name == "StyleGAN":
        from zoo.stylegan.model import StyleGAN

        return StyleGAN
    raise AttributeError(f"module 'zoo.stylegan' has no attribute {name!r}")
