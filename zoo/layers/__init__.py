"""Layers that two or more papers use identically."""

from zoo.layers.batch_normalization import BatchNormalization

__all__ = ["BatchNormalization"]
