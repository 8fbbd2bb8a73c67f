"""A GAN conditioned on a vector, as a text-to-image GAN is."""

from typing import Any

__all__ = ["ToyText"]


def __getattr__(name: str) -> Any:
    # On first use: listing presets imports this package and must not wait for TensorFlow.
    if name == "ToyText":
        from tests.toys.toy_text.model import ToyText

        return ToyText
    raise AttributeError(f"module 'tests.toys.toy_text' has no attribute {name!r}")
