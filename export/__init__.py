"""How a GAN leaves Keras: as a SavedModel, or for other runtimes."""

from zoo.core import imports

imports.check_installed()
