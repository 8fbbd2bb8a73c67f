"""In plain `fit`: a loss that is not finite ends it, and a value to monitor must exist."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

# What `fit` of other models reports, and of a GAN does not.
_ABSENT = ("loss", "accuracy", "acc")


class Guard(keras.callbacks.Callback):
    """Ends `fit` at the first step that reports a scalar that is not finite.

    Args:
        terminator: Keras's own, if `fit` is given one: training then ends as it says.
    """

    def __init__(self, terminator: keras.callbacks.TerminateOnNaN | None = None) -> None:
        super().__init__()
        self.terminator = terminator

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the scalars of a step.

        Raises:
            ValueError: One is not finite.
        """
        found = [
            f"{name} is {float(np.mean(value))}"
            for name, value in (logs or {}).items()
            if not math.isfinite(np.mean(value)) and not self._is_scaled(name)
        ]
        if not found:
            return
        message = f"Training has diverged: {', '.join(found)} at step {int(self.model.steps)}."
        if self.terminator is None or self.terminator.raise_error:
            raise ValueError(
                f"{message} Continue from weights that were saved earlier, with lower learning "
                "rates."
            )
        print(f"\n{message} It stops here.")
        self.model.stop_training = True

    def _is_scaled(self, name: str) -> bool:
        """Whether a norm may overflow: the optimizer then skips the step, and lowers its scale."""
        scaling = keras.optimizers.LossScaleOptimizer
        optimizers = self.model.optimizer.optimizers
        return name.endswith("gradient_norm") and any(isinstance(o, scaling) for o in optimizers)


def check_monitors(callbacks: Sequence[keras.callbacks.Callback], reported: Sequence[str]) -> None:
    """Raises ValueError for a callback that would wait for a value that `fit` does not report.

    Args:
        callbacks: Of `fit`.
        reported: Names of scalars that it reports.
    """
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if monitor is None or not getattr(callback, "save_best_only", True):
            continue
        owner, name = type(callback).__name__, monitor.removeprefix("val_")
        if name in _ABSENT or (name != monitor and name in reported):
            raise ValueError(
                f"{owner} must monitor a value that fit reports: {', '.join(reported)}. None says "
                "how good the images are: python -m trainers --evaluate_every=STEPS measures that, "
                f"and keeps the best. Received: monitor={monitor!r}."
            )
        if getattr(callback, "mode", None) == "auto" and not name.endswith("accuracy"):
            raise ValueError(
                f"{owner} must be told which values of {name} are better: mode='min' or 'max'. "
                "Received: mode='auto'."
            )
