"""The one error that this package raises."""


class DataError(ValueError):
    """A data set that cannot be read as asked: one line naming what was received and what to do."""
