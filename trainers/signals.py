"""SIGINT and SIGTERM: finish the step, save, exit."""

import signal
import threading
from types import FrameType
from typing import Any

from zoo.core.commands import Stopped, tell

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Remembers the first signal while its `with` block runs; a second one stops at once.

    Attributes:
        signum: The signal, or None.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():  # Python allows no other
            for signum in SIGNALS:
                self._before[signum] = signal.signal(signum, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def _on_signal(self, signum: int, _: FrameType | None) -> None:
        if self.signum is not None:
            raise Stopped(signum, "Stopped at once: steps since the last checkpoint are lost.")
        self.signum = signum
        name = signal.Signals(signum).name
        tell(f"\n{name}: saving after this step. Interrupt again to stop at once.")
