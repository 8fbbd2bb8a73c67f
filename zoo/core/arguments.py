"""Constructor arguments of a family, read from its source: no TensorFlow is imported for them."""

import ast
import dataclasses
import functools
import importlib.util
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

from zoo.core.presets import check_family, package_of
from zoo.core.spelling import either, near_misses

ROOT = pathlib.Path(__file__).parents[2]

_BOOLEANS = {"true": True, "false": False}
# What an annotation may name, and how it is called in a message.
_KINDS = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "a name",
    "None": "none",
}


@dataclasses.dataclass(frozen=True)
class Argument:
    """One constructor argument.

    Attributes:
        name: Of the argument.
        kinds: Of its annotation: names of `int`, `float`, `bool`, `str` and `None`.
        default: Its value where it is omitted.
    """

    name: str
    kinds: tuple[str, ...]
    default: Any

    def parse(self, text: str) -> Any:
        """The value that a person writes as `text`.

        Raises:
            ValueError: Another type.
        """
        if "None" in self.kinds and text.lower() == "none":
            return None
        for kind in self.kinds:
            try:
                if kind == "bool":
                    return _BOOLEANS[text.lower()]
                if kind != "None":
                    return {"int": int, "float": float, "str": str}[kind](text)
            except (KeyError, ValueError):
                continue
        kinds = either([_KINDS[kind] for kind in self.kinds])
        raise ValueError(f"{self.name} must be {kinds}. Received: {text!r}.")


@functools.cache
def arguments_of(family: str) -> dict[str, Argument]:
    """The arguments of a family's constructor, by name, those of its base classes included.

    Raises:
        PresetError: An unknown family.
    """
    check_family(family)
    package, class_name = package_of(family)
    (folder,) = importlib.util.find_spec(package).submodule_search_locations
    found: dict[str, Argument] = {}
    for argument in _arguments(pathlib.Path(folder) / "model.py", class_name):
        found.setdefault(argument.name, argument)
    return found


def check(family: str, names: Iterable[str]) -> None:
    """Raises ValueError for a name that is no argument of the family, with near misses."""
    known = arguments_of(family)
    for name in names:
        if name not in known:
            raise ValueError(
                f"{package_of(family)[1]} has the arguments {', '.join(known)}. "
                f"Received: {name!r}.{near_misses(name, known)}"
            )


def parse(family: str, settings: Iterable[str]) -> dict[str, Any]:
    """["group=8", "augment=ada"] -> {"group": 8, "augment": "ada"}, as the constructor takes them.

    Raises:
        ValueError: No NAME=VALUE, an argument that the family does not have, or another type.
    """
    known = arguments_of(family)
    values = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise ValueError(f"An argument is set by NAME=VALUE. Received: {setting!r}.")
        check(family, [name])
        values[name] = known[name].parse(text.strip())
    return values


def _arguments(file: pathlib.Path, class_name: str) -> Iterator[Argument]:
    """Of a class in a file of this package; its own come before those of its bases."""
    module = ast.parse(file.read_text(encoding="utf-8"))
    (cls,) = (n for n in module.body if isinstance(n, ast.ClassDef) and n.name == class_name)
    inits = [n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    for init in inits:
        yield from _of_signature(init.args)
    if inits and inits[0].args.kwarg is None:
        return
    imported = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in module.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    for base in cls.bases:
        origin, name = imported.get(ast.unparse(base), ("", ""))
        if origin.startswith("zoo."):
            yield from _arguments(ROOT / f"{origin.replace('.', '/')}.py", name)


def _of_signature(signature: ast.arguments) -> Iterator[Argument]:
    """Those that have a default and a type that can be written on a command line."""
    positional = signature.args[len(signature.args) - len(signature.defaults) :]
    pairs = [
        *zip(positional, signature.defaults, strict=True),
        *zip(signature.kwonlyargs, signature.kw_defaults, strict=True),
    ]
    for argument, default in pairs:
        kinds = tuple(ast.unparse(argument.annotation).split(" | ")) if argument.annotation else ()
        if default is not None and kinds and set(kinds) <= set(_KINDS):
            yield Argument(argument.arg, kinds, ast.literal_eval(default))
