"""Command lines of this package: argparse, with mistakes in one line and near misses."""

import argparse
import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that reports a mistake in one line and ends with 2.

    Args:
        command: "serving" or "serving.client".
        description: What it is for, printed by `--help` as it stands.
        kwargs: Of `ArgumentParser`.
    """

    def __init__(self, command: str = "", description: str | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("prog", f"python -m {command}")
        super().__init__(
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **kwargs,
        )
        # argparse's own messages for these types name the type, not the rule.
        self.register("type", int, whole_number)
        self.register("type", float, _number)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Reads all of `args`: nothing is left unknown."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown and unknown[0].startswith("--"):
            name = unknown[0].partition("=")[0]
            self.error(f"unknown flag {name}{_near_misses(name, self._option_string_actions)}")
        if unknown:
            self.error(f"unexpected arguments. Received: {' '.join(unknown)}")
        return found, []

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        # argparse's own message has no near misses.
        if action.choices is not None and value not in action.choices:
            known = list(action.choices)
            raise argparse.ArgumentError(
                action,
                f"must be one of {', '.join(known)}. Received: {value!r}"
                f"{_near_misses(value, known)}",
            )

    def error(self, message: str) -> NoReturn:
        command = self.prog.removeprefix("python -m ").split()[0]
        message = re.sub(r"^argument (\S+): (must|is not) ", r"\1 \2 ", message)
        message = message.removeprefix("argument ")
        self.exit(2, f"{command}: {message}. See {self.prog} --help\n".replace("?.", "?"))


def whole_number(text: str) -> int:
    """The type of a flag: any integer."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number. Received: {text!r}") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number. Received: {text!r}") from None


def boolean(text: str) -> bool:
    """The type of a flag that is true or false."""
    if text.lower() not in ("true", "false", "1", "0"):
        raise argparse.ArgumentTypeError(f"must be true or false. Received: {text!r}")
    return text.lower() in ("true", "1")


def integer(least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of a flag: an integer from `least` on, up to `most`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < least or (most is not None and value > most):
            rule = f"at least {least}" if most is None else f"from {least} to {most}"
            raise argparse.ArgumentTypeError(f"must be a whole number, {rule}. Received: {text!r}")
        return value

    return parse


def _near_misses(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known))
    names = [", ".join(map(repr, close[:-1])), *map(repr, close[-1:])]
    return f". Did you mean {' or '.join(filter(None, names))}?" if close else ""
