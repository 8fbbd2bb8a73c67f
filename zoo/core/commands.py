"""What all commands share: flags, a quiet TensorFlow, one-line errors, Ctrl-C."""

import argparse
import contextlib
import dataclasses
import io
import shutil
import signal
import sys
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TextIO

from zoo.core.spelling import near_misses

# How the value of a flag that is on or off is written.
YES_NO = dict.fromkeys(("true", "t", "1", "yes"), True) | dict.fromkeys(
    ("false", "f", "0", "no"), False
)


class Stopped(KeyboardInterrupt):
    """A command that a signal has ended in good order; it exits with 128 + the signal's number."""

    def __init__(self, signum: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signum


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that reports a mistake in one line, with near misses.

    - and _ in a flag's name are the same. A flag of `argparse.BooleanOptionalAction` is also
    understood as `--noflag` and `--flag=false`.

    Args:
        prog: The command, such as "python -m zoo".
        description: What it is for, printed by `--help` as it stands.
        kwargs: Of `ArgumentParser`.
    """

    def __init__(self, prog: str, description: str | None = None, **kwargs: Any) -> None:
        kwargs = {"formatter_class": _Help, "allow_abbrev": False, **kwargs}
        super().__init__(prog=prog, description=description, **kwargs)
        # argparse's own messages for these types name the type, not the rule.
        self.register("type", int, whole_number)
        self.register("type", float, _number)

    def parse_known_args(
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Reads all of `args`: nothing is left unknown."""
        args = [self._canonical(arg) for arg in (sys.argv[1:] if args is None else args)]
        found, unknown = super().parse_known_args(args, namespace)
        for arg in unknown:
            name = arg.partition("=")[0]
            if name.startswith("-") and name != "--":
                self.error(f"Unknown flag {name}.{near_misses(name, self._spellings().values())}")
        if unknown:
            self.error(f"Unexpected arguments. Received: {' '.join(unknown)}.")
        return found, []

    def _spellings(self) -> dict[str, str]:
        """Each way to write a flag, with _ for -: the option string that it means."""
        spellings = {}
        for option, action in self._option_string_actions.items():
            spellings[option.replace("-", "_")] = option
            if option.startswith("--no-") and isinstance(action, argparse.BooleanOptionalAction):
                spellings["__no" + option.removeprefix("--no-").replace("-", "_")] = option
        return spellings

    def _canonical(self, arg: str) -> str:
        """`--batch-size=8` as `--batch_size=8`; `--nojitter` and `--jitter=false` as `--no-jitter`.

        Anything that is not a flag of this parser stays as it is.
        """
        name, equals, value = arg.partition("=")
        option = self._spellings().get(name.replace("-", "_")) if name.startswith("--") else None
        if option is None:
            return arg
        action = self._option_string_actions[option]
        if equals and isinstance(action, argparse.BooleanOptionalAction):
            if value.lower() not in YES_NO:
                self.error(f"{option} must be true or false. Received: {value!r}.")
            return action.option_strings[0 if YES_NO[value.lower()] else -1]
        return option + equals + value

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        # argparse's own message has no near misses.
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            raise argparse.ArgumentError(
                action,
                f"must be one of {', '.join(known)}. Received: {value!r}."
                + near_misses(str(value), known),
            )

    def error(self, message: str) -> NoReturn:
        """Ends the command with 2 and one line."""
        message = message.removeprefix("argument ").replace(": must", " must", 1)
        message = message if message.endswith((".", "?")) else f"{message}."
        self.exit(2, f"error: {message} See {self.prog} --help.\n")


class _Help(argparse.RawDescriptionHelpFormatter):
    """The description as it stands, and the default of each flag that has one."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size().columns, 100)
        super().__init__(prog, max_help_position=32, width=width)

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        if not action.option_strings or action.default in (None, argparse.SUPPRESS):
            return text
        return text if action.default is False else f"{text} (default: %(default)s)"


def add_fields(parser: argparse.ArgumentParser, cls: type) -> dict[str, Any]:
    """Adds a flag for each field of a dataclass that has a help, by `dataclasses.field(metadata=)`.

    Name, type and default are the field's. Flags that are not given are not in the namespace, so
    that what is given can be told from a default.

    Metadata:
        help: What it is; the default is added.
        group: The heading that it stands under.
        choices: The only values, if they are few.

    Returns:
        The groups by heading, for flags that are no fields.
    """
    kinds = typing.get_type_hints(cls)
    groups = {}
    for field in dataclasses.fields(cls):
        if "help" not in field.metadata:
            continue
        group = field.metadata["group"]
        if group not in groups:
            groups[group] = parser.add_argument_group(group)
        (kind,) = set(typing.get_args(kinds[field.name]) or [kinds[field.name]]) - {types.NoneType}
        text = field.metadata["help"].replace("%", "%%")
        if field.default is True:
            text += " (default: true)"
        elif field.default not in (None, dataclasses.MISSING) and field.default is not False:
            number = isinstance(field.default, float)
            text += f" (default: {format(field.default, 'g') if number else field.default})"
        options = {"default": argparse.SUPPRESS, "help": text}
        if kind is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif "choices" in field.metadata:
            options["choices"] = field.metadata["choices"]
        else:
            metavars = {int: "N", float: "X"}
            options |= {"type": kind, "metavar": metavars.get(kind, field.name.upper())}
        groups[group].add_argument(f"--{field.name}", **options)
    return groups


def whole_number(text: str) -> int:
    """The type of a flag: any integer."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number. Received: {text!r}.") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number. Received: {text!r}.") from None


def at_least(least: int) -> Callable[[str], int]:
    """The type of a flag: an integer of at least `least`."""

    def integer(text: str) -> int:
        value = whole_number(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}. Received: {value}.")
        return value

    return integer


def quiet_tensorflow() -> None:
    """Imports TensorFlow, and has absl report warnings and errors alone."""
    import tensorflow  # noqa: F401
    from absl import logging

    logging.set_verbosity(logging.WARNING)


def tell(text: str, *, end: str = "\n", file: TextIO | None = None) -> None:
    """Prints, on stdout by default; where the text cannot be written, it is lost and nothing else.

    For messages of work that must go on: the disk of a log may be full, and the reader of a pipe
    may be gone.
    """
    # RuntimeError: a signal arrived while the same stream was being written.
    with contextlib.suppress(OSError, RuntimeError):
        print(text, end=end, file=file, flush=True)


def run(command: Callable[[], None]) -> None:
    """Runs a command; exits with 1 and `error: <what to do>`, 130 after Ctrl-C, 143 after SIGTERM.

    ValueError and OSError are the user's to fix, and their messages say how; anything else is a
    defect and keeps its traceback.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may not be UTF-8
    # A shell that starts commands in the background makes them ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        command()
    except (ValueError, OSError) as error:
        tell(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt as interrupt:
        tell(f"\n{str(interrupt) or 'Interrupted.'}", file=sys.stderr)
        sys.exit(getattr(interrupt, "exit_code", 128 + signal.SIGINT))
