"""Recipes: one small file each. Its header gives the command, the cost and the expected score.

Each file has a dict `RECIPE` with fields of `trainers.run.Run`.
"""

import dataclasses
import importlib
import pkgutil
from typing import Any

from trainers.run import Run
from zoo.core.spelling import near_misses


def list_recipes() -> list[str]:
    """Names of all recipes."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get_recipe(name: str) -> dict[str, Any]:
    """The fields that a recipe sets.

    Raises:
        ValueError: No recipe has that name, or it has a key that is not a field of `Run`.
    """
    if name not in list_recipes():
        raise ValueError(
            f"Unknown recipe.{near_misses(name, list_recipes())} "
            f"The recipes are: {', '.join(list_recipes())}. Received: {name!r}."
        )
    recipe = dict(importlib.import_module(f"trainers.recipes.{name}").RECIPE)
    known = [field.name for field in dataclasses.fields(Run)]
    for key in recipe:
        if key not in known:
            raise ValueError(
                f"A recipe sets fields of a run: {', '.join(known)}. Received: {key!r} in "
                f"{name!r}." + near_misses(key, known)
            )
    return recipe
