"""Training and evaluation of GANs."""

from zoo.core import imports

imports.check_installed()
