"""The package's metadata names every licence of what it holds, and the texts are there."""

import json
import pathlib
import tomllib

import pytest
from packaging.licenses import canonicalize_license_expression

from trainers.data import bundled
from zoo.core import presets

ROOT = pathlib.Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LICENCES = set(PROJECT["license"].split(" AND "))
LICENCE_FILES = {file for pattern in PROJECT["license-files"] for file in ROOT.glob(pattern)}
CARDS = sorted(presets.PRETRAINED.glob(f"*/{presets.CARD_FILE}"))

PROJECT_LICENCE = "Apache-2.0"  # of the code

# The licence of each file in the package that is neither code, nor a preset, nor a sample.
OTHERS = {
    "serving/LICENSE-tf_serving_api.txt": "Apache-2.0 AND BSD-3-Clause",
    "trainers/metrics/LICENSE.efficientnet_lite0.txt": "Apache-2.0",
    "trainers/metrics/LICENSE.torchvision.txt": "BSD-3-Clause",
}
# How each text begins, and how long it is at least: the whole text, not a summary.
TEXTS = {
    "Apache-2.0": ("Apache License", 10_000),
    "CC-BY-4.0": ("Attribution 4.0 International", 18_000),
    "CC-BY-SA-4.0": ("Attribution-ShareAlike 4.0 International", 18_000),
    "GPL-3.0-or-later": ("GNU GENERAL PUBLIC LICENSE", 30_000),
}


def licence_text(licence: str) -> pathlib.Path:
    """Where the full text of a preset's licence is."""
    if licence == PROJECT_LICENCE:
        return ROOT / "LICENSE"
    return presets.PRETRAINED / f"LICENSE.{licence}.txt"


def test_the_expression_is_spdx() -> None:
    assert canonicalize_license_expression(PROJECT["license"]) == PROJECT["license"]


def test_the_expression_names_what_is_bundled_and_nothing_else() -> None:
    expressions = [json.loads(card.read_text("utf-8"))["licence"] for card in CARDS]
    expressions += [*bundled.SAMPLES.values(), *OTHERS.values(), PROJECT_LICENCE]
    held = {licence for expression in expressions for licence in expression.split(" AND ")}
    assert held == LICENCES


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.parent.name)
def test_a_preset_has_the_text_of_its_licence(card: pathlib.Path) -> None:
    licence = json.loads(card.read_text("utf-8"))["licence"]
    begins, length = TEXTS[licence]
    file = licence_text(licence)
    text = file.read_text("utf-8")
    assert text.lstrip().startswith(begins)
    assert len(text) > length
    assert file in LICENCE_FILES


def test_the_licence_files_are_those_of_the_samples_and_the_others() -> None:
    samples = {bundled.FOLDER / f"LICENSE.{name}.txt" for name in bundled.SAMPLES}
    texts = {licence_text(licence) for licence in TEXTS}
    assert samples | texts | {ROOT / file for file in OTHERS} == LICENCE_FILES
