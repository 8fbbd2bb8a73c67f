"""GANs for Keras 3: every family faithful to its paper, trained with `fit`, loaded in one line.

    import zoo
    gan = zoo.load("dcgan_fashion_mnist")
    images = gan.generate(16, seed=0)      # uint8 [16, 28, 28, 1]

TensorFlow is imported when a model is first used, so listing presets is quick.
"""

import importlib.metadata
import os
import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from zoo.core import imports, presets
from zoo.core.presets import (
    FAMILIES,
    Preset,
    PresetError,
    get_preset,
    list_families,
    list_presets,
    register_family,
)

if TYPE_CHECKING:
    from zoo.biggan import BigGAN
    from zoo.cgan import CGAN
    from zoo.core.gan import GAN
    from zoo.core.image_to_image import ImageToImage
    from zoo.core.noise_to_image import NoiseToImage
    from zoo.core.runtime import Runtime
    from zoo.cyclegan import CycleGAN
    from zoo.dcgan import DCGAN
    from zoo.pix2pix import Pix2Pix
    from zoo.progan import ProGAN
    from zoo.r3gan import R3GAN
    from zoo.srgan import SRGAN
    from zoo.stylegan import StyleGAN
    from zoo.stylegan2 import StyleGAN2
    from zoo.vanilla import VanillaGAN

__all__ = [
    "CGAN",
    "DCGAN",
    "GAN",
    "R3GAN",
    "SRGAN",
    "BigGAN",
    "CycleGAN",
    "Pix2Pix",
    "Preset",
    "PresetError",
    "ProGAN",
    "StyleGAN",
    "StyleGAN2",
    "VanillaGAN",
    "convert",
    "get_preset",
    "list_families",
    "list_presets",
    "load",
    "register_family",
    "runtime",
]


# Of `python -m trainers`, argv is "-m" until its module runs; the console scripts are gan-zoo*.
_is_command = sys.argv[0] == "-m" or pathlib.Path(sys.argv[0]).name.startswith("gan-zoo")
try:
    if _is_command or imports.installed():  # `runtime` needs neither
        imports.prepare()
except ImportError as error:
    if _is_command:
        sys.exit(f"error: {error}")
    raise


def load(
    name: str | os.PathLike[str], *, load_weights: bool = True, **arguments: Any
) -> "NoiseToImage | ImageToImage":
    """Loads a GAN by preset.

    Args:
        name: A bundled preset (`zoo.list_presets()`), a folder that `save_to_preset` or a training
            run wrote, `hf://user/repo[@revision]`, `gs://bucket/path`, or
            `https://host/path#sha256=...` with the sha256 of its card.json. What is fetched stays
            in ~/.cache/gan_zoo; with HF_HUB_OFFLINE=1 nothing else is used.
        load_weights: With False, the architecture alone, freshly initialised.
        **arguments: Constructor arguments in place of the preset's, with `load_weights=False`.

    Returns:
        The model, ready for `generate`, or for `compile` and `fit`.

    Raises:
        PresetError: An unknown name, a preset without weights, or files that fail their checks.
    """
    imports.check_installed()
    from zoo.core.gan import GAN

    gan = GAN.from_preset(name, load_weights=load_weights, **arguments)
    return cast("NoiseToImage | ImageToImage", gan)


def runtime(path: str | os.PathLike[str]) -> "Runtime":
    """Opens an export of another format than a SavedModel, which runs without TensorFlow.

    Args:
        path: The folder that `python -m export --format=onnx` (or openvino, litert) wrote, or a
            file in it.

    Returns:
        The model, with `generate`, `translate` or `upscale`.

    Raises:
        ValueError: No such export.
        ImportError: The format's package is missing.
    """
    from zoo.core.runtime import Runtime

    return Runtime(path)


def convert(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    to: str | os.PathLike[str],
    licence: str | None = None,
) -> list[str]:
    """Turns a published checkpoint into a preset folder, which `load` reads.

    NVIDIA's StyleGAN2, StyleGAN and ProGAN pickles, rosinality's StyleGAN2, BigGAN-PyTorch, Hugging
    Face's BigGAN-deep, pytorch-CycleGAN-and-pix2pix, and two SRGANs. Nothing of a file is executed,
    and PyTorch is not needed. What the files do not say is inferred from their arrays.

    Args:
        files: One file, or those that belong together: the generator and the discriminator, a
            config.json, or the two directions of CycleGAN, A to B first.
        to: The folder, written whole or not at all; an older preset there is replaced.
        licence: Of the weights, as their publisher states it; it stands on the card.

    Returns:
        What was inferred, a sentence each; the card has them too.

    Raises:
        CheckpointError: A ValueError: a file that cannot be read or trusted, or that no family
            knows.
        PresetError: `to` holds something else than a preset.
    """
    from zoo.core import published

    found, sources = published.read(files)
    return published.write(found, sources, to, licence)


def __getattr__(name: str) -> Any:
    """The model classes, imported on first use, and `__version__`."""
    if name == "__version__":
        return importlib.metadata.version("gan-zoo")
    if name in __all__:
        imports.check_installed()
    if name == "GAN":
        from zoo.core.gan import GAN

        return GAN
    for family, class_name in FAMILIES.items():
        if name == class_name:
            return presets.family_class(family)
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
