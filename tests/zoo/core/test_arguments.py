"""A family's arguments, read from its source."""

import inspect

import pytest

from zoo.core.arguments import arguments_of, parse
from zoo.core.presets import FAMILIES, PresetError, family_class, get_preset, list_presets


@pytest.mark.parametrize("family", FAMILIES)
def test_the_arguments_are_those_of_the_class(family: str) -> None:
    cls = family_class(family)
    parameters = inspect.signature(cls.__init__).parameters.values()
    own = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    found = {argument.name: argument.default for argument in arguments_of(family).values()}
    assert own.items() <= found.items()
    assert set(found) - set(own) <= {"ema_decay", "generator_alone"}  # of the base class
    assert {"resolution", "channels", "ema_decay"} <= set(found)


@pytest.mark.parametrize("name", list_presets())
def test_a_preset_sets_arguments_of_its_family(name: str) -> None:
    preset = get_preset(name)
    assert set(preset.config) <= set(arguments_of(preset.family))


def test_values_have_the_type_of_the_annotation() -> None:
    settings = ["group=8", "augment=ada", "noise=False", "ema_ramp=none", "r1=3", "ema-decay = .9"]
    values = parse("stylegan2", settings)
    assert values == {
        "group": 8,
        "augment": "ada",
        "noise": False,
        "ema_ramp": None,
        "r1": 3.0,
        "ema_decay": 0.9,
    }
    assert type(values["r1"]) is float
    assert parse("dcgan", ["width=none"]) == {"width": None}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("grup=8", r"StyleGAN2 has the arguments resolution, .*'grup'\. Did you mean 'group'\?"),
        ("group=x", r"group must be an integer\. Received: 'x'\."),
        ("group=1.5", r"group must be an integer\. Received: '1.5'\."),
        ("ema_ramp=x", r"ema_ramp must be a number or none\. Received: 'x'\."),
        ("noise=maybe", r"noise must be true or false\. Received: 'maybe'\."),
        ("group", r"is set by NAME=VALUE\. Received: 'group'\."),
    ],
)
def test_a_wrong_setting_is_named(setting: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse("stylegan2", [setting])


def test_an_unknown_family() -> None:
    with pytest.raises(PresetError, match="Received: 'stylgan2'. Did you mean 'stylegan2'"):
        arguments_of("stylgan2")
