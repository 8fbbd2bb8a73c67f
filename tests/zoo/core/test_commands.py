"""How commands read their flags."""

import argparse
import dataclasses
import re

import pytest

from zoo.core.commands import Parser, add_fields, at_least


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What the flags are made of."""

    preset: str | None = dataclasses.field(
        default=None, metadata={"help": "Of 100 % of them.", "group": "model"}
    )
    batch_size: int = dataclasses.field(default=8, metadata={"help": "Images.", "group": "steps"})
    minutes: float | None = dataclasses.field(
        default=None, metadata={"help": "Minutes.", "group": "steps"}
    )
    jitter: bool = dataclasses.field(default=True, metadata={"help": "Crop.", "group": "data"})
    dry: bool = dataclasses.field(default=False, metadata={"help": "Stop.", "group": "data"})
    strategy: str = dataclasses.field(
        default="auto",
        metadata={"help": "Devices.", "group": "data", "choices": ("auto", "one")},
    )
    inner: dict | None = None


def parser() -> Parser:
    made = Parser("python -m toy", "A toy.")
    add_fields(made, Settings)
    made.add_argument("--least", type=at_least(1), default=argparse.SUPPRESS)
    return made


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ([], {}),
        (["--batch_size=16"], {"batch_size": 16}),
        (["--batch_size", "16"], {"batch_size": 16}),
        (["--batch-size=16"], {"batch_size": 16}),
        (["--minutes=.5", "--preset", "a-b=c"], {"minutes": 0.5, "preset": "a-b=c"}),
        (["--jitter"], {"jitter": True}),
        (["--nojitter"], {"jitter": False}),
        (["--no-jitter"], {"jitter": False}),
        (["--no_jitter"], {"jitter": False}),
        (["--jitter=false"], {"jitter": False}),
        (["--jitter=True", "--dry"], {"jitter": True, "dry": True}),
        (["--strategy=one"], {"strategy": "one"}),
    ],
)
def test_flags_of_a_dataclass(arguments: list[str], values: dict[str, object]) -> None:
    assert vars(parser().parse_args(arguments)) == values


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batchsize=3"], "Unknown flag --batchsize. Did you mean '--batch_size'?"),
        (["--inner=3"], "Unknown flag --inner."),
        (["--batch_size=x"], "error: --batch_size must be a whole number. Received: 'x'. See"),
        (["--minutes=x"], "error: --minutes must be a number. Received: 'x'. See"),
        (["--least=x"], "error: --least must be a whole number. Received: 'x'. See"),
        (["--least=0"], "error: --least must be at least 1. Received: 0. See"),
        (["--strategy=on"], "must be one of auto, one. Received: 'on'. Did you mean 'one'?"),
        (["--jitter=maybe"], "--jitter must be true or false. Received: 'maybe'."),
        (["--preset"], "--preset: expected one argument."),
        (["a", "b"], "Unexpected arguments. Received: a b."),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as end:
        parser().parse_args(arguments)
    error = capsys.readouterr().err
    assert end.value.code == 2
    assert error.startswith("error: ")
    assert message in error
    assert error.endswith(" See python -m toy --help.\n")
    assert error.count("\n") == 1


def test_help_has_headings_and_defaults() -> None:
    text = parser().format_help()
    assert text.startswith("usage: python -m toy")
    headings = re.findall(r"^(\w+):$", text, re.MULTILINE)
    assert headings == ["options", "model", "steps", "data"]
    for line in (
        "Images. (default: 8)",
        "Of 100 % of them.\n",
        "Crop. (default: true)",
        "Stop.\n",
        "{auto,one}",
    ):
        assert line in text


def test_an_integer_has_a_least() -> None:
    assert at_least(1)("1") == 1
    with pytest.raises(argparse.ArgumentTypeError, match="must be at least 1. Received: 0"):
        at_least(1)("0")
