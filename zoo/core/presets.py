"""The registry: families, and their presets by name. No TensorFlow is imported for a list."""

import dataclasses
import functools
import importlib
import os
import pathlib
from typing import Any

from zoo.core.spelling import near_misses
from zoo.core.storage import expanded

# The registry: family -> its class, in the package zoo.<family> or in another one that is named
# before a colon, "my_package.my_family:MyGAN". A new variant is one line here.
FAMILIES = {
    "vanilla": "VanillaGAN",
    "dcgan": "DCGAN",
    "cgan": "CGAN",
    "progan": "ProGAN",
    "stylegan": "StyleGAN",
    "stylegan2": "StyleGAN2",
    "biggan": "BigGAN",
    "r3gan": "R3GAN",
    "pix2pix": "Pix2Pix",
    "cyclegan": "CycleGAN",
    "srgan": "SRGAN",
}

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.weights.h5"
SAFETENSORS_FILE = "model.safetensors"  # the same arrays, in the hub's format
CARD_FILE = "card.json"
SAMPLES_FILE = "samples.png"

PRETRAINED = pathlib.Path(__file__).parents[1] / "pretrained"


class PresetError(ValueError):
    """A preset that cannot be found, read or trusted."""


@dataclasses.dataclass(frozen=True)
class Preset:
    """One named configuration of a family.

    Attributes:
        name: `<family>_<data set>`, or the paper's own configuration.
        family: Key of `FAMILIES`.
        config: Constructor arguments of the family's class.
        description: One sentence for a list: what it draws, at what size, by which networks.
        parameters: Trainable parameters by network, as the paper or its reference code has them.
    """

    name: str
    family: str
    config: dict[str, Any]
    description: str
    parameters: dict[str, int]

    @property
    def folder(self) -> pathlib.Path:
        """Folder of the preset's bundled files, if it is pretrained."""
        return PRETRAINED / self.name

    @property
    def pretrained(self) -> bool:
        """Whether weights are bundled."""
        return (self.folder / WEIGHTS_FILE).is_file()


def register_family(name: str, path: str) -> None:
    """Adds a family of your own to the registry, as `zoo.load` and the commands need it.

    Args:
        name: The class's `family`.
        path: "my_package.my_family:MyGAN": the package that holds the class and `presets.py`.

    Raises:
        PresetError: A path of another form, or a name that another class has.
    """
    package, colon, class_name = path.partition(":")
    if not (package and colon and class_name.isidentifier()):
        raise PresetError(
            f"A family's path must be 'package:Class', such as 'my_gans.mine:MyGAN'. "
            f"Received: {path!r} for {name!r}."
        )
    if FAMILIES.get(name, path) != path:
        raise PresetError(
            f"A family's name must be unique. Received: {name!r} for {path}, which is "
            f"{':'.join(package_of(name))}'s."
        )
    FAMILIES[name] = path
    registry.cache_clear()


def package_of(family: str) -> tuple[str, str]:
    """The package of a family and the name of its class there."""
    package, _, class_name = FAMILIES[family].rpartition(":")
    return package or f"zoo.{family}", class_name


def family_class(family: str) -> Any:
    """The class of a family; imports TensorFlow.

    Raises:
        PresetError: The family is not one of `list_families()`.
    """
    check_family(family)
    package, class_name = package_of(family)
    found = getattr(importlib.import_module(package), class_name)
    if found.family != family:
        raise PresetError(
            f"{package}.{class_name} is registered as {family!r}, and must set family = {family!r}."
            f" Received: {found.family!r}."
        )
    return found


@functools.cache
def registry() -> dict[str, Preset]:
    registry: dict[str, Preset] = {}
    for family in FAMILIES:
        for preset in importlib.import_module(f"{package_of(family)[0]}.presets").PRESETS:
            if preset.name in registry or preset.family != family:
                raise PresetError(
                    "A preset's name must be unique and its family the folder it stands in. "
                    f"Received: {preset.name!r} of family {preset.family!r} in zoo/{family}."
                )
            registry[preset.name] = preset
    return registry


def list_families() -> list[str]:
    """Names of all families."""
    return sorted(FAMILIES)


def list_presets(family: str | None = None) -> list[str]:
    """Names of all presets, or of one family's.

    Raises:
        PresetError: `family` is not one of `list_families()`.
    """
    if family is not None:
        check_family(family)
    return sorted(p.name for p in registry().values() if family in (None, p.family))


def check_family(family: str) -> None:
    """Raises PresetError for a name that is not one of `list_families()`."""
    if family not in FAMILIES:
        raise PresetError(
            f"A family must be one of {', '.join(list_families())}. Received: {family!r}."
            + near_misses(family, list_families())
        )


def get_preset(name: str) -> Preset:
    """The record of a named preset.

    Raises:
        PresetError: No preset of that name.
    """
    if name not in registry():
        raise unknown(name)
    return registry()[name]


def unknown(name: str) -> PresetError:
    """The error of a name that is neither a preset's nor that of a folder which is there."""
    rule = (
        "A preset must be a name that `python -m zoo list` shows, a folder with a "
        f"{CONFIG_FILE}, hf://user/repo[@revision], gs://bucket/path or "
        "https://host/path#sha256=..."
    )
    path = expanded(name)
    if path.is_file():
        return PresetError(f"{name!r} is a file, not a folder. {rule}")
    if os.sep in name or name.startswith((".", "~")):
        return PresetError(f"No folder {name!r}. {rule}")
    return PresetError(
        f"Unknown preset.{near_misses(name, list_presets())} {rule} Received: {name!r}."
    )
