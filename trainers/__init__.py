"""How a GAN is trained and measured."""

from zoo.core import imports

imports.check_installed()
