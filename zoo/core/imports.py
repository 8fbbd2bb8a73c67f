"""What happens when TensorFlow and Keras are imported after `zoo`, which does not wait for them.

tensorflow   its start-up notes are not shown, and oneDNN's kernels are on
keras        `keras.models.load_model` knows the families
"""

import contextlib
import functools
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import shutil
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from typing import Any

from zoo.core import presets

Run = Callable[[types.ModuleType], None]


def installed() -> bool:
    """Whether TensorFlow and Keras are."""
    return all(importlib.util.find_spec(name) for name in ("tensorflow", "keras"))


def check_installed() -> None:
    """Raises an `ImportError` that says what to install, where TensorFlow or Keras is missing."""
    if not installed():
        raise ImportError(
            "zoo needs TensorFlow and Keras, which the base install (the client alone) leaves out. "
            "Install them from the clone: pip install '.[train]' (or a wheel's path in place of "
            "the dot)"
        )


def prepare() -> None:
    """To be called when `zoo` is imported.

    Raises:
        ImportError: They are not installed, or Keras has another backend.
    """
    check_installed()
    backend = _backend()
    if backend != "tensorflow":
        raise ImportError(
            "zoo needs Keras's TensorFlow backend: set KERAS_BACKEND=tensorflow before Keras is "
            f"imported. Received: {backend!r}."
        )
    set_environment()
    if "keras" in sys.modules:
        _register_families()
    sys.meta_path.insert(0, _Finder())


def set_environment() -> None:
    """TensorFlow's settings, unless there are some."""
    # Without a GPU, TensorFlow reports that as an error; with one, its errors are errors.
    level = "2" if pathlib.Path("/dev/nvidia0").exists() else "3"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", level)
    # On by default only where the CPU has AVX512 VNNI; with AVX2 alone it trains 1.4 times faster.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def _backend() -> str:
    """Keras's backend: of the module, if it is imported, else of its settings, as it reads them."""
    if "keras" in sys.modules:
        return sys.modules["keras"].config.backend()
    named = os.environ.get("KERAS_BACKEND")
    if named:
        return named
    home = os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras"
    try:
        return json.loads((pathlib.Path(home) / "keras.json").read_text())["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"


class _Finder:
    """Finds TensorFlow and Keras as Python does, and runs them with what belongs around them."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        around = _AROUND.get(name)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if around else None
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = functools.partial(around, spec.loader.exec_module)
        return spec


def _run_tensorflow(run: Run, module: types.ModuleType) -> None:
    with _quiet():
        run(module)


def _run_keras(run: Run, module: types.ModuleType) -> None:
    run(module)
    _register_families()


_AROUND = {"tensorflow": _run_tensorflow, "keras": _run_keras}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps stderr, of C++ code too, to itself, unless an exception ends what is done.

    TensorFlow writes its first notes before it reads its log level.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(stderr, 2)
            kept.seek(0)
            with os.fdopen(os.dup(2), "wb") as shown:
                shutil.copyfileobj(kept, shown)
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


class _Family:
    """Stands in Keras's registry for a family's class until that is imported."""

    def __init__(self, family: str) -> None:
        self.family = family

    def from_config(self, config: dict[str, Any]) -> Any:
        """The model; its class takes this one's place."""
        return presets.family_class(self.family).from_config(config)


def _register_families() -> None:
    import keras

    registered = keras.saving.get_custom_objects()
    for family, class_name in presets.FAMILIES.items():
        if ":" not in class_name:
            registered.setdefault(f"gan_zoo>{class_name}", _Family(family))
