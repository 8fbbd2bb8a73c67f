"""Layers that two or more papers use identically."""

from zoo.layers.batch_normalization import BatchNormalization
from zoo.layers.maxout import Maxout
from zoo.layers.random import Dropout, next_seed, random_draws

__all__ = ["BatchNormalization", "Dropout", "Maxout", "next_seed", "random_draws"]
