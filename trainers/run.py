"""Settings of a run, and their checks. Does not import TensorFlow."""

import dataclasses
import functools
import pathlib
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from zoo.core import arguments, presets, sources

JIT = {"auto": None, "on": True, "off": False}
# "auto" selects what is fast on this machine; "none" is float32 throughout.
PRECISIONS = ("auto", "float16", "bfloat16", "none")
STRATEGIES = ("auto", "one", "mirrored", "multi_worker")
# Names of `trainers.data.tasks.TASKS`.
TASKS = (
    "colorize",
    "inpaint",
    "denoise",
    "derain",
    "deblur",
    "edges_to_photo",
    "super_resolve",
)
# Seconds that workers wait for each other at the start.
WORKER_TIMEOUT_S = 300.0

_AT_LEAST_1 = (
    "evaluate_images",
    "steps",
    "batch_size",
    "accumulate",
    "checkpoint_every",
    "keep",
    "sample_every",
    "log_every",
)


def _setting(group: str, text: str, default: Any = dataclasses.MISSING, **more: Any) -> Any:
    """A field that is also a flag of `python -m trainers`, with this help text."""
    return dataclasses.field(default=default, metadata={"group": group, "help": text, **more})


_model = functools.partial(_setting, "model")
_data = functools.partial(_setting, "data")
_training = functools.partial(_setting, "training")
_device = functools.partial(_setting, "devices and speed")
_output = functools.partial(_setting, "output")
_evaluation = functools.partial(_setting, "evaluation")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """All inputs of a run, and its output folder.

    The help text of a field describes it; `python -m trainers --help` prints them.

    Attributes:
        config: Constructor arguments of the family that replace its defaults or the preset's.
        batch_sizes: `batch_size` for each resolution of a growing GAN: {4: 128, 8: 64}.
    """

    recipe: str | None = _model("train with this recipe; other flags override it", None)
    preset: str | None = _model("train the architecture of this preset from random weights", None)
    family: str | None = _model(
        "or an architecture of this family: its defaults, --resolution, --channels and --set", None
    )
    config: Mapping[str, Any] | None = None

    dataset: str = _data("sample:fashion_mnist, a TFDS name, or a folder of images")
    task: str | None = _data(
        "make the pairs of an image-to-image GAN from any images", None, choices=TASKS
    )
    reverse: bool = _data("swap source and target of each pair", False)
    jitter: bool = _data(
        "enlarge and crop the images of an image-to-image GAN at random; --no-jitter only mirrors "
        "them, which keeps small images sharp",
        True,
    )
    data_dir: str | None = _data(
        "where TFDS keeps its data sets (default: ~/tensorflow_datasets)", None
    )

    steps: int = _training("total number of generator updates, across resumes")
    batch_size: int = _training("images per step, over all devices", 128)
    batch_sizes: Mapping[int, int] | None = None
    seed: int = _training("seed of initial weights, data order and every random draw", 0)
    alternate: bool | None = _training(
        "update the second network after the first, against its new weights; --no-alternate "
        "updates both from one forward pass, which is faster (default: what the family does)",
        None,
    )

    accumulate: int = _device("split each batch into this many parts, to save memory", 1)
    mixed_precision: str | None = _device(
        "half precision; auto uses bfloat16 if it is faster on this machine "
        "(default: none, float32 throughout)",
        None,
        choices=PRECISIONS,
    )
    jit_compile: str = _device(
        "compile with XLA; auto does so with one GPU", "auto", choices=tuple(JIT)
    )
    strategy: str = _device(
        "devices to train on; for several machines see trainers/cluster/README.md",
        "auto",
        choices=STRATEGIES,
    )
    worker_timeout: float = _device(
        "seconds for which workers wait for each other at the start", WORKER_TIMEOUT_S
    )
    deterministic: bool = _device(
        "use deterministic kernels, for bit-identical runs; slower on a GPU", False
    )

    workdir: str = _output(
        "folder of checkpoints, preset, report and logs; the same command resumes the run in it"
    )
    checkpoint_every: int = _output("steps between checkpoints", 1000)
    checkpoint_minutes: float = _output("maximum minutes between checkpoints", 15.0)
    keep: int = _output("number of newest checkpoints to keep", 3)
    sample_every: int = _output("steps between sample grids", 500)
    log_every: int = _output("steps between points of the curves", 50)

    evaluate_every: int = _evaluation(
        "steps between evaluations on the test split; the best is kept as WORKDIR/best; 0 for none",
        0,
    )
    evaluate_images: int = _evaluation("number of generated and of real images to compare", 5000)
    evaluate_dataset: str | None = _evaluation(
        "data set whose test split is used (default: that of --dataset)", None
    )

    @property
    def name(self) -> str:
        """Name of the model: its preset's name, or its family and data set."""
        if self.preset:
            name = sources.canonical(self.preset).rstrip("/")
        else:
            dataset = self.dataset.removeprefix("sample:")
            if pathlib.Path(dataset).expanduser().is_dir():
                dataset = pathlib.Path(dataset).expanduser().resolve().name
            name = f"{self.family}_{dataset.replace('/', '_')}"
        name = unicodedata.normalize("NFC", name.rpartition("/")[2])
        return re.sub(r"[^\w.-]+", "_", name)

    def check(self) -> None:
        """Raises ValueError for a value out of range, an unknown family or an unknown argument."""
        for name in _AT_LEAST_1:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1. Received: {getattr(self, name)}.")
        if any(size < 1 for size in (self.batch_sizes or {}).values()):
            raise ValueError(f"batch_sizes must be at least 1. Received: {self.batch_sizes}.")
        if self.evaluate_every < 0:
            raise ValueError(f"evaluate_every must be 0 or more. Received: {self.evaluate_every}.")
        if not self.checkpoint_minutes > 0:
            raise ValueError(
                f"checkpoint_minutes must be more than 0. Received: {self.checkpoint_minutes}."
            )
        for name, known in (("jit_compile", JIT), ("mixed_precision", PRECISIONS)):
            value = getattr(self, name)
            if value not in known and (name, value) != ("mixed_precision", None):
                raise ValueError(f"{name} must be one of {', '.join(known)}. Received: {value!r}.")
        if bool(self.preset) == bool(self.family):
            raise ValueError(
                "A run takes its architecture from one of preset and family. "
                f"Received: preset={self.preset!r}, family={self.family!r}."
            )
        if self.preset:
            sources.check_name(self.preset)
        family = family_of(self)
        if family and self.config is not None:
            arguments.check(family, self.config)


def family_of(run: Run) -> str | None:
    """The family of a run's architecture; None for a preset that is not downloaded yet."""
    if run.family:
        presets.check_family(run.family)
        return run.family
    return sources.family_of(run.preset) if run.preset and "://" not in run.preset else None


def defaults_of(run: Run) -> dict[str, Any]:
    """The arguments that `config` overrides: the family's defaults, or those of the preset."""
    family = family_of(run)
    defaults = (
        {a.name: a.default for a in arguments.arguments_of(family).values()} if family else {}
    )
    if run.preset in presets.list_presets():
        defaults |= presets.get_preset(run.preset).config
    return defaults
