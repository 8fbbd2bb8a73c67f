"""Pictures: files in and out, grids and PNG, tiles of large images."""
