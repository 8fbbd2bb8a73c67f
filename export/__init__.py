"""How a GAN leaves Keras: as a SavedModel."""
