"""Which number type pays on which machine."""

import dataclasses
import json
import pathlib

import pytest

from trainers import defaults, precision
from trainers.run import Run

PLAIN = {"avx2", "fma"}


def machine(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], gpus: list[tuple[int, int]] | None = None
) -> None:
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset(flags))
    monkeypatch.setattr(precision, "gpu_capabilities", lambda: gpus or [])


@pytest.mark.parametrize(
    ("flags", "gpus", "choice", "reason"),
    [
        (PLAIN, [], None, "the CPU has neither avx512_bf16 nor amx_bf16"),
        (PLAIN | {"avx512_bf16"}, [], "bfloat16", "the CPU has avx512_bf16"),
        (
            PLAIN | {"avx512_bf16", "amx_bf16"},
            [],
            "bfloat16",
            "the CPU has avx512_bf16 and amx_bf16",
        ),
        (PLAIN, [(8, 0)], "bfloat16", "the GPU's compute capability is 8.0"),
        (PLAIN, [(9, 0), (7, 5)], None, "the GPU's compute capability is 7.5, not 8.0 or more"),
        (PLAIN | {"amx_bf16"}, [(0, 0)], None, "capability is unknown, not 8.0 or more"),
    ],
)
def test_auto_takes_bfloat16_where_it_pays(monkeypatch, flags, gpus, choice, reason) -> None:
    machine(monkeypatch, flags, gpus)
    chosen, why = precision.choose()
    assert chosen == choice
    assert reason in why


@pytest.mark.parametrize(
    ("mixed", "flags", "gpus", "warns"),
    [
        (None, PLAIN, [], False),
        ("bfloat16", PLAIN, [], True),
        ("bfloat16", {"amx_bf16"}, [], False),
        ("float16", {"amx_bf16"}, [], True),
        ("float16", {"avx512_fp16"}, [], False),
        ("float16", PLAIN, [(7, 5)], False),
    ],
)
def test_a_cpu_without_the_type_is_warned_of(
    monkeypatch, capsys, mixed, flags, gpus, warns
) -> None:
    machine(monkeypatch, flags, gpus)
    precision.warn_if_slow(mixed)
    warning = capsys.readouterr().err
    assert warning.startswith(f"warning: this CPU computes faster in float32 than in {mixed}") == (
        warns
    )
    assert bool(warning) == warns


def test_the_flags_of_a_linux_cpu(monkeypatch) -> None:
    text = "processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16\nbugs\t\t: none\n"
    monkeypatch.setattr(pathlib.Path, "read_text", lambda self, **_: text)
    assert precision.cpu_flags() == {"fpu", "avx2", "avx512_bf16"}

    def absent(self: pathlib.Path, **_: object) -> str:
        raise FileNotFoundError(self)

    monkeypatch.setattr(pathlib.Path, "read_text", absent)
    assert precision.cpu_flags() == frozenset()


def test_a_run_keeps_the_type_that_auto_chose(monkeypatch, capsys, tmp_path) -> None:
    run = Run(
        preset="dcgan_mnist",
        dataset="sample:fashion_mnist",
        workdir=str(tmp_path),
        steps=1,
        mixed_precision="auto",
    )
    machine(monkeypatch, {"amx_bf16"})
    begun, _ = defaults.fill_in(run)
    assert begun.mixed_precision == "bfloat16"
    assert capsys.readouterr().out == "--mixed_precision=auto: bfloat16, the CPU has amx_bf16\n"
    (tmp_path / "config.json").write_text(json.dumps(dataclasses.asdict(begun)))
    machine(monkeypatch, PLAIN)  # resumed elsewhere
    resumed, _ = defaults.fill_in(run)
    assert resumed.mixed_precision == "bfloat16"
    assert capsys.readouterr().out == "--mixed_precision=auto: bfloat16, as this run began\n"
    none, _ = defaults.fill_in(dataclasses.replace(run, mixed_precision="none"))
    assert none.mixed_precision is None
    capsys.readouterr()

    monkeypatch.chdir(tmp_path)  # a dry run without a workdir is no run of the current folder
    nowhere, _ = defaults.fill_in(dataclasses.replace(run, workdir=""))
    assert (nowhere.workdir, nowhere.mixed_precision) == ("", None)
    assert "float32, " in capsys.readouterr().out
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    at_home, _ = defaults.fill_in(dataclasses.replace(run, workdir=f"~/{tmp_path.name}"))
    assert (at_home.workdir, at_home.mixed_precision) == (str(tmp_path), "bfloat16")
