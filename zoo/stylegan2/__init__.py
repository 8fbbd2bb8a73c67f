"""StyleGAN2 (Karras et al. 2020), with ADA (Karras et al. 2020a)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.stylegan2.model import StyleGAN2

__all__ = ["StyleGAN2"]


def __getattr__(name: str) -> Any:
    # On first use: listing presets imports this package and must not wait for TensorFlow.
    if name == "StyleGAN2":
        from zoo.stylegan2.model import StyleGAN2

        return StyleGAN2
    raise AttributeError(f"module 'zoo.stylegan2' has no attribute {name!r}")
