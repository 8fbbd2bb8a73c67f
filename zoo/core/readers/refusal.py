"""What a reader refuses."""

from zoo.core.spelling import escaped

_LONGEST = 2_000  # characters


class CheckpointError(ValueError):
    """A published checkpoint that cannot be read, trusted or converted.

    Its message is one line of moderate length: a name in a hostile file may be as long as the file,
    and hold line ends or commands for a terminal.
    """

    def __init__(self, message: str) -> None:
        super().__init__(escaped(message[:_LONGEST]))
