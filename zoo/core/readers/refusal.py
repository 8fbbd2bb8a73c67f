"""What a reader refuses."""


class CheckpointError(ValueError):
    """A published checkpoint that cannot be read, trusted or converted."""
