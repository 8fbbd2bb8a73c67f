"""Pictures: files in and out, grids and PNG, tiles of large images."""


class PictureError(ValueError):
    """A file that is not a picture, or cannot be used as one."""
