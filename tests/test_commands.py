"""What all commands have in common: quick help, and mistakes in one line before TensorFlow."""

import importlib
import json
import pathlib
import subprocess
import sys
import tomllib

import pytest

from tests.commands import end_of

ROOT = pathlib.Path(__file__).parent.parent
COMMANDS = {
    "zoo": "zoo.__main__",
    "trainers": "trainers.__main__",
    "trainers.data": "trainers.data.__main__",
    "trainers.evaluate": "trainers.evaluate",
    "trainers.report": "trainers.report.__main__",
    "trainers.demo": "trainers.demo",
    "trainers.maintainers.publish": "trainers.maintainers.publish",
    "trainers.maintainers.make_samples": "trainers.maintainers.make_samples",
    "export": "export.__main__",
    "serving": "serving.__main__",
    "serving.client": "serving.client.command_line",
}
TRAIN = ["--preset=dcgan_mnist", "--dataset=sample:fashion_mnist", "--workdir=W", "--steps=1"]
# Wrong names and values that are reported without TensorFlow: command, arguments, exit code.
MISTAKES = [
    ("zoo", ["sample", "nonsense"], 1),
    ("trainers", [], 1),
    ("trainers", ["--recipe=dcgan_fasion", "--workdir=W"], 1),
    ("trainers", [*TRAIN, "--preset=dcgan_mnst"], 1),
    ("trainers", [*TRAIN, "--dataset=sample:fashon"], 1),
    ("trainers", [*TRAIN, "--dataset=fashon_mnist"], 1),
    ("trainers", [*TRAIN, "--evaluate_dataset=fashon_mnist"], 1),
    ("trainers", [*TRAIN, "--dataset=./nowhere"], 1),
    ("trainers", [*TRAIN, "--family=dcgan"], 1),
    ("trainers", [*TRAIN, "--set", "widht=8"], 1),
    ("trainers", [*TRAIN, "--batch_size=0"], 1),
    ("trainers", [*TRAIN, "--task=colorise"], 2),
    ("trainers.data", ["prepare", "fashon_mnist"], 1),
    ("trainers.evaluate", ["--preset=dcgan_mnst"], 1),
    ("trainers.evaluate", ["--run=nowhere"], 1),
    ("trainers.evaluate", ["--preset=dcgan_fashion_mnist", "--metrics=kit"], 1),
    ("trainers.evaluate", ["--preset=dcgan_fashion_mnist", "--dataset=fashon_mnist"], 1),
    ("trainers.report", ["--run=nowhere"], 1),
    ("trainers.maintainers.publish", ["--run=nowhere"], 1),
    ("trainers.maintainers.make_samples", ["openmoji"], 2),
    ("export", ["--preset=dcgan_mnst", "--to=models"], 1),
    ("serving", ["--models=nowhere"], 1),
]


def main_of(command: str):
    return importlib.import_module(COMMANDS[command]).main


def test_console_scripts_are_these_commands() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    mains = {main_of(command) for command in COMMANDS if "maintainers" not in command}
    found = set()
    for target in scripts.values():
        module, _, name = target.partition(":")
        found.add(getattr(importlib.import_module(module), name))
    assert found == mains


def test_help_and_mistakes_need_no_tensorflow() -> None:
    """All in one process, which at the end has not imported it."""
    probe = """
import contextlib, importlib, io, json, sys
results = []
for module, arguments in json.load(sys.stdin):
    code, out, err = 0, io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            importlib.import_module(module).main(arguments)
        except SystemExit as end:
            code = end.code
    results.append([code, out.getvalue(), err.getvalue(), "tensorflow" in sys.modules])
json.dump(results, sys.stdout)
"""
    helps = [(command, ["--help"], 0) for command in COMMANDS]
    asked = [*helps, *MISTAKES]
    done = subprocess.run(
        [sys.executable, "-c", probe],
        input=json.dumps([(COMMANDS[command], arguments) for command, arguments, _ in asked]),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    for (command, arguments, code), result in zip(asked, json.loads(done.stdout), strict=True):
        received, output, error, tensorflow = result
        assert (received, tensorflow) == (code, False), (command, arguments, error)
        if code == 0:
            assert output.startswith(f"usage: python -m {command} ")
            assert error == ""
            for text in (str(ROOT), sys.prefix, ".py\n"):
                assert text not in output
        else:
            assert output == ""
            assert error.count("\n") == 1, error
            assert error.startswith(("error: ", "serving: "))


# What must be there besides a flag.
REQUIRED = {
    "zoo": ["list"],
    "trainers.data": ["prepare", "fashion_mnist"],
    "trainers.maintainers.publish": ["--run=W"],
    "trainers.maintainers.make_samples": ["openmoji_pairs"],
    "serving.client": ["status", "model"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_flag_is_one_line(command: str, capsys: pytest.CaptureFixture) -> None:
    code, output, error = end_of(capsys, main_of(command), *REQUIRED.get(command, []), "--hepl")
    assert (code, output) == (2, "")
    assert error.count("\n") == 1
    assert "nknown flag --hepl. Did you mean '--help'" in error
    assert f"See python -m {command} " in error


@pytest.mark.parametrize(
    ("command", "arguments", "rule"),
    [
        ("zoo", ["sample", "name", "--n=zero"], "--n must be a whole number"),
        ("zoo", ["sample", "name", "--truncation=zero"], "--truncation must be a number"),
        ("trainers", ["--batch_size=zero"], "--batch_size must be a whole number"),
        ("trainers", ["--resolution=zero"], "--resolution must be a whole number"),
        ("trainers", ["--checkpoint_minutes=zero"], "--checkpoint_minutes must be a number"),
        ("trainers.evaluate", ["--num_images=zero"], "--num_images must be a whole number"),
        ("trainers.demo", ["--steps=zero"], "--steps must be a whole number"),
        ("serving", ["--load_retry_interval_micros=zero"], "micros must be a whole number"),
        ("serving.client", ["generate", "model", "--n=zero"], "--n must be a whole number"),
        ("serving.client", ["status", "model", "--timeout=zero"], "--timeout must be a number"),
    ],
)
def test_a_number_that_is_none_is_one_line(
    command: str, arguments: list[str], rule: str, capsys: pytest.CaptureFixture
) -> None:
    code, output, error = end_of(capsys, main_of(command), *arguments)
    assert (code, output) == (2, "")
    assert f"{rule}. Received: 'zero'. See python -m {command}" in error
    assert error.count("\n") == 1
