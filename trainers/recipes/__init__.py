"""Recipes: one small file each, whose header gives the command, the cost and the expected score.

A recipe is a dict `RECIPE` of fields of `trainers.fit.Run`.
"""

import importlib
import pkgutil
from typing import Any

from zoo.presets import near_misses


def list_recipes() -> list[str]:
    """Names of all recipes."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get_recipe(name: str) -> dict[str, Any]:
    """The fields that a recipe sets.

    Raises:
        ValueError: No recipe of that name.
    """
    if name not in list_recipes():
        raise ValueError(
            f"A recipe must be one of {', '.join(list_recipes())}. Received: {name!r}."
            + near_misses(name, list_recipes())
        )
    return dict(importlib.import_module(f"trainers.recipes.{name}").RECIPE)
