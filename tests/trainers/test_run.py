"""A run's settings, and the flags that are made of them."""

import dataclasses
import re

import pytest

from tests.commands import end_of
from trainers.__main__ import _parser, _run_of, main
from trainers.data import tasks
from trainers.recipes import get_recipe, list_recipes
from trainers.run import TASKS, Run

NEEDED = ["--dataset=sample:fashion_mnist", "--workdir=W", "--steps=1"]


def described(*arguments: str) -> Run:
    return _run_of(_parser().parse_args([*NEEDED, *arguments]))


def test_help_says_of_every_field_what_it_is_and_its_default() -> None:
    text = " ".join(_parser().format_help().split())
    by_hand = {"config", "batch_sizes"}  # --set, and recipes alone
    for field in dataclasses.fields(Run):
        if field.name in by_hand:
            assert "help" not in field.metadata
            continue
        assert f"--{field.name}" in text
        told = " ".join(field.metadata["help"].split())
        if field.default not in (None, False, dataclasses.MISSING):
            told += f" (default: {'true' if field.default is True else f'{field.default}'})"
        assert told.replace(".0)", ")") in text.replace("wide-", "wide-")


def test_help_is_in_groups() -> None:
    headings = re.findall(r"^([a-z ]+):$", _parser().format_help(), re.MULTILINE)
    assert headings == [
        "options",
        "model",
        "data",
        "training",
        "devices and speed",
        "output",
        "evaluation",
    ]


def test_tasks_are_those_of_the_data() -> None:
    assert tuple(tasks.TASKS) == TASKS


def test_flags_become_a_run() -> None:
    run = described("--preset=dcgan_mnist", "--batch_size", "4", "--nojitter", "--worker_timeout=2")
    assert run == Run(
        preset="dcgan_mnist",
        dataset="sample:fashion_mnist",
        workdir="W",
        steps=1,
        batch_size=4,
        jitter=False,
        worker_timeout=2.0,
    )


def test_arguments_are_set_on_a_family_a_preset_and_a_recipe() -> None:
    family = described("--family=stylegan2", "--resolution=64", "--set", "group=8", "--set=r1=3")
    assert (family.family, family.preset) == ("stylegan2", None)
    assert family.config == {"resolution": 64, "group": 8, "r1": 3.0}
    preset = described("--preset=stylegan2_fashion_mnist", "--set", "augment=ada", "--channels=3")
    assert preset.config == {"channels": 3, "augment": "ada"}
    recipe = described("--recipe=dcgan_fashion_mnist", "--set", "width=8")
    assert recipe.config == {"width": 8}
    assert recipe.preset == get_recipe("dcgan_fashion_mnist")["preset"]
    assert described("--preset=dcgan_mnist").config is None


@pytest.mark.parametrize("name", list_recipes())
def test_recipes_are_runs_of_a_preset(name: str) -> None:
    Run(workdir="W", **get_recipe(name)).check()


def test_a_model_is_named_by_its_preset_or_by_family_and_data(tmp_path) -> None:
    (tmp_path / "My photos").mkdir()
    photos = {"dataset": str(tmp_path / "My photos"), "workdir": "W", "steps": 1}
    names = {
        "stylegan2_My_photos": Run(family="stylegan2", **photos),
        "dcgan_mnist": Run(preset="dcgan_mnist", **photos),
        "tiny": Run(preset="/somewhere/tiny/", **photos),
        "repo": Run(preset="hf://user/repo", **photos),
        "dcgan_fashion_mnist": Run(family="dcgan", **{**photos, "dataset": "sample:fashion_mnist"}),
        "dcgan_name_config": Run(family="dcgan", **{**photos, "dataset": "name/config"}),
    }
    assert {name: run.name for name, run in names.items()} == {name: name for name in names}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give --preset or --family, or a --recipe and a --workdir. See python -m trainers"),
        (["--family=stylgan"], "Received: 'stylgan'. Did you mean 'stylegan'"),
        (
            ["--family=dcgan", "--preset=dcgan_mnist"],
            "from one of preset and family. Received: preset='dcgan_mnist', family='dcgan'.",
        ),
        (
            ["--family=dcgan", "--set", "widht=8"],
            "DCGAN has the arguments resolution, channels, latent_dim, width, architecture, "
            "ema_decay, generator_alone. Received: 'widht'. Did you mean 'width'?",
        ),
        (["--preset=dcgan_mnist", "--set", "width=x"], "width must be an integer or none. Rec"),
        (["--preset=dcgan_mnist", "--set", "width"], "set by NAME=VALUE. Received: 'width'."),
        (
            ["--preset=hf://user/repo", "--set", "width=8"],
            "need a preset on this machine, whose family is known. Received: --preset=hf://user",
        ),
        (["--recipe=dcgan_fasion"], "Unknown recipe. Did you mean 'dcgan_fashion_mnist"),
        (
            ["--recipe=dcgan"],
            "Did you mean 'dcgan_fashion_mnist', 'dcgan_mnist' or 'dcgan_peeps'? The recipes are:",
        ),
        (["--preset=dcgan_mnist", "--steps=0"], "steps must be at least 1. Received: 0."),
    ],
)
def test_what_does_not_fit_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    code, output, error = end_of(capsys, main, *NEEDED, *arguments)
    assert (code, output) == (1, "")
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stepz=3"], "Unknown flag --stepz. Did you mean '--steps'"),
        (["--mixed_precision=float8"], "must be one of auto, float16, bfloat16, none. Received"),
        (["--task=colorise"], "Did you mean 'colorize'?"),
        (["--channels=2"], "must be one of 1, 3. Received: 2."),
        (["--resolution=0"], "--resolution must be at least 1. Received: 0."),
        (["--steps=many"], "--steps must be a whole number. Received: 'many'."),
        (["extra"], "Unexpected arguments. Received: extra."),
    ],
)
def test_usage_errors_end_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    code, output, error = end_of(capsys, main, *arguments)
    assert (code, output) == (2, "")
    assert message in error
    assert error.count("\n") == 1
